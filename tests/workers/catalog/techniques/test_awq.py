"""AWQ: values are rounded in every step, and what is emulated says so."""

from typing import Any

import pytest

from tests.workers.catalog.observed import bench, evidence, verdicts, without
from workers.catalog.applicability import conflict
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.techniques.awq import Awq
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode

pytest.importorskip("modelopt")

SMALL = Mlp(width=64, layers=2)
FEW = Awq(calibration_samples=2)


def test_values_are_rounded_in_every_step() -> None:
    said = FEW.proof(evidence(Decode(context_length=4), bench(ReferenceDecoder(), (FEW,))))
    assert (said.ran, said.simulated) == ("emulated", True), said.detail
    assert "28 layers round their weights:" in said.detail
    assert "2 windows of 256 tokens of the model's training text" in said.detail


def test_it_stands_beside_bf16_but_is_not_compiled() -> None:
    assert verdicts(Classify(), SMALL, FEW, Precision(dtype="bf16")) == {"awq": "emulated", "precision": "as_asked"}
    assert conflict(Awq, TorchCompile)


def test_what_is_not_rounded_is_a_fall_back() -> None:
    assert FEW.proof(evidence(Classify(), bench(SMALL))).ran == "fell_back"
    seen = evidence(Classify(), bench(SMALL, (FEW,)))
    assert FEW.proof(seen).ran == "emulated"
    one_less = {name: calls - (name == "aten::round_") for name, calls in seen.operators.items()}
    assert FEW.proof(without(seen, operators=one_less)).ran == "fell_back"
    assert FEW.proof(without(seen, facts=dict(seen.facts) | {"modelopt_weights": 1})).ran == "fell_back"


@pytest.mark.parametrize("search", ["scale", "clip", "scale and clip"])
def test_what_is_searched_for_is_a_parameter(search: str) -> None:
    technique = Awq.model_validate({"search": search, "group": 32, "calibration_samples": 2})
    layer: Any = bench(SMALL, (technique,)).model.get_submodule("blocks.0.1")
    scaled = getattr(layer.input_quantizer, "pre_quant_scale", None) is not None
    assert scaled == ("scale" in search)
