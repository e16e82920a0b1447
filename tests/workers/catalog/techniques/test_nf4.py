"""NF4: weights in 4 bits; compute format and double quantisation are what was asked, packed CPU kernel included."""

from typing import Any

import pytest

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.vit import Vit
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.prefill import Prefill

pytest.importorskip("bitsandbytes")


def test_weights_are_stored_in_4_bits() -> None:
    technique = Nf4()
    seen = evidence(Prefill(sequence_length=8), bench(Llama(), (technique,)))
    assert technique.proof(seen).ran == "as_asked"
    assert seen.modules["Linear4bit"] == 6 * 7
    weights_of_a_layer = 2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 688
    assert seen.weight_dtypes["uint8"] == 6 * weights_of_a_layer // 2


@pytest.mark.parametrize("compute_dtype", ["bf16", "fp16", "fp32"])
@pytest.mark.parametrize("double_quantization", [False, True])
def test_parameters_are_kept(compute_dtype: str, double_quantization: bool) -> None:
    technique = Nf4.model_validate({"compute_dtype": compute_dtype, "double_quantization": double_quantization})
    ready = bench(Mlp(width=64), (technique,))
    seen = evidence(Classify(), ready)
    assert technique.proof(seen).ran == "as_asked"
    modules: list[Any] = list(ready.model.modules())
    states = [module.weight.quant_state for module in modules if type(module).__name__ == "Linear4bit"]
    assert {bool(state.nested) for state in states} == {double_quantization}
    packed = {bool(getattr(state, "packing_format_for_cpu", False)) for state in states}
    assert packed == {False} or (compute_dtype, double_quantization) == ("bf16", False)


def test_it_works_with_biases_and_in_other_workloads() -> None:
    assert proven(Nf4(), Classify(batch_size=2), Vit(image_size=32)).ran == "as_asked"
    assert proven(Nf4(), Decode(context_length=4), Llama()).ran == "as_asked"
    found = verdicts(Classify(), Mlp(width=64), Nf4(compute_dtype="fp32"), Precision(dtype="bf16"))
    assert found == {"nf4": "as_asked", "precision": "as_asked"}


def test_no_4_bit_weight_or_operator_is_a_fall_back() -> None:
    technique = Nf4(compute_dtype="fp32")
    assert technique.proof(evidence(Classify(), bench(Mlp(width=64)))).ran == "fell_back"
    seen = evidence(Classify(), bench(Mlp(width=64), (technique,)))
    assert technique.proof(without(seen, foreign={})).ran == "fell_back"
