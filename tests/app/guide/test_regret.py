"""The guide against what the project measured on a CPU: what its choice costs over the best, and whether its intervals hold.

No constant was fitted to a scenario's own stacks but two seconds-per-call figures to one of them (``work.OPERATOR_S``,
``work.SHORT_PRODUCT_S``: the decoding of the reference decoder).
"""

from math import log
from statistics import median

import pytest

from app.guide.advice import weighed
from app.guide.evidence import Measured
from app.guide.options import Option
from app.guide.rank import front
from tests.app.guide.grid import Scenario, scenarios

MOST_REGRET = 0.05


def options(scenario: Scenario, rows: tuple[Measured, ...]) -> dict[tuple[str, ...], Option]:
    free = scenario.situation.model_copy(update={"effort": "high"})
    return {words: weighed(free, words, rows) for words in scenario.ratios}


def fastest(found: dict[tuple[str, ...], Option]) -> tuple[str, ...]:
    """The one that is believed fastest of those that keep every limit and no simpler one is as good as."""
    kept = front([one for one in found.values() if not one.broken])
    return min(kept, key=lambda one: one.ratio.value).words


def others(left: Scenario) -> tuple[Measured, ...]:
    return tuple(row for scenario in scenarios() if scenario.name != left.name for row in scenario.rows)


def test_there_are_scenarios_of_every_phase() -> None:
    assert {one.situation.task for one in scenarios()} == {"prefill", "chat", "finetune"}
    assert sum(len(one.rows) for one in scenarios()) >= 15


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda one: one.name)
def test_the_choice_costs_little_with_evidence_of_other_scenarios_alone(scenario: Scenario) -> None:
    best = min(scenario.ratios.values())
    chosen = fastest(options(scenario, others(scenario)))
    assert scenario.ratios[chosen] / best - 1 <= MOST_REGRET


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda one: one.name)
def test_the_choice_costs_little_with_its_own_evidence(scenario: Scenario) -> None:
    best = min(scenario.ratios.values())
    chosen = fastest(options(scenario, (*others(scenario), *scenario.rows)))
    assert scenario.ratios[chosen] / best - 1 <= MOST_REGRET


def test_ratios_are_foreseen_without_any_measurement() -> None:
    errors, held = [], []
    for scenario in scenarios():
        for words, one in options(scenario, ()).items():
            measured = scenario.ratios[words]
            if measured == 1.0:
                continue
            errors.append(abs(log(one.ratio.value / measured)))
            held.append(one.ratio.low <= measured <= one.ratio.high)
    assert median(errors) <= 0.15
    assert sum(held) / len(held) >= 0.75


def test_its_own_evidence_is_believed() -> None:
    for scenario in scenarios():
        found = options(scenario, (*others(scenario), *scenario.rows))
        for row in scenario.rows:
            one = found[row.stack]
            assert one.ratio.kind == "measured"
            assert one.ratio.low <= row.high
            assert one.ratio.high >= row.low
            assert row.id in one.ratio.evidence
