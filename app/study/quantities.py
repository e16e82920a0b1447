"""Quantities: a metric in one phase by one definition, as axes and columns show it."""

from collections.abc import Iterable

from app.frozen import Frozen
from app.study import definitions
from workers.catalog import metrics
from workers.catalog.metrics import Better


class Quantity(Frozen):
    """One metric in one phase: what an axis or a column shows."""

    key: str
    """``metric@phase``, as it stands in URLs; ``metric:version@phase`` for one that is held apart."""
    metric: str
    phase: str
    title: str
    unit: str
    better: Better
    aspect: str
    definition: str
    version: int = 1
    """Of the definition that its figures followed."""
    apart: str | None = None
    """What sets it apart from the same by the catalogue's definition, for example "definition 1, now 2"; None where it is of that."""


def quantity(name: str, phase: str, version: int) -> Quantity:
    """A metric in one phase by a version of its definition; its title is the metric's alone until it is ``in_order``."""
    metric, apart = metrics.BY_NAME[name], definitions.apart(name, version)
    return Quantity(
        key=definitions.key(name, phase, version),
        metric=name,
        phase=phase,
        title=metric.title,
        unit=metric.unit,
        better=metric.better,
        aspect=metric.aspect,
        # The catalogue has the words of its own version alone.
        definition=f"{apart.capitalize()}: {metric.definition}" if apart else metric.definition,
        version=version,
        apart=apart,
    )


def in_order(found: Iterable[Quantity]) -> tuple[Quantity, ...]:
    """Quantities in the order of the metrics' menu, the catalogue's definition first.

    A title names its phase where a metric has several, and what sets it apart where anything does.
    """
    order = {metric.name: index for index, metric in enumerate(metrics.METRICS)}
    listed = sorted(found, key=lambda one: (order[one.metric], one.phase, one.apart is not None, -one.version))
    phases: dict[str, set[str]] = {}
    for one in listed:
        phases.setdefault(one.metric, set()).add(one.phase)
    titled = []
    for one in listed:
        told = [one.phase.replace("_", " ")] if len(phases[one.metric]) > 1 else []
        told += [one.apart] if one.apart else []
        title = metrics.BY_NAME[one.metric].title + (f" ({', '.join(told)})" if told else "")
        titled.append(one.model_copy(update={"title": title}))
    return tuple(titled)
