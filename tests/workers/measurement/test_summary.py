"""A record becomes a report: what is said, what is compared, and what a reader must know."""

import numpy as np
import pytest

from tests.workers.measurement.program import SPEC
from workers.catalog.evaluation import Scores
from workers.catalog.report import Arm, Effect, Proof, Report
from workers.catalog.spec import RunSpec
from workers.measurement import record as records
from workers.measurement import summary
from workers.measurement.arms import ArmFailed
from workers.measurement.messages import Answer, Failed, Reading, Series
from workers.measurement.record import Record


def recorded(old: list[float], new: list[float], pairs: int = 1) -> Record:
    """A sitting whose arms took these seconds a step, turn by turn of three steps."""
    record = Record(RunSpec.model_validate(SPEC))
    times: dict[Arm, list[float]] = {"baseline": old, "variant": new}
    for pair in range(pairs):
        for arm, values in times.items():
            record.take(
                arm,
                pair,
                Answer(
                    readings=(
                        reading("cold_start.load", "load", 0.2),
                        reading("memory.weights", "load", values[0] * 1e6),
                    )
                ),
            )
            for start in range(0, len(values), 3):
                series = Series(metric="latency", phase="classify", values=(9.0, *values[start : start + 3]))
                record.timed(arm, pair, Answer(series=(series,)), discard=1)
    return record


def reading(metric: str, phase: str, value: float) -> Reading:
    return Reading(metric=metric, phase=phase, value=value)


def effect(report: Report, metric: str) -> Effect:
    (found,) = [each for each in report.effects if each.metric == metric]
    return found


def test_twice_as_fast_is_faster_and_its_throughput_too() -> None:
    report = summary.whole(recorded([0.02, 0.021, 0.019] * 10, [0.01, 0.0105, 0.0095] * 10), 1.0)
    latency, throughput = effect(report, "latency"), effect(report, "throughput.samples")
    assert latency.ratio == 0.5
    assert (latency.verdict, throughput.verdict) == ("faster", "faster")
    assert throughput.ratio == 2.0
    assert latency.pairs == 1


def test_one_pair_of_equal_arms_is_undecided_and_eight_are_the_same() -> None:
    times = [0.02, 0.021, 0.019] * 10
    assert effect(summary.whole(recorded(times, times), 1.0), "latency").verdict == "undecided"
    assert effect(summary.whole(recorded(times, times, pairs=8), 1.0), "latency").verdict == "same"


def test_discarded_samples_do_not_count_but_are_kept() -> None:
    report = summary.whole(recorded([0.02] * 9, [0.02] * 9), 1.0)
    (latency,) = [m for m in report.measurements if m.metric == "latency" and m.arm == "variant"]
    assert (latency.value, latency.n) == (0.02, 9)
    assert [s.values for s in report.samples if s.warm_up and s.arm == "variant"] == [(9.0, 9.0, 9.0)]


def test_an_exact_counter_has_no_width() -> None:
    weights = effect(summary.whole(recorded([0.02] * 9, [0.01] * 9), 1.0), "memory.weights")
    assert (weights.ratio, weights.low, weights.high, weights.verdict) == (0.5, 0.5, 0.5, "smaller")


def test_bytes_are_whole() -> None:
    record = recorded([0.02] * 9, [0.02] * 9, pairs=3)
    for pair, seen in enumerate((420_974_592.0, 420_974_593.0, 420_974_601.0)):
        record.take("variant", pair, Answer(readings=(reading("memory.host_peak", "classify", seen),)))
    report = summary.whole(record, 1.0)
    (host,) = [m for m in report.measurements if m.metric == "memory.host_peak"]
    assert host.value == 420_974_595
    assert all(figure.is_integer() for figure in (host.low, host.high))


def test_a_time_seen_once_decides_only_by_a_large_factor() -> None:
    record = Record(RunSpec.model_validate(SPEC))
    record.take(
        "baseline",
        0,
        Answer(readings=(reading("cold_start.load", "load", 2.0), reading("cold_start.convert", "convert", 1e-5))),
    )
    record.take(
        "variant",
        0,
        Answer(readings=(reading("cold_start.load", "load", 4.0), reading("cold_start.convert", "convert", 1e-3))),
    )
    report = summary.whole(record, 1.0)
    assert effect(report, "cold_start.load").verdict == "undecided"
    assert not [each for each in report.effects if each.metric == "cold_start.convert"]
    record.once[records.Key("cold_start.load", "load", "variant")][0] = [40.0]
    assert effect(summary.whole(record, 1.0), "cold_start.load").verdict == "slower"


