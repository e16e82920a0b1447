"""Int8 weight-only: the weights are really int8, the scores are close, the output layer is left alone."""

import pytest

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.prefill import Prefill


@pytest.mark.parametrize("granularity", ["row", "tensor"])
def test_weights_are_stored_in_int8(granularity: str) -> None:
    technique = Int8WeightOnly.model_validate({"granularity": granularity})
    seen = evidence(Prefill(sequence_length=8), bench(Llama(), (technique,)))
    assert technique.proof(seen).ran == "as_asked"
    assert seen.weight_classes["Int8Tensor"] == 6 * 7
    assert seen.weight_dtypes["int8"] > 4_000_000


def test_it_works_on_other_models_and_workloads() -> None:
    assert proven(Int8WeightOnly(), Classify(batch_size=2), Vit(image_size=32)).ran == "as_asked"
    assert proven(Int8WeightOnly(), Decode(context_length=4), Llama()).ran == "as_asked"
    stack = (Int8WeightOnly(), Precision(dtype="bf16"))
    assert verdicts(Classify(), Mlp(width=64), *stack) == {"int8_weight_only": "as_asked", "precision": "as_asked"}


def test_the_layer_that_scores_is_left_alone() -> None:
    ready = bench(Mlp(width=64, layers=2), (Int8WeightOnly(),))
    weights = {name: type(weight).__name__ for name, weight in ready.model.named_parameters() if weight.ndim == 2}
    assert weights == {"blocks.0.1.weight": "Int8Tensor", "blocks.1.1.weight": "Int8Tensor", "head.weight": "Parameter"}


def test_no_quantised_weight_is_a_fall_back() -> None:
    seen = evidence(Classify(), bench(Mlp(width=64)))
    assert Int8WeightOnly().proof(seen).ran == "fell_back"
    assert Int8WeightOnly().proof(without(seen, weight_classes={})).ran == "fell_back"


def test_a_model_of_convolutions_is_refused() -> None:
    with pytest.raises(Unsupported, match="linear layers"):
        bench(Resnet(preset="tiny", image_size=32), (Int8WeightOnly(),))
