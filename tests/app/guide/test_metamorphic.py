"""What must hold for any situation: more memory, a stricter tolerance, one more measurement, and reasons for everything."""

from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.guide import settings as settings_of
from app.guide.advice import advise, weighed
from app.guide.evidence import TRANSFER, Evidence, Measured, Row, posterior
from app.guide.priors import Setting, priors
from app.guide.situation import EFFORTS, Situation
from app.guide.techniques import by_word, techniques
from app.planner.machines import titles
from tests.app.guide.scenes import ALL, DECODING_ON_4090, IMAGES_ON_AMX, SERVING_ON_H200, TUNING_ON_4080, advised

SCENES = st.sampled_from(sorted(ALL))


@given(SCENES, st.floats(1.05, 8.0))
@settings(deadline=None, derandomize=True, max_examples=12)
def test_more_memory_never_removes_a_stack(name: str, times: float) -> None:
    situation = ALL[name]
    larger = situation.device.model_copy(update={"memory": round(times * situation.device.memory)})
    less, more = advised(situation), advised(situation.model_copy(update={"device": larger}))
    # What may fit is told only where nothing surely does, so what keeps every limit is compared.
    kept = {one for one in less.feasible if less.outcome != "tight"}
    assert kept <= set(more.feasible)


@given(SCENES, st.floats(0.0, 0.2), st.floats(0.0, 0.2))
@settings(deadline=None, derandomize=True, max_examples=12)
def test_a_stricter_tolerance_never_adds_a_stack_that_loses_more(name: str, first: float, second: float) -> None:
    strict, loose = sorted((first, second))
    situation = ALL[name]
    narrow = advised(situation.model_copy(update={"tolerance": strict}))
    wide = advised(situation.model_copy(update={"tolerance": loose}))
    if narrow.outcome == wide.outcome or narrow.outcome != "tight":
        assert set(narrow.feasible) <= set(wide.feasible)
    assert all(one.loss.high <= strict for one in narrow.ranked)


@given(SCENES, st.sampled_from(EFFORTS))
@settings(deadline=None, derandomize=True, max_examples=12)
def test_every_technique_is_in_the_pick_or_has_one_reason(name: str, effort: str) -> None:
    situation = ALL[name]
    if situation.stack and EFFORTS.index(effort) < EFFORTS.index("low"):
        effort = "low"
    advice = advised(situation.model_copy(update={"effort": effort}))
    picked = set(advice.pick.words) if advice.pick else set()
    left = [one.word for one in advice.rejected]
    assert len(left) == len(set(left))
    assert picked | set(left) == set(by_word())
    assert not picked & set(left)
    assert all(one.because.endswith(".") for one in advice.rejected)


@given(SCENES)
@settings(deadline=None, derandomize=True, max_examples=len(ALL))
def test_every_figure_says_what_it_rests_on(name: str) -> None:
    advice = advised(ALL[name])
    for one in (advice.before, *advice.ranked):
        for figure in (one.memory, one.time, one.ratio, one.memory_ratio, one.loss):
            assert figure.evidence
            assert figure.grade in "ABCD"
            assert figure.low <= figure.value * 1.0001
            assert figure.value <= figure.high * 1.0001
        # Nothing was measured here: nothing may look as if it was, and nothing may be better than grade B.
        assert one.ratio.kind != "measured"
        assert one.ratio.grade != "A"
    assert advice.model_dump(mode="json")["outcome"] == advice.outcome


@given(
    st.lists(st.tuples(st.floats(-1.5, 1.5), st.floats(0.02, 0.5), st.floats(0.01, 1.0)), max_size=6),
    st.floats(0.02, 0.5),
    st.floats(0.01, 1.0),
)
@settings(deadline=None, derandomize=True, max_examples=200)
def test_a_row_that_agrees_never_widens_what_is_believed(
    seen: list[tuple[float, float, float]], deviation: float, weight: float
) -> None:
    rows = [Row(f"{place}", "literature", "B", *one, False) for place, one in enumerate(seen)]
    mean, variance = posterior(0.0, 0.0625, rows)
    agreeing = Row("new", "measured", "A", mean, deviation, weight, True)
    same, narrower = posterior(0.0, 0.0625, [*rows, agreeing])
    assert abs(same - mean) < 1e-9
    assert narrower <= variance * (1 + 1e-12)