def test_a_busy_machine_widens_intervals_and_is_named() -> None:
    times = [0.02, 0.021, 0.019] * 10
    quiet, busy = recorded(times, times), recorded(times, times)
    busy.contention = {"start": 0.5, "measure": 0.5}
    alone, disturbed = summary.whole(quiet, 1.0), summary.whole(busy, 1.0)
    assert effect(disturbed, "latency").high > effect(alone, "latency").high
    assert any("50% of the processors" in note for note in disturbed.notes)
    assert not any("processors" in note for note in alone.notes)


def test_a_broken_sitting_keeps_what_it_measured_and_claims_nothing() -> None:
    record = recorded([0.02] * 9, [0.01] * 9)
    failed = ArmFailed("variant", "memory", Failed(outcome="oom_host", message="no memory", tail="Traceback"))
    report = summary.broken(record, failed, 2.0)
    assert (report.outcome, report.arm, report.phase, report.message) == ("oom_host", "variant", "memory", "no memory")
    assert report.effects == ()
    assert {m.metric for m in report.measurements} == {"latency", "cold_start.load", "memory.weights"}


def test_too_many_raw_samples_are_thinned_and_the_report_says_so() -> None:
    record = recorded([0.02] * 9, [0.01] * 9)
    series = Series(metric="latency", phase="classify", values=(0.02,) * (2 * records.MOST_RAW))
    record.warmed("baseline", 0, Answer(series=(series,)))
    report = summary.whole(record, 1.0)
    assert sum(len(s.values) for s in report.samples) <= records.MOST_RAW + 20
    assert any("Of the raw samples" in note for note in report.notes)


def test_what_was_asked_and_did_not_run_is_in_proofs_and_notes() -> None:
    record = Record(RunSpec.model_validate(SPEC))
    record.proofs += [
        Proof(technique="attention", arm="variant", ran="fell_back", detail="The flash kernel did not run."),
        Proof(technique="precision", arm="variant", ran="emulated", detail="Computed through fp32."),
        Proof(technique="precision", arm="baseline", ran="as_asked", detail="All weights in float32."),
    ]
    report = summary.whole(record, 1.0)
    assert len(report.proofs) == 3
    remarks = " ".join(report.notes)
    assert "attention was asked for in the variant and did not run: The flash kernel did not run." in remarks
    assert "precision is emulated in the variant" in remarks
    assert "All weights" not in remarks


def with_scores(variant: float, again: float = 0.0) -> Record:
    """A sitting whose evaluation read a text, the variant's surprise apart by so much, the baseline's second pass by that."""
    evaluation = {"name": "perplexity", "tokens": 256, "window": 32, "stride": 16}
    record = Record(RunSpec.model_validate(SPEC | {"evaluation": evaluation}))
    generator = np.random.default_rng(0)
    surprise, windows = generator.gamma(2.0, 1.0, 640), np.repeat(np.arange(40), 16)
    right = (generator.random(640) < 0.6).astype(np.float64)
    noise = generator.normal(0.0, 0.01, 640)
    passes = ((record.scores, surprise + variant + noise), (record.again, surprise + again))
    for scores, values in passes:
        scores["quality.perplexity"] = Scores(values, surprise, windows)
        scores["quality.next_token_accuracy"] = Scores(right, right, windows)
    return record


def scored(variant: float, again: float = 0.0) -> Report:
    return summary.whole(with_scores(variant, again), 1.0)


def test_both_arms_have_their_own_score_and_the_effect_is_paired() -> None:
    report = scored(0.05)
    perplexity = {m.arm: m for m in report.measurements if m.metric == "quality.perplexity"}
    assert set(perplexity) == {"baseline", "variant"}
    paired = effect(report, "quality.perplexity")
    assert paired.verdict == "worse"
    assert paired.ratio > paired.low > 1
    assert paired.high - paired.low < (perplexity["variant"].high - perplexity["variant"].low) / 3
    assert paired.p_value is not None
    assert paired.p_value < 1e-6
    assert paired.method == "paired bootstrap over 640 items in 40 clusters"


def test_scores_of_items_are_kept() -> None:
    kept = [s for s in scored(0.05).samples if s.metric == "quality.perplexity"]
    assert [(s.arm, len(s.values)) for s in kept] == [("baseline", 640), ("variant", 640)]


def test_a_baseline_at_odds_with_itself_decides_nothing_and_is_named() -> None:
    report = scored(0.05, again=0.02)
    assert effect(report, "quality.perplexity").verdict == "undecided"
    (unmet,) = [each for each in report.unmet if "quality" in each]
    assert "the baseline's two passes differ in quality.perplexity by 2.02%" in unmet
    # In the other metric it is at one with itself.
    assert effect(report, "quality.next_token_accuracy").verdict == "same"
    assert not [each for each in scored(0.05).unmet if "quality" in each]


