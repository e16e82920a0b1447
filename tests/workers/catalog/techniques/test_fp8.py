"""FP8: weights are kept in it under every granularity; where products are not multiplied in it, that is said."""

import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.models.vit import Vit
from workers.catalog.techniques.fp8 import Fp8
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.prefill import Prefill


@pytest.mark.parametrize(
    ("technique", "ran"),
    [
        (Fp8(granularity="tensor"), "emulated"),
        (Fp8(granularity="row"), "emulated"),
        (Fp8(granularity="block", block=64), "as_asked"),
    ],
)
def test_weights_are_kept_in_fp8(technique: Fp8, ran: str) -> None:
    seen = evidence(Prefill(sequence_length=8), bench(ReferenceDecoder(), (technique,)))
    said = technique.proof(seen)
    assert (said.ran, said.simulated) == (ran, ran == "emulated"), said.detail
    assert seen.weight_dtypes["float8_e4m3fn"] == 4 * (4 * 192 * 192 + 3 * 192 * 512)


def test_it_works_on_other_models_and_workloads() -> None:
    assert proven(Fp8(), Classify(batch_size=2), Vit(image_size=32)).ran == "emulated"
    assert proven(Fp8(), Decode(context_length=4), Llama()).ran == "emulated"
    found = verdicts(Classify(), Mlp(width=64), Fp8(), Precision(dtype="bf16"))
    assert found == {"fp8": "emulated", "precision": "as_asked"}


def test_inputs_are_rounded_unless_weights_alone_are_asked_for() -> None:
    x = torch.linspace(-1, 1, 64).repeat(2, 1)
    answers = {}
    for granularity in ("row", "block"):
        technique = Fp8.model_validate({"granularity": granularity, "block": 64})
        linear = bench(Mlp(width=64, layers=2), (technique,)).model.get_submodule("blocks.0.1")
        plain = torch.nn.functional.linear(x, linear.weight.dequantize(), linear.bias)  # type: ignore[operator, arg-type]
        answers[granularity] = torch.equal(linear(x), plain)
    assert answers == {"row": False, "block": True}


def test_what_is_not_read_in_fp8_is_a_fall_back() -> None:
    technique = Fp8()
    assert technique.proof(evidence(Classify(), bench(Mlp(width=64)))).ran == "fell_back"
    seen = evidence(Classify(), bench(Mlp(width=64), (technique,)))
    reads = seen.reads["float8_e4m3fn"]
    assert technique.proof(without(seen, reads={"float8_e4m3fn": reads - 1})).ran == "fell_back"
    native = without(seen, products={"float8_e4m3fn": 1_000})
    assert technique.proof(native) == technique.proof(native)._replace(ran="as_asked", simulated=False)
