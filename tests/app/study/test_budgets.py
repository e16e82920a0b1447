"""Budgets: what they remove, and what the least loosening brings back, against trying it out."""

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.study.budgets import Limit, Option, broken, loosened, weigh

MEMORY, LOSS = "memory.peak_allocated@prefill", "quality.kl_divergence@quality"


def most(quantity: str, value: float) -> Limit:
    return Limit(quantity=quantity, better="lower", value=value)


amounts = st.one_of(st.integers(0, 6).map(float), st.floats(0, 1e9, allow_nan=False))
options = st.lists(st.tuples(amounts, amounts), max_size=12).map(
    lambda pairs: [Option(str(i), {MEMORY: memory, LOSS: loss}) for i, (memory, loss) in enumerate(pairs)]
)


def fitting(cloud: Sequence[Option], limits: Sequence[Limit]) -> int:
    return sum(1 for option in cloud if not broken(option, limits))


@given(options, amounts, amounts)
def test_the_least_loosening_is_the_least(cloud: list[Option], memory: float, loss: float) -> None:
    limits = [most(MEMORY, memory), most(LOSS, loss)]
    for place, found in enumerate(weigh(cloud, limits)):
        others = limits[1 - place]
        assert found.removes == sum(1 for option in cloud if option.values[found.limit.quantity] > found.limit.value)
        assert found.alone == fitting(cloud, [others]) - fitting(cloud, limits)
        if found.next_value is None:
            assert (found.alone, found.gains) == (0, 0)
            continue
        moved = [most(found.limit.quantity, found.next_value), others]
        assert found.gains == fitting(cloud, moved) - fitting(cloud, limits) > 0
        nearest = min(
            option.values[found.limit.quantity] for option in cloud if broken(option, limits) == (found.limit.quantity,)
        )
        assert nearest <= found.next_value <= nearest * 1.0002


def test_where_more_is_better_a_budget_is_a_floor() -> None:
    cloud = [Option("a", {"accuracy": 0.7}), Option("b", {"accuracy": 0.61}), Option("c", {"accuracy": 0.6})]
    (found,) = weigh(cloud, [Limit(quantity="accuracy", better="higher", value=0.65)])
    assert (found.removes, found.alone, found.next_value, found.gains) == (2, 2, 0.61, 1)


def test_what_was_not_measured_does_not_fit_and_cannot_be_bought_back() -> None:
    (found,) = weigh([Option("a", {MEMORY: 5.0}), Option("b", {})], [most(MEMORY, 9.0)])
    assert (found.removes, found.unmeasured, found.next_value) == (1, 1, None)


@pytest.mark.parametrize("better", ["lower", "higher"])
@given(value=st.floats(1e-12, 1e15))
def test_a_loosened_limit_is_short_and_lets_the_value_through(better: Literal["lower", "higher"], value: float) -> None:
    limit = loosened(value, better)
    assert not Limit(quantity=MEMORY, better=better, value=limit).broken_by(Option("a", {MEMORY: value}))
    assert limit == pytest.approx(value, rel=2e-4)
    assert float(f"{limit:.12g}") == limit or limit == value