@pytest.mark.parametrize("arm", ["baseline", "variant"])
def test_a_run_that_fell_back_gives_no_verdict(arm: Arm) -> None:
    asked = summary.whole(recorded([0.02] * 9, [0.01] * 9, pairs=8), 1.0)
    assert {effect(asked, name).verdict for name in ("latency", "memory.weights")} == {"faster", "smaller"}
    record = recorded([0.02] * 9, [0.01] * 9, pairs=8)
    record.proofs.append(Proof(technique="attention", arm=arm, ran="fell_back", detail="The flash kernel did not run."))
    report = summary.whole(record, 1.0)
    assert [each.metric for each in report.effects] == [each.metric for each in asked.effects]
    assert {each.verdict for each in report.effects} == {"undecided"}
    assert {each.method for each in report.effects} == {summary.FELL_BACK}
    assert effect(report, "latency").ratio == effect(asked, "latency").ratio


@pytest.mark.parametrize("arm", ["baseline", "variant"])
def test_of_a_simulated_technique_only_quality_is_claimed(arm: Arm) -> None:
    record = recorded([0.02] * 9, [0.01] * 9, pairs=8)
    record.proofs.append(Proof(technique="nvfp4", arm=arm, ran="emulated", detail="Rounded.", simulated=True))
    report = summary.whole(record, 1.0)
    assert {each.verdict for each in report.effects} == {"undecided"}
    assert {each.method for each in report.effects} == {summary.SIMULATED}
    assert f"Of nvfp4 in the {arm} quality is measured" in " ".join(report.notes)
    record = with_scores(0.05)
    record.proofs.append(Proof(technique="nvfp4", arm=arm, ran="emulated", detail="Rounded.", simulated=True))
    assert effect(summary.whole(record, 1.0), "quality.perplexity").verdict == "worse"


def test_an_emulated_run_keeps_its_verdict() -> None:
    record = recorded([0.02] * 9, [0.01] * 9, pairs=8)
    record.proofs.append(Proof(technique="precision", arm="variant", ran="emulated", detail="Computed through fp32."))
    assert effect(summary.whole(record, 1.0), "latency").verdict == "faster"


def test_a_pair_that_is_measured_again_proves_again() -> None:
    record = Record(RunSpec.model_validate(SPEC))
    proof = Proof(technique="precision", arm="variant", ran="fell_back", detail="Products ran in float32.")
    for _ in range(2):
        record.take("variant", 0, Answer(proofs=(proof,)))
    assert record.proofs == [proof]
    record.forget(1)
    assert record.proofs == [proof]
    record.forget(0)
    assert record.proofs == []


def test_parts_of_a_peak_are_told_and_only_what_lasts_is_compared() -> None:
    record = recorded([0.02, 0.021, 0.019] * 10, [0.02, 0.021, 0.019] * 10)
    arms: dict[Arm, float] = {"baseline": 100.0, "variant": 50.0}
    for arm, size in arms.items():
        parts = [reading(f"memory.peak.{part}", "classify", size) for part in ("activations", "optimizer_states")]
        record.take(arm, 0, Answer(readings=tuple(parts)))
    report = summary.whole(record, 1.0)
    told = {
        (m.metric, m.arm): (m.low, m.value, m.high) for m in report.measurements if m.metric.startswith("memory.peak.")
    }
    assert told == {
        (f"memory.peak.{part}", arm): (size, size, size)
        for part in ("activations", "optimizer_states")
        for arm, size in arms.items()
    }
    compared = [each for each in report.effects if each.metric.startswith("memory.peak.")]
    assert [(each.metric, each.ratio, each.verdict) for each in compared] == [
        ("memory.peak.optimizer_states", 0.5, "smaller")
    ]


def test_quartiles_are_those_of_all_samples_and_each_value_names_its_definition() -> None:
    report = summary.whole(recorded([0.01, 0.02, 0.03] * 4, [0.01] * 12, pairs=2), 1.0)
    found = {(each.metric, each.arm): each for each in report.measurements}
    latency = found["latency", "baseline"]
    assert (latency.q1, latency.q3) == pytest.approx((0.01, 0.03))
    assert (found["latency", "variant"].q1, found["latency", "variant"].q3) == (0.01, 0.01)
    assert found["throughput.samples", "baseline"].q1 is None
    assert {each.definition for each in report.measurements} == {1}
