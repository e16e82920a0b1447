"""Divergence: zero against itself, small for bf16, in the same state whatever the workload left behind."""

import numpy as np
import pytest

from tests.workers.catalog.observed import bench, steps
from workers.catalog.evaluations.divergence import Divergence
from workers.catalog.metrics import QUALITY_AGREEMENT, QUALITY_KL
from workers.catalog.model import Model
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.technique import Technique
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.llm_int8 import LlmInt8
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.train_step import TrainStep

EVALUATION = Divergence(items=32)
WORKLOAD = TrainStep()
MODELS = (Llama(), Mlp(width=64), Vit(image_size=32), Resnet(preset="tiny", image_size=32))


def scored(model: Model, *stack: Technique) -> tuple[float, float]:
    """Mean KL divergence in nats and top-1 agreement of a stack against the plain model."""
    baseline, candidate = (EVALUATION.outputs(ready, WORKLOAD) for ready in (bench(model), bench(model, stack)))
    found = EVALUATION.score(baseline, candidate)
    return float(found[QUALITY_KL.name].variant.mean()), float(found[QUALITY_AGREEMENT.name].variant.mean())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_outputs_are_log_probabilities_that_differ(model: Model) -> None:
    outputs = EVALUATION.outputs(bench(model), WORKLOAD)["log_probabilities"]
    assert outputs.dtype == np.float32
    assert outputs.shape[0] == 32
    np.testing.assert_allclose(np.exp(outputs).sum(-1), 1, rtol=1e-4)
    assert len(set(outputs.argmax(-1).tolist())) > 4


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_the_baseline_is_at_zero(model: Model) -> None:
    assert scored(model) == (0.0, 1.0)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_bf16_is_near(model: Model) -> None:
    divergence, agreement = scored(model, Precision(dtype="bf16"))
    assert 0 < divergence < 0.01
    assert agreement > 0.8


@pytest.mark.parametrize(
    ("technique", "most"),
    [
        (Attention(backend="math"), 1e-6),
        (Autocast(dtype="bf16"), 0.01),
        (KvCache(implementation="off"), 0.0),
        (Int8WeightOnly(), 0.01),
        (LlmInt8(), 0.02),
        (Nf4(), 0.2),
        (GradientCheckpointing(), 0.0),
    ],
    ids=lambda value: value.label() if isinstance(value, Technique) else None,
)
def test_every_technique_can_be_scored(technique: Technique, most: float) -> None:
    divergence, _ = scored(Llama(), technique)
    assert abs(divergence) <= most


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_training_before_it_changes_nothing(model: Model) -> None:
    ready = bench(model)
    untouched = EVALUATION.outputs(ready, WORKLOAD)["log_probabilities"]
    steps(TrainStep(batch_size=4, sequence_length=8).prepare(ready), 2)
    trained = EVALUATION.outputs(ready, WORKLOAD)["log_probabilities"]
    np.testing.assert_array_equal(trained, untouched)
    assert ready.model.training, "it must leave the model as it found it"
