"""Advice by what binds: one for every class, with sources, naming only techniques that exist."""

from typing import get_args

from app.knowledge.advice import advice
from workers.catalog.report import BottleneckClass
from workers.catalog.techniques import BY_WORD


def test_every_class_has_two_or_three_steps_with_sources() -> None:
    found = advice()
    assert set(found) == set(get_args(BottleneckClass))
    for one in found.values():
        assert 2 <= len(one.steps) <= 3
        assert all(step.sources and step.says.endswith(".") for step in one.steps)


def test_techniques_of_the_advice_are_in_the_catalogue() -> None:
    named = {word for one in advice().values() for step in one.steps for word in step.techniques}
    assert named
    assert named <= set(BY_WORD)
