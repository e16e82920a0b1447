"""Comparison: stored rows become readings, effects, families and findings."""

from typing import Any

import pytest

from app.db.tables import EffectRow, MeasurementRow
from app.study import comparison
from app.study.comparison import compare, findings
from app.study.stacks import family
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


def test_a_score_rests_on_its_items_and_a_time_on_its_pairs() -> None:
    study, runs, measurements, effects = demo.rows(demo.order())
    run = runs[1].id
    score: dict[str, Any] = {"run_id": run, "metric": "quality.perplexity", "phase": "quality"}
    measurements += [
        MeasurementRow(**score, arm=arm, value=10.0, low=9.0, high=11.0, unit="1", n=n)
        for arm, n in (("baseline", 700), ("variant", 512))
    ]
    effects.append(EffectRow(**score, ratio=1.0, low=0.9, high=1.1, verdict="undecided", pairs=1))
    found = next(one for one in compare(study, runs, measurements, effects).runs if one.run == run)
    ratio = found.effects["quality.perplexity@quality"]
    assert (ratio.pairs, ratio.items, ratio.reading.n, ratio.reading.counts) == (1, 512, 512, "item")
    assert found.readings["quality.perplexity@quality"].counts == "item"
    time = found.effects["latency@prefill"].reading
    assert (time.n, time.counts, found.readings["latency@prefill"].counts) == (3, "pair", "value")


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


def test_verdicts_are_corrected_for_the_study_s_comparisons() -> None:
    study, runs, measurements, effects = demo.rows(demo.order())
    latency = [effect for effect in effects if effect.metric == "latency"]
    for effect, p_value in zip(latency, (0.0001, 0.0002, 0.02, 0.03, 0.04, 0.05), strict=True):
        effect.verdict, effect.p_value = "faster", p_value
    found = {
        run.variant: run.effects["latency@prefill"] for run in compare(study, runs, measurements, effects).runs[:6]
    }
    # The null test stands alone; of the other five, 4 x 0.02, 3 x 0.03, 2 x 0.04 and 1 x 0.05 do not survive.
    assert [found[name].verdict for name in found] == ["faster", "faster", *["undecided"] * 4]
    assert {ratio.verdict_alone for ratio in found.values()} == {"faster"}
    assert found["bf16"].p_adjusted == pytest.approx(0.001)
    assert found["flash attention"].p_adjusted == pytest.approx(0.08)
    assert (found["flash attention"].comparisons, found["flash attention"].corrected_away) == (5, True)
    assert (found["fp32"].comparisons, found["fp32"].p_adjusted) == (1, None)


def test_counters_are_not_corrected() -> None:
    found = compare(*demo.rows(demo.order())).runs[1].effects["memory.weights@load"]
    assert (found.verdict, found.p_adjusted, found.comparisons) == ("smaller", None, 1)


def test_what_fell_back_is_no_finding() -> None:
    study, runs, measurements, effects = demo.rows(demo.order())
    winner = next(run for run in runs if run.variant == "bf16 + flash + compile")
    winner.ran = "fell_back"
    found = {one.quantity.metric: one for one in findings(compare(study, runs, measurements, effects))}
    assert found["latency"].variant == "bf16"


def test_runs_measured_elsewhere_are_told_apart() -> None:
    study, runs, measurements, effects = demo.rows(demo.order())
    for run in runs:
        run.environment_id = "b" if run.variant in ("compile", "nf4") else "a"
    fields = {"a": {"cpu.model": "EPYC", "host.name": "one"}, "b": {"cpu.model": "Xeon", "host.name": "two"}}
    found = compare(study, runs, measurements, effects, fields)
    assert found.environments_differ
    assert [(other.environment, other.against, other.number) for other in found.elsewhere] == [("b", "a", 2)]
    assert [(change.field, change.matters) for change in found.elsewhere[0].changes] == [
        ("cpu.model", True),
        ("host.name", False),
    ]
    assert [run.variant for run in found.runs if found.environment_number(run) == 2] == ["compile", "nf4"]
    fields["b"]["cpu.model"] = "EPYC"
    alike = compare(study, runs, measurements, effects, fields)
    assert (len(alike.elsewhere), alike.environments_differ) == (1, False)


def test_family_is_what_the_baseline_lacks() -> None:
    plain = Variant.model_validate({"name": "fp32", "stack": [demo.order()["baseline"]["stack"][0]]})
    for name, wanted in (("bf16", "precision"), ("bf16 + flash + compile", "stack"), ("compile", "compile")):
        chosen = next(variant for variant in demo.order()["variants"] if variant["name"] == name)
        assert family(Variant.model_validate(chosen), plain) == wanted
    assert family(plain, plain) == "baseline"
