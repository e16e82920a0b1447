"""Comparison: stored rows become readings, effects, families and findings."""

import pytest

from app import comparison
from app.comparison import compare, findings
from tests import demo
from workers.catalog.spec import Variant


def test_study_becomes_a_comparison() -> None:
    found = compare(*demo.rows(demo.order()))
    assert [run.variant for run in found.runs][:2] == ["fp32", "bf16"]
    assert found.runs[0].is_baseline
    assert found.runs[0].family == "baseline"
    bf16 = found.runs[1]
    assert bf16.effects["latency@prefill"].tone == "improves"
    assert bf16.beside["latency@prefill"].value == pytest.approx(0.0213)
    assert found.axes == ("latency@prefill", "memory.peak_allocated@prefill")
    assert "latency@prefill" in found.columns
    assert [run.variant for run in found.runs if run.failed] == ["nf4", "llm.int8"]


def test_ratio_scale_reads_effects() -> None:
    found = compare(*demo.rows(demo.order()))
    latency = found.quantity("latency")
    assert latency is not None
    ratio = comparison.reading(found.runs[1], latency, "ratio")
    assert ratio is not None
    assert ratio.n == 3
    assert ratio.low < ratio.value < ratio.high < 1


def test_queued_study_compares_to_nothing() -> None:
    found = compare(*demo.rows(demo.order(), measured=False))
    assert found.quantities == ()
    assert found.axes is None
    assert findings(found) == ()
    assert not any(run.failed for run in found.runs)


def test_points_of_a_sweep_stay_apart() -> None:
    found = compare(*demo.rows(demo.order(sweep={"sequence_length": [128, 512]})))
    assert [len(found.at(index)) for index in range(2)] == [8, 8]
    assert {run.point["sequence_length"] for run in found.at(1)} == {512}


def test_findings_are_the_largest_decided_gains() -> None:
    found = {finding.quantity.metric: finding for finding in findings(compare(*demo.rows(demo.order())))}
    assert found["latency"].variant == "bf16 + flash + compile"
    assert found["memory.weights"].variant == "int8 weights"
    assert all(finding.effect.tone == "improves" for finding in found.values())


def test_family_is_what_the_baseline_lacks() -> None:
    plain = Variant.model_validate({"name": "fp32", "stack": [demo.order()["baseline"]["stack"][0]]})
    for name, family in (("bf16", "precision"), ("bf16 + flash + compile", "stack"), ("compile", "compile")):
        chosen = next(variant for variant in demo.order()["variants"] if variant["name"] == name)
        assert comparison.family(Variant.model_validate(chosen), plain) == family
    assert comparison.family(plain, plain) == "baseline"