@pytest.mark.parametrize(
    ("situation", "words"),
    [
        (DECODING_ON_4090, ("bf16", "kv_cache", "int8_weight_only", "torch_compile")),
        (SERVING_ON_H200, ("bf16", "kv_cache", "fp8", "torch_compile")),
        (IMAGES_ON_AMX, ("bf16", "torch_compile")),
        (TUNING_ON_4080, ("autocast_bf16", "qlora", "checkpointing")),
    ],
)
def test_measuring_what_was_predicted_here_narrows_it_and_is_told_as_measured(
    situation: Situation, words: tuple[str, ...]
) -> None:
    advice_before = weighed(situation, words)
    expected = advice_before.ratio.value
    row = Measured(
        id="run-1:latency", stack=words, baseline=advised(situation).before.words, metric="time", ratio=expected,
        low=expected * exp(-0.05), high=expected * exp(0.05), setting=Setting(task=situation.task, device=situation.device.title),
    )  # fmt: skip
    after = weighed(situation, words, [row])
    assert after.ratio.kind == "measured"
    assert after.ratio.grade == "A"
    assert "run-1:latency" in after.ratio.evidence
    assert after.ratio.value == pytest.approx(expected, rel=0.05)
    assert after.ratio.high / after.ratio.low < advice_before.ratio.high / advice_before.ratio.low
    twice = weighed(situation, words, [row, row.model_copy(update={"id": "run-2:latency"})])
    assert log(twice.ratio.high / twice.ratio.low) <= log(after.ratio.high / after.ratio.low) + 1e-9


def test_a_measurement_here_outweighs_all_that_was_written() -> None:
    words = ("bf16", "kv_cache", "int8_weight_only", "torch_compile")
    setting = Setting(
        task="chat", batch=1, sequence=512, parameters=DECODING_ON_4090.model.parameters, device=DECODING_ON_4090.device.title,
    )  # fmt: skip
    row = Measured(
        id="run", stack=words, baseline=("bf16", "kv_cache"), metric="time", ratio=1.3, low=1.28, high=1.32, setting=setting
    )  # fmt: skip
    found = weighed(DECODING_ON_4090, words, [row])
    assert found.ratio.value == pytest.approx(1.3, rel=0.05)
    assert words not in {one.words for one in advise(DECODING_ON_4090, [row]).ranked}
    # Of a batch of another size it is a hint and no more.
    elsewhere = row.model_copy(update={"setting": setting.model_copy(update={"batch": 64})})
    assert weighed(DECODING_ON_4090, words, [elsewhere]).ratio.value < 1.0


def test_measured_on_another_device_arrives_scaled_and_counts_less() -> None:
    words = ("bf16", "kv_cache", "int8_weight_only", "torch_compile")
    elsewhere = SERVING_ON_H200.device
    there = DECODING_ON_4090.model_copy(update={"device": elsewhere})
    predicted = weighed(there, words).ratio.value
    row = Measured(
        id="run", stack=words, baseline=("bf16", "kv_cache"), metric="time", ratio=predicted, low=0.98 * predicted,
        high=1.02 * predicted, setting=Setting(task="chat"), device=elsewhere,
    )  # fmt: skip
    alone, with_it = (weighed(DECODING_ON_4090, words, rows) for rows in ((), (row,)))
    # The ratio there is another than here, yet it moves little, because the roofline expects another one there.
    assert abs(log(predicted / alone.ratio.value)) > 0.05
    assert with_it.ratio.value == pytest.approx(alone.ratio.value, rel=0.25)
    assert with_it.ratio.kind == "predicted"
    assert with_it.ratio.high / with_it.ratio.low < alone.ratio.high / alone.ratio.low


def test_what_only_articles_know_is_never_advised() -> None:
    unknown = {one.word for one in techniques() if one.unknown} | {"nvfp4", "bf16_weights"}
    for situation in ALL.values():
        advice = advised(situation)
        assert not any(unknown & set(one.words) for one in advice.ranked if one.words != advice.before.words)
        reasons = {one.word: one.stage for one in advice.rejected}
        assert all(reasons[word] in ("task", "device", "effort", "evidence") for word in unknown)


