"""LLM.int8(): weights and products in int8, without a line of log for each."""

import logging

import pytest

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.vit import Vit
from workers.catalog.techniques.llm_int8 import LlmInt8
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.prefill import Prefill

pytest.importorskip("bitsandbytes")


def test_products_run_in_int8(caplog: pytest.LogCaptureFixture) -> None:
    technique = LlmInt8()
    with caplog.at_level(logging.WARNING):
        seen = evidence(Prefill(sequence_length=8), bench(Llama(), (technique,)))
    assert technique.proof(seen).ran in ("as_asked", "emulated")
    assert seen.modules["Linear8bitLt"] == 6 * 7
    assert "MatMul8bitLt" not in caplog.text


def test_it_works_with_biases_and_in_other_workloads() -> None:
    assert proven(LlmInt8(threshold=0.0), Classify(batch_size=2), Vit(image_size=32)).ran != "fell_back"
    assert proven(LlmInt8(), Decode(context_length=4), Llama()).ran != "fell_back"
    found = verdicts(Classify(), Mlp(width=64), LlmInt8(), Precision(dtype="bf16"))
    assert "fell_back" not in found.values()


def test_weights_or_products_in_another_format_are_a_fall_back() -> None:
    technique = LlmInt8()
    assert technique.proof(evidence(Classify(), bench(Mlp(width=64)))).ran == "fell_back"
    seen = evidence(Classify(), bench(Mlp(width=64), (technique,)))
    assert technique.proof(without(seen, operators={"aten::addmm": 4})).ran == "fell_back"
    plain = {name: calls for name, calls in seen.operators.items() if name != "aten::_int_mm"}
    assert technique.proof(without(seen, operators=plain)).ran == "emulated"
