"""The planner's benchmark: what it holds out, and a few of its steps within its goals."""

import pytest

from benchmarks import planner
from benchmarks.planned_steps import Step
from benchmarks.planner import CLOSED, COMPUTED, FITTED, GROUPED, HELD_OUT, ONE, SMALL


def test_half_of_the_steps_are_of_families_that_nothing_was_fitted_to() -> None:
    assert len(CLOSED) >= 24
    assert not set(FITTED) & set(HELD_OUT)
    assert {step.family for step in CLOSED} == {*FITTED, *HELD_OUT}
    assert sum(step.family in HELD_OUT for step in CLOSED) >= len(CLOSED) / 2
    assert len(COMPUTED) >= 8


def test_every_way_of_training_is_among_them() -> None:
    heads = {step.sizes.get("num_key_value_heads") for step in CLOSED}
    assert {1, 2, 8} <= heads
    assert {step.dtype for step in CLOSED} == {"fp32", "bf16", "autocast"}
    assert {step.checkpointing for step in CLOSED} == {step.flash for step in CLOSED} == {True, False}
    assert len({step.stepping.split()[0] for step in CLOSED}) >= 3
    assert sum(step.rank is not None for step in CLOSED) >= 3


def test_families_that_were_held_out_have_to_meet_the_goals_themselves() -> None:
    close, off = {"median": 0.001, "most": 0.02}, {"median": 0.001, "most": 0.04}
    assert planner.goals_met({"all": close, "held_out": close}, [])
    assert not planner.goals_met({"all": close, "held_out": off}, [])
    assert not planner.goals_met({"all": off, "held_out": close}, [])


@pytest.mark.parametrize(
    "step",
    [
        Step("llama", GROUPED | SMALL, length=128),
        Step("granite", ONE | SMALL, length=128, checkpointing=True, flash=False, stepping="adamw"),
        Step("glm4", GROUPED | SMALL | {"head_dim": 64}, length=128, dtype="bf16", rank=4),
    ],
    ids=lambda step: step.family,
)
def test_the_formulas_come_close_to_the_counts(step: Step) -> None:
    row = planner.closed([step])[0]
    assert abs(row.error) <= planner.GOAL_MOST


def test_the_counts_are_those_of_the_allocator() -> None:
    row = planner.computed(
        [Step("qwen2", GROUPED | SMALL | {"vocab_size": 1_024}, length=64, stepping="sgd momentum")]
    )[0]
    assert abs(row.told - row.true) <= planner.GOAL_EVENTS
