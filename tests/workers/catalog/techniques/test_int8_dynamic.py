"""Int8 dynamic: products really run in int8, under every granularity, eagerly and compiled."""

import pytest

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.vit import Vit
from workers.catalog.techniques.int8_dynamic import Int8Dynamic
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.prefill import Prefill


@pytest.mark.parametrize("activations", ["token", "tensor"])
@pytest.mark.parametrize("weights", ["row", "tensor"])
def test_products_run_in_int8(activations: str, weights: str) -> None:
    technique = Int8Dynamic.model_validate({"activations": activations, "weights": weights})
    seen = evidence(Prefill(sequence_length=8), bench(Llama(), (technique,)))
    assert technique.proof(seen).ran == "as_asked"
    assert seen.operators["aten::_int_mm"] == 6 * 7


def test_it_works_on_other_models_and_workloads() -> None:
    assert proven(Int8Dynamic(), Classify(batch_size=2), Vit(image_size=32)).ran == "as_asked"
    assert proven(Int8Dynamic(), Decode(context_length=4), Llama()).ran == "as_asked"
    stack = (Int8Dynamic(), Precision(dtype="bf16"))
    assert verdicts(Classify(), Mlp(width=64), *stack) == {"int8_dynamic": "as_asked", "precision": "as_asked"}


def test_weights_or_products_in_another_format_are_a_fall_back() -> None:
    technique = Int8Dynamic()
    assert technique.proof(evidence(Classify(), bench(Mlp(width=64)))).ran == "fell_back"
    seen = evidence(Classify(), bench(Mlp(width=64), (technique,)))
    assert technique.proof(without(seen, operators={"aten::addmm": 4})).ran == "fell_back"
    assert technique.proof(without(seen, weight_classes={"Int8Tensor": 1})).ran == "fell_back"
