"""Environments of a study's runs: which were measured elsewhere than most, in what that differs, and whether it matters."""

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from app.frozen import Frozen
from workers.catalog import environment

Fields = Mapping[str, JsonValue]


class Change(Frozen):
    """One field in which two environments differ."""

    field: str
    before: JsonValue
    """Null where it is not set or not known."""
    after: JsonValue
    matters: bool
    """Whether figures as measured may differ because of it."""
    reason: str


class Elsewhere(Frozen):
    """An environment that some runs of a study were measured in, against the one of most of its runs."""

    environment: str
    """Its id."""
    number: int
    """From 2; the environment of most runs is number 1."""
    runs: tuple[str, ...]
    """Ids of the runs measured in it."""
    against: str
    """Id of the environment of most runs."""
    changes: tuple[Change, ...]
    """Those that matter first."""

    @property
    def matters(self) -> bool:
        """Whether any difference may change a figure."""
        return any(change.matters for change in self.changes)


def machine(fields: Fields) -> str | None:
    """The device of an environment and its version of torch, in a few words; None where it tells neither."""
    device, torch = fields.get("gpu.name") or fields.get("cpu.model"), fields.get("torch.version")
    return ", ".join([*([str(device)] if device else []), *([f"torch {torch}"] if torch else [])]) or None


def changes(before: Fields, after: Fields) -> tuple[Change, ...]:
    """Every lasting field in which two environments differ, those that matter first."""
    return tuple(
        Change(field=one.field, before=one.before, after=one.after, matters=one.matters == "matters", reason=one.reason)
        for one in environment.difference(before, after)
    )


def elsewhere(runs: Sequence[tuple[str, str]], fields: Mapping[str, Fields]) -> tuple[Elsewhere, ...]:
    """The environments besides that of most runs, in the order in which runs met them.

    Args:
        runs: id of each measured run, and of its environment, in the order of the study.
        fields: of every one of these environments.
    """
    counted = Counter(found for _, found in runs)
    if len(counted) < 2:
        return ()
    against = counted.most_common(1)[0][0]
    return tuple(
        Elsewhere(
            environment=other,
            number=number,
            runs=tuple(run for run, found in runs if found == other),
            against=against,
            changes=changes(fields[against], fields[other]),
        )
        for number, other in enumerate((found for found in counted if found != against), start=2)
    )
