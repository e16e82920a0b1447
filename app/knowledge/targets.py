"""One model on one device: what every technique and stack does there, what failed, and what nobody has tried."""

from collections import Counter

import numpy as np

from app.errors import NotFound
from app.frozen import Frozen
from app.knowledge import cases
from app.knowledge.cases import Case, Cases, measured
from app.results.columns import Mask, Table
from app.results.matching import having
from workers.catalog.techniques import TECHNIQUES

MOST_CASES = 200
NAMED = 8
"""Targets that a refusal names."""


class Target(Frozen):
    """A model and a device on which it was measured."""

    model: str
    hardware: str
    device: str
    """Kind of device."""
    url: str
    runs: int
    """Ended, null tests left out."""
    techniques: int
    """How many of the catalogue were tried, alone or stacked."""
    finished_at: float
    """When the last of them ended."""


class Setback(Frozen):
    """Runs of one stack that ended without figures."""

    label: str
    techniques: tuple[str, ...]
    workload: str
    outcome: str
    runs: int
    url: str
    """The newest."""


class OnTarget(Frozen):
    """Everything known about one target."""

    target: Target
    cases: tuple[Case, ...]
    """By workload and sizes; techniques by themselves before stacks."""
    more_cases: int
    setbacks: tuple[Setback, ...]
    never: tuple[str, ...]
    """Techniques of the catalogue that no run tried here, in any stack."""


def targets(table: Table) -> tuple[Target, ...]:
    """Every model on every device that it was measured on, the last used first."""
    mask = ~having(table, "techniques", {""}) & ~having(table, "hardware", {""})
    models, devices = table.words["model"][0][mask], table.words["hardware"][0][mask]
    pairs = np.unique(np.column_stack((models, devices)), axis=0).tolist()
    words = (table.words["model"][1], table.words["hardware"][1])
    found = [_target(table, words[0][model], words[1][hardware]) for model, hardware in pairs]
    return tuple(sorted((one for one in found if one), key=lambda one: -one.finished_at))


def on_target(table: Table, model: str, hardware: str) -> OnTarget:
    """What was measured of a model on a device.

    Args:
        table: all rows.
        model: its label.
        hardware: the device's name.

    Raises:
        NotFound: nothing was; names some targets on which something was.
    """
    target = _target(table, model, hardware)
    if target is None:
        known = [f"{one.model} on {one.hardware}" for one in targets(table)[:NAMED]]
        hint = f"Measured: {'; '.join(known)}." if known else "Nothing has been measured yet."
        raise NotFound(f"Nothing was measured of {model!r} on {hardware!r}.", hint=hint)
    here = having(table, "model", {model}) & having(table, "hardware", {hardware})
    found = Cases(table, here & measured(table))
    order = sorted(range(found.count), key=lambda case: _place(found, case))
    tried = {word for words in _techniques(table, here) for word in words}
    return OnTarget(
        target=target,
        cases=tuple(found.case(case) for case in order[:MOST_CASES]),
        more_cases=max(0, len(order) - MOST_CASES),
        setbacks=_setbacks(table, here),
        never=tuple(technique.word for technique in TECHNIQUES if technique.word not in tried),
    )


def _target(table: Table, model: str, hardware: str) -> Target | None:
    here = having(table, "model", {model}) & having(table, "hardware", {hardware}) & ~having(table, "techniques", {""})
    places = np.flatnonzero(here)
    if not len(places):
        return None
    return Target(
        model=model,
        hardware=hardware,
        device=table.word("device", int(places[0])),
        url=cases.target(model, hardware),
        runs=len(places),
        techniques=len({word for words in _techniques(table, here) for word in words}),
        finished_at=float(table.finished_at[places].max()),
    )


def _techniques(table: Table, mask: Mask) -> list[list[str]]:
    """The sets of techniques that occur in some rows."""
    codes, words = table.words["techniques"]
    return [words[code].split("+") for code in np.unique(codes[mask]).tolist() if words[code]]


def _setbacks(table: Table, here: Mask) -> tuple[Setback, ...]:
    places = np.flatnonzero(here & ~having(table, "outcome", {"ok"}) & ~having(table, "techniques", {""}))
    newest: dict[tuple[str, str, str], int] = {}
    tally: Counter[tuple[str, str, str]] = Counter()
    for place in places[np.argsort(table.numbers[places])].tolist():
        key = (table.rows[place].label, table.word("workload", place), table.word("outcome", place))
        tally[key] += 1
        newest[key] = place
    return tuple(
        Setback(
            label=label,
            techniques=tuple(table.word("techniques", newest[label, workload, outcome]).split("+")),
            workload=workload,
            outcome=outcome,
            runs=runs,
            url=f"/runs/{table.rows[newest[label, workload, outcome]].run_id}",
        )
        for (label, workload, outcome), runs in tally.most_common(MOST_CASES)
    )


def _place(found: Cases, case: int) -> tuple[str | int, ...]:
    techniques = found.word("techniques", case)
    sizes = (found.size(name, case) or 0 for name in ("batch_size", "length"))
    label = found.table.rows[found.newest[case]].label
    evaluation = found.word("evaluation", case)
    return (found.word("workload", case), *sizes, techniques.count("+"), techniques, label, evaluation)