@pytest.mark.parametrize("device", [None, "a device that nobody described"])
def test_a_row_of_a_device_that_nobody_knows_says_nothing(device: str | None) -> None:
    words = ("bf16", "kv_cache", "int8_weight_only", "torch_compile")
    setting = Setting(task="chat", batch=1, sequence=512, device=device, kind="cuda")
    row = Measured(
        id="run", stack=words, baseline=("bf16", "kv_cache"), metric="time", ratio=1.3, low=1.28, high=1.32, setting=setting
    )  # fmt: skip
    assert weighed(DECODING_ON_4090, words, [row]) == weighed(DECODING_ON_4090, words)
    known = row.model_copy(update={"device": SERVING_ON_H200.device})
    assert weighed(DECODING_ON_4090, words, [known]).ratio.value > weighed(DECODING_ON_4090, words).ratio.value


def test_a_row_of_a_whole_stack_counts_once() -> None:
    setting = Setting(
        task="chat", batch=1, sequence=512, device=DECODING_ON_4090.device.title, model=DECODING_ON_4090.model.name
    )
    row = Measured(
        id="run", stack=("bf16", "kv_cache", "torch_compile"), baseline=("bf16", "kv_cache"), metric="time", ratio=0.8, low=0.79,
        high=0.81, setting=setting,
    )  # fmt: skip
    evidence = Evidence(DECODING_ON_4090, [row], ("bf16", "kv_cache"))
    whole = evidence.of_stack(row.stack, "time", 0.0, {"torch_compile": 1.0})
    # Its part, with everything that is known of it but this row, and then the row: by the formulas, once.
    part = evidence.effect("torch_compile", "time", frozenset({"run"}))
    assert "run" not in {one.id for one in part.cited}
    assert "run" in {one.id for one in evidence.effect("torch_compile").cited}
    (counted,) = evidence.rows(row.stack, "time")
    mean, variance = posterior(part.mean, max(part.variance, TRANSFER**2), [counted])
    assert (whole.mean, whole.variance) == pytest.approx((mean, variance))
    # In a larger stack nothing else tells of it, so that it counts there.
    larger = evidence.of_stack(
        (*row.stack, "int8_weight_only"), "time", 0.0, {"torch_compile": 1.0, "int8_weight_only": 0.25}
    )
    assert "run" in {one.id for one in larger.cited}


def test_how_slowly_a_device_emulates_a_format_says_nothing_of_one_with_units_for_it() -> None:
    emulating = SERVING_ON_H200.device.model_copy(update={"title": "old", "capability": (7, 5)})
    row = Measured(
        id="run", stack=("bf16", "kv_cache"), baseline=("kv_cache",), metric="time", ratio=6.0, low=5.9, high=6.1, device=emulating,
        setting=Setting(task="chat", batch=1, sequence=512),
    )  # fmt: skip
    assert not emulating.computes("bfloat16")
    words = ("bf16", "kv_cache", "torch_compile")
    begun = DECODING_ON_4090.model_copy(update={"stack": ("tf32",)})
    assert weighed(begun, words, [row]) == weighed(begun, words)
    able = row.model_copy(update={"device": SERVING_ON_H200.device})
    assert weighed(begun, words, [able]).ratio.value > weighed(begun, words).ratio.value


def test_published_time_counts_only_of_a_device_that_is_described_and_under_its_own_roofs() -> None:
    for situation in ALL.values():
        before = settings_of.plain(situation)
        evidence = Evidence(situation, (), before)
        cited = {one.id for technique in techniques() for one in evidence.effect(technique.word).cited}
        devices = {one.setting.device for one in priors() if one.id in cited}
        assert devices <= set(titles())
    # A faster memory of the device that is asked about changes the prediction, and not what was seen elsewhere beyond its own.
    wide = IMAGES_ON_AMX.device.model_copy(update={"bandwidth": 10 * IMAGES_ON_AMX.device.bandwidth})
    one, other = (
        Evidence(each, (), ()).effect("int8_static")
        for each in (IMAGES_ON_AMX, IMAGES_ON_AMX.model_copy(update={"device": wide}))
    )
    assert {cited.id for cited in one.cited} >= {"inc-resnet50"}
    assert one.mean == pytest.approx(other.mean)
