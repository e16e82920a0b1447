"""Structured pruning: tensors really are smaller, less is computed, and what is left still answers and generates."""

from typing import Any

import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.applicability import problems
from workers.catalog.compression import blocks, shrinking
from workers.catalog.evaluations.perplexity import Perplexity
from workers.catalog.model import Model, Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.spec import StudySpec
from workers.catalog.technique import Technique
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.structured_pruning import StructuredPruning
from workers.catalog.workload import Workload
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.generate import Generate
from workers.catalog.workloads.prefill import Prefill
from workers.catalog.workloads.train_step import TrainStep
from workers.measurement.probes import memory, work

pytest.importorskip("torch_pruning")

PREFILL = Prefill(sequence_length=16)
WIDE = (Llama(), Vit(image_size=32), Resnet(preset="tiny", image_size=32), ReferenceCnn(), Mlp(width=64))
TRANSFORMERS = (Llama(), Vit(image_size=32))


def pruning(**parameters: Any) -> StructuredPruning:
    return StructuredPruning.model_validate({"amount": 0.3} | parameters)


def workload_of(model: Model) -> Workload:
    return PREFILL if model.kind == "decoder" else Classify(batch_size=2)


def worked(model: Model, *stack: Technique) -> tuple[int, int]:
    """Bytes of the weights and FLOPs of a step."""
    ready = bench(model, stack)
    session = workload_of(model).prepare(ready)
    flops = work.count(session.step).flops
    assert flops is not None
    return memory.weights_bytes(ready.model), flops


CASES = [
    *((model, {"dimension": "width"}) for model in WIDE),
    *((model, {"dimension": dimension}) for model in TRANSFORMERS for dimension in ("heads", "depth")),
    *((Llama(), {"dimension": dimension, "saliency": "activations"}) for dimension in ("width", "heads", "depth")),
]


@pytest.mark.parametrize(("model", "parameters"), CASES, ids=str)
def test_bytes_and_operations_fall(model: Model, parameters: dict[str, str]) -> None:
    technique = pruning(**parameters)
    assert proven(technique, workload_of(model), model).ran == "as_asked"
    dense, smaller = worked(model), worked(model, technique)
    # Embeddings and what gives the scores stay, so that less than 30 % of everything goes.
    assert smaller[0] < 0.95 * dense[0]
    assert smaller[1] < 0.95 * dense[1]


def test_the_blocks_lose_the_share_that_was_asked() -> None:
    ready = bench(Llama(), (pruning(),))
    layer: Any = ready.model.get_submodule("model.layers.0.mlp")
    assert layer.down_proj.weight.shape == (256, 482)
    assert layer.gate_proj.weight.shape == layer.up_proj.weight.shape == (482, 256)
    assert getattr(ready.model, "config").intermediate_size == 482  # noqa: B009


@pytest.mark.parametrize("dimension", ["width", "heads", "depth"])
@pytest.mark.parametrize("implementation", ["dynamic", "static"])
def test_generation_still_fills_its_cache(dimension: str, implementation: str) -> None:
    stack = (pruning(dimension=dimension), KvCache.model_validate({"implementation": implementation}))
    assert set(verdicts(Generate(prompt_length=4, new_tokens=3), Llama(), *stack).values()) == {"as_asked"}


@pytest.mark.parametrize("dimension", ["width", "heads", "depth"])
def test_a_cache_changes_no_token(dimension: str) -> None:
    model = bench(Llama(), (pruning(dimension=dimension),)).model
    batch = Llama().inputs(model, batch_size=2, length=8, seed=1)
    generate: Any = getattr(model, "generate")  # noqa: B009
    with torch.inference_mode():
        told = [generate(**batch, max_new_tokens=4, do_sample=False, use_cache=cached) for cached in (True, False)]
    assert torch.equal(*told)


def test_units_that_never_act_are_the_first_to_go() -> None:
    ready = bench(Llama())
    layers = blocks.feed_forward(ready.model, "Pruning")
    dead = torch.arange(0, 688, 4)
    for layer in layers:
        with torch.no_grad():
            layer.makes[0].weight[dead] = 0
    batch = Llama().inputs(ready.model, batch_size=2, length=8, seed=1)
    with torch.inference_mode():
        before = Llama().logits(ready.model, batch)
    pruned = pruning(amount=0.25, saliency="activations").convert(Llama(), ready.model, 0)
    with torch.inference_mode():
        after = Llama().logits(pruned, batch)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_quality_is_scored_and_activations_judge_better_than_weights() -> None:
    def perplexity(*stack: Technique) -> float:
        outputs = Perplexity(tokens=2_048).outputs(bench(ReferenceDecoder(), stack), PREFILL)
        return float(outputs["surprise"].mean())

    dense = perplexity()
    by_weights, by_activations = (
        perplexity(pruning(amount=0.2, saliency=saliency)) for saliency in ("weights", "activations")
    )
    assert dense < by_activations < by_weights


def test_it_trains_and_stacks_with_short_formats() -> None:
    assert proven(pruning(), TrainStep(batch_size=2, sequence_length=8), Llama()).ran == "as_asked"
    assert set(verdicts(PREFILL, Llama(), pruning(dimension="heads"), Precision(dtype="bf16")).values()) == {"as_asked"}


def test_a_share_below_one_unit_is_refused() -> None:
    with pytest.raises(Unsupported, match="less than one"):
        bench(ReferenceDecoder(), (pruning(dimension="heads", amount=0.1),))


def test_what_a_model_does_not_have_is_refused_before_it_is_queued() -> None:
    study: dict[str, Any] = {
        "name": "a study",
        "model": {"name": "resnet"},
        "workload": {"name": "classify"},
        "baseline": {"name": "plain", "stack": []},
        "variants": [{"name": "fewer heads", "stack": [{"technique": "structured_pruning", "dimension": "heads"}]}],
    }
    found = problems(StudySpec.model_validate(study))
    assert [each.field for each in found] == ["variants.0.stack.0"]
    assert "ResNet is none" in found[0].message


def test_dense_layers_are_a_fall_back() -> None:
    technique = pruning()
    seen = evidence(PREFILL, bench(Llama(), (technique,)))
    assert technique.proof(without(seen, facts={})).ran == "fell_back"
    dense = shrinking.sizes(bench(Llama()).model, "width", "Pruning")
    assert technique.proof(without(seen, facts={**seen.facts, shrinking.SIZES: dense})).ran == "fell_back"
    assert pruning(amount=0.4).proof(seen).ran == "fell_back"
