"""Which stacks are shown: none that another covers, in the order of their distance to the best, and what giving way would bring."""

import pytest

from app.guide.advice import weighed
from app.guide.evidence import Measured
from app.guide.options import Figure, Option
from app.guide.priors import Setting
from app.guide.rank import EPSILON, front, knee, ranked
from app.guide.situation import Effort, Weights
from tests.app.guide.scenes import DECODING_ON_4090, QLORA_ON_4060, SERVING_ON_H200, advised

MODEL = weighed(DECODING_ON_4090, ("bf16", "kv_cache"))


def option(
    name: str, *, time: float = 1.0, memory: float = 1e10, loss: float = 0.0, effort: Effort = "one_line"
) -> Option:
    def figure(like: Figure, value: float) -> Figure:
        return like.model_copy(update={"value": value, "low": value, "high": value})

    return MODEL.model_copy(
        update={
            "words": tuple(name.split("+")), "ratio": figure(MODEL.ratio, time), "memory": figure(MODEL.memory, memory),
            "loss": figure(MODEL.loss, loss), "effort": effort,
        }
    )  # fmt: skip


def test_what_another_covers_is_not_shown() -> None:
    best, worse = option("a", time=0.5), option("b", time=0.6, memory=1.1e10)
    assert front([worse, best]) == [best]
    smaller = option("c", time=0.9, memory=0.5e10)
    assert {one.words for one in front([worse, best, smaller])} == {("a",), ("c",)}


def test_of_stacks_that_are_alike_the_simpler_is_shown() -> None:
    simple, longer = option("a", time=0.5 * (1 + EPSILON / 2)), option("a+b", time=0.5)
    assert front([longer, simple]) == [simple]
    assert front([longer, simple], noise=0.001) == [simple]
    clearly = option("a+b", time=0.45)
    assert front([clearly, simple]) == [clearly]
    # More noise, fewer differences.
    assert front([clearly, simple], noise=0.2) == [simple]


def test_weights_decide_between_goals() -> None:
    fast, exact = option("fast", time=0.5, loss=0.02), option("exact", time=0.9)
    situation = DECODING_ON_4090
    assert ranked([fast, exact], situation, Weights(time=10, quality=0.1))[0] == fast
    assert ranked([fast, exact], situation, Weights(time=0.1, quality=10))[0] == exact


def test_a_bad_option_changes_nothing_for_the_others_and_is_not_worth_showing() -> None:
    fast, exact = option("fast", time=0.5, loss=0.01), option("exact", time=0.6)
    order = ranked([fast, exact], DECODING_ON_4090)
    slow = option("slow", time=40.0, memory=0.9e10)
    assert ranked([fast, exact, slow], DECODING_ON_4090) == order


def test_the_knee_lies_between_the_ends() -> None:
    places = [option("a", time=1.0, memory=1e9), option("b", time=0.3, memory=2e9), option("c", time=0.25, memory=2e10)]
    assert knee(places) == ("b",)
    assert knee(places[:2]) is None
    assert knee([]) is None


def test_what_would_change_the_answer_gives_way_in_one_limit_only() -> None:
    advice = advised(DECODING_ON_4090)
    assert advice.pick is not None
    for one in advice.changes:
        assert one.factor > 1
        found = weighed(DECODING_ON_4090, one.words)
        assert {broken.limit for broken in found.broken} == {one.gives}
        assert found.ratio.value < advice.pick.ratio.value


def test_giving_way_as_told_is_enough() -> None:
    changes = {one.gives: one for one in advised(QLORA_ON_4060).changes}
    larger = QLORA_ON_4060.device.model_copy(update={"memory": 16 * 2**30})
    granted = QLORA_ON_4060.model_copy(update={"device": larger, "budget": changes["budget"].then})
    assert advised(granted).outcome == "advised"
    barely = granted.model_copy(update={"budget": 0.99 * changes["budget"].then})
    assert advised(barely).outcome == "tight"
    shorter = QLORA_ON_4060.model_copy(update={"sequence": int(changes["sequence"].then)})
    assert advised(shorter).outcome == "advised"
    share = changes["model"].then / changes["model"].now
    assert 0.5 < share < 1


def test_a_latency_that_nothing_reaches_says_by_how_much() -> None:
    advice = advised(SERVING_ON_H200.model_copy(update={"latency": 0.01}))
    assert advice.outcome == "nothing_fits"
    assert advice.ranked == ()
    latency = next(one for one in advice.changes if one.gives == "latency")
    assert latency.then > 0.01
    assert advised(SERVING_ON_H200.model_copy(update={"latency": latency.then * 1.001})).outcome == "advised"


@pytest.mark.parametrize("tolerance", [0.0, 0.005])
def test_nothing_may_be_lost(tolerance: float) -> None:
    advice = advised(DECODING_ON_4090.model_copy(update={"tolerance": tolerance}))
    assert advice.pick is not None
    assert advice.pick.loss.high <= tolerance


def test_a_latency_is_kept_where_the_pessimistic_end_keeps_it_and_else_only_perhaps() -> None:
    stack = ("bf16", "kv_cache", "cuda_graphs")
    free = weighed(DECODING_ON_4090, stack).time
    for latency, sure in ((1.01 * free.high, None), (1.01 * free.value, False), (0.99 * free.value, True)):
        one = weighed(DECODING_ON_4090.model_copy(update={"latency": latency}), stack)
        assert [broken.sure for broken in one.broken if broken.limit == "latency"] == ([] if sure is None else [sure])
        assert one.perhaps is (sure is False)


def test_what_only_perhaps_keeps_a_latency_is_not_advised() -> None:
    fastest = min(one.time.value for one in advised(DECODING_ON_4090).ranked)
    advice = advised(DECODING_ON_4090.model_copy(update={"latency": fastest * 1.05}))
    assert advice.outcome == "tight"
    assert advice.pick is not None
    assert advice.pick.time.value <= fastest * 1.05 < advice.pick.time.high


def test_what_was_measured_of_memory_moves_its_value_its_bounds_and_what_fits() -> None:
    words = ("bf16", "kv_cache", "torch_compile")
    setting = Setting(
        task="chat",
        batch=1,
        sequence=512,
        device=DECODING_ON_4090.device.title,
        model=DECODING_ON_4090.model.name,
        parameters=DECODING_ON_4090.model.parameters,
    )
    row = Measured(
        id="run", stack=words, baseline=("bf16", "kv_cache"), metric="memory", ratio=1.5, low=1.49, high=1.51, setting=setting
    )  # fmt: skip
    free, moved = (weighed(DECODING_ON_4090, words, rows) for rows in ((), (row,)))
    assert moved.memory.kind == "measured"
    assert free.memory.kind == "predicted"
    for figure in (free.memory, moved.memory):
        assert figure.low <= figure.value <= figure.high
    shift = moved.memory.value / free.memory.value
    assert shift == pytest.approx(1.5, rel=0.05)
    assert moved.memory.low / free.memory.low == pytest.approx(shift)
    assert moved.memory.high / free.memory.high == pytest.approx(shift)
    budget = 1.01 * free.memory.high
    limited = DECODING_ON_4090.model_copy(update={"budget": budget})
    assert weighed(limited, words).fits == "fits"
    assert weighed(limited, words, [row]).fits == "no"
