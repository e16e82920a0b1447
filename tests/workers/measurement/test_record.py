"""What a sitting has read: pairs that others disturbed are kept apart and do not count."""

from tests.workers.measurement.program import SPEC
from workers.catalog.report import Arm, Timeline
from workers.catalog.spec import RunSpec
from workers.measurement.messages import Answer, Reading, Series
from workers.measurement.record import Record


def take_pair(record: Record, pair: int, step_s: float) -> None:
    arms: tuple[Arm, ...] = ("baseline", "variant")
    for arm in arms:
        record.take(arm, pair, Answer(readings=(Reading(metric="cold_start.load", phase="load", value=step_s * 10),)))
        series = Series(metric="latency", phase="classify", values=(9.0, step_s, step_s, step_s))
        record.timed(arm, pair, Answer(series=(series,)), discard=1)


def test_a_pair_set_aside_is_kept_flagged_and_in_no_summary() -> None:
    record = Record(RunSpec.model_validate(SPEC))
    take_pair(record, 0, 0.5)
    record.set_aside(0)
    assert record.steps == record.once == record.turns == record.warm_ups == {}
    take_pair(record, 0, 0.1)
    assert record.steps[record.latency("variant")] == {0: [0.1, 0.1, 0.1]}
    flagged = [samples for samples in record.samples() if samples.contended]
    counted = [samples for samples in record.samples() if not samples.contended]
    assert {(samples.metric, samples.arm, samples.pair) for samples in flagged} == {
        (metric, arm, 0) for metric in ("latency", "cold_start.load") for arm in ("baseline", "variant")
    }
    assert (0.5, 0.5, 0.5) in [samples.values for samples in flagged]
    assert {samples.warm_up for samples in flagged if 9.0 in samples.values} == {True}
    assert not any(0.5 in samples.values for samples in counted)
    assert sum(len(samples.values) for samples in flagged) == sum(len(samples.values) for samples in counted)


def test_a_timeline_is_that_of_the_first_pair_and_goes_with_it() -> None:
    record = Record(RunSpec.model_validate(SPEC))

    def held(value: float) -> Timeline:
        return Timeline(metric="memory.allocated", phase="classify", arm="variant", at_s=(0.0,), values=(value,))

    for pair in range(2):
        record.take("variant", pair, Answer(timelines=(held(pair),)))
    assert list(record.timelines.values()) == [held(0)]
    record.forget(1)
    assert list(record.timelines.values()) == [held(0)]
    record.forget(0)
    assert record.timelines == {}
