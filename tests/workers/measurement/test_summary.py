"""A record becomes a report: what is said, what is compared, and what a reader must know."""

from tests.workers.measurement.program import SPEC
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
