"""In what chosen runs differ: the fields of their orders and of their environments, and what each difference affects."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from app.frozen import Frozen
from app.study.environments import Fields, elsewhere
from app.study.stacks import label
from workers.catalog.spec import RunSpec

Affects = Literal["values", "ratios", "quality", "nothing"]
WORST_FIRST: tuple[Affects, ...] = ("values", "ratios", "quality", "nothing")
ORDERS: tuple[tuple[str, Affects, str], ...] = (
    ("model.", "values", "It is another model; each ratio holds for its own."),
    ("workload.", "values", "It is other work; each ratio holds for its own."),
    ("device", "values", "It is another kind of device; each ratio holds on its own."),
    ("seed", "values", "Other weights, inputs and order of blocks."),
    ("baseline.", "ratios", "The ratios are over different baselines."),
    ("evaluation", "quality", "Quality was scored in another way."),
    ("effort", "nothing", "More effort makes intervals narrower, not values other."),
    ("profile", "nothing", "The profiled step stands apart from what is timed."),
    ("variant.", "nothing", "This is what is compared."),
)
"""What a difference in a field of the order means; a field follows the first rule that opens its name."""


class Difference(Frozen):
    """One field in which the selection differs."""

    field: str
    values: tuple[JsonValue, ...]
    """Of each environment, or of each run's order; null where it is not set or not known."""
    affects: Affects
    """values: those as measured may not stand side by side. ratios: neither may these. quality: only scores."""
    reason: str


class Surroundings(Frozen):
    """One environment of the selection."""

    number: int
    """1 is that of most runs."""
    environment: str
    letters: tuple[str, ...]


def orders(specs: Sequence[RunSpec]) -> tuple[Difference, ...]:
    """Fields of the orders that are not the same in all; what affects values first, then what affects ratios."""
    flat = [_order(spec) for spec in specs]
    names = dict.fromkeys(name for one in flat for name in one)
    differing = [name for name in names if any(one.get(name) != flat[0].get(name) for one in flat)]
    found = []
    for name in differing:
        _, affects, reason = next(rule for rule in ORDERS if name.startswith(rule[0]))
        values = tuple(one.get(name) for one in flat)
        found.append(Difference(field=name, values=values, affects=affects, reason=reason))
    return tuple(sorted(found, key=lambda one: WORST_FIRST.index(one.affects)))


def surroundings(
    measured: Sequence[tuple[str, str]], fields: Mapping[str, Fields]
) -> tuple[tuple[Surroundings, ...], tuple[Difference, ...]]:
    """The environments of a selection and the fields in which they differ, those that matter first.

    Args:
        measured: letter of each run and id of its environment.
        fields: of every one of these environments.
    """
    others = elsewhere(measured, fields)
    ids = [others[0].against, *(other.environment for other in others)] if others else [one for _, one in measured[:1]]
    found = tuple(
        Surroundings(number=number, environment=one, letters=tuple(letter for letter, of in measured if of == one))
        for number, one in enumerate(ids, start=1)
    )
    changes = [change for other in others for change in other.changes]
    mattering = {change.field: change.reason for change in reversed(changes) if change.matters}
    reasons = {change.field: change.reason for change in reversed(changes)} | mattering
    names = sorted(reasons, key=lambda name: (name not in mattering, name))
    differences = tuple(
        Difference(
            field=name,
            values=tuple(fields[one].get(name) for one in ids),
            affects="values" if name in mattering else "nothing",
            reason=reasons[name],
        )
        for name in names
    )
    return found, differences


def _order(spec: RunSpec) -> dict[str, JsonValue]:
    """The fields of an order under dotted names, stacks in words."""
    parts = {"model": spec.model, "workload": spec.workload, "evaluation": spec.evaluation}
    nested = {
        f"{part}.{name}": value
        for part, asked in parts.items()
        if asked is not None
        for name, value in asked.model_dump(mode="json").items()
    }
    stacks = {"baseline.stack": label(spec.baseline), "variant.stack": label(spec.variant)}
    plain = {name: getattr(spec, name) for name in ("device", "effort", "profile", "seed")}
    return nested | plain | stacks
