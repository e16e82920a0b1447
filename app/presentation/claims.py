"""Claims of articles with what became of each: measured here, reckoned, or neither; for the page and its JSON twin.

What was measured outranks what was reckoned: a claim about what binds has both.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from sqlmodel import Session

from app.db import bound_lists
from app.errors import Invalid, NotFound
from app.frozen import Frozen
from app.knowledge import claim_study, claims, evidence
from app.knowledge.claims import Statement, Unmeasurable
from app.knowledge.evidence import Judged
from app.knowledge.reckoned import Bound, Reckoned
from app.knowledge.sources import Grade, Source
from app.presentation import reckoning
from app.presentation.reckoning import Worked
from app.results.columns import Table
from workers.catalog.declared import Problem, closest
from workers.catalog.report import Bottleneck, BottleneckClass
from workers.catalog.techniques import BY_WORD as TECHNIQUES
from workers.catalog.workloads import BY_WORD as WORKLOADS

Status = Literal["confirmed", "contradicted", "mixed", "undecided", "not_measured", "right", "wrong"]
STATUSES: dict[Status, str] = {
    "confirmed": "confirmed",
    "contradicted": "contradicted",
    "mixed": "mixed",
    "undecided": "undecided",
    "not_measured": "not measured here",
    "right": "right by arithmetic",
    "wrong": "wrong by arithmetic",
}
NEWEST = 400
"""Runs that are looked at for what binds a workload."""
MOST_SHOWN = 12
"""Of them, as many are named."""
API = "/api/v1/claims"
NULL_TESTED = "Every study has a null test, which tests it."


class BoundBy(Frozen):
    """One run, and what bound its whole step."""

    url: str
    variant: str
    model: str
    workload: str
    device: str
    kind: BottleneckClass


class Binding(Frozen):
    """What bound the runs of a workload here."""

    status: Status
    counts: dict[BottleneckClass, int]
    """How many runs were bound by what."""
    runs: tuple[BoundBy, ...]
    """The newest."""


class Claim(Frozen):
    """One claim, and what became of it."""

    word: str
    topic: str
    says: str
    status: Status
    techniques: tuple[str, ...]
    """Words of the catalogue's techniques it is about."""
    effort: str | None = None
    """What it is said to cost somebody to use it."""
    source: Source
    grade: Grade
    beside: str | None = None
    """What better evidence says."""
    measured: Judged | None = None
    reckoned: Worked | None = None
    binding: Binding | None = None
    why: str | None = None
    """Why it cannot be measured here."""
    study: str | None = None
    """Where the API has the study that would test it."""


class Wanted(NamedTuple):
    """Which claims a reader asks for; None takes all."""

    status: Status | None = None
    technique: str | None = None
    topic: str | None = None


class Claims(Frozen):
    """Claims that were asked for."""

    items: tuple[Claim, ...]
    """In the order of their topics."""
    counts: dict[Status, int]
    """How many of all claims have which status, whatever was asked for."""
    next: None = None


def wanted(parameters: Iterable[tuple[str, str]], besides: Sequence[str] = ()) -> Wanted:
    """Which claims an address asks for.

    Args:
        parameters: its names and values; an empty value says nothing.
        besides: names that it may have for something else.

    Raises:
        Invalid: a name or value that does not exist, or a name twice; every one is named with the choices.
    """
    choices: dict[str, Sequence[str]] = {
        "status": tuple(STATUSES),
        "technique": tuple(TECHNIQUES),
        "topic": tuple(claims.topics()),
    }
    given: dict[str, str] = {}
    wrong: list[Problem] = []
    for name, value in parameters:
        if not value or name in besides:
            continue
        if name not in choices:
            known = ", ".join((*choices, *besides))
            wrong.append(Problem(name, "unknown_parameter", "is no part of this address.", f"One of {known}."))
        elif name in given:
            wrong.append(Problem(name, "said_twice", "stands there twice.", "Give it once."))
        elif value not in choices[name]:
            near = closest(value, choices[name])
            meant = f" Did you mean {near}?" if near else ""
            says = f"{value[:80]!r} is not one of the choices.{meant}"
            wrong.append(Problem(name, "unknown_choice", says, f"One of {', '.join(choices[name])}."))
        given[name] = value
    if wrong:
        raise Invalid.of(wrong)
    status = next((one for one in STATUSES if one == given.get("status")), None)
    return Wanted(status, given.get("technique"), given.get("topic"))


def read(session: Session, table: Table, asked: Wanted) -> Claims:
    """Claims with what became of them.

    Args:
        session: reads what bound runs.
        table: all results.
        asked: which.
    """
    found = everything(session, table)
    counts = Counter(one.status for one in found)
    items = (
        one
        for one in found
        if asked.status in (None, one.status)
        and (asked.technique is None or asked.technique in one.techniques)
        and asked.topic in (None, one.topic)
    )
    return Claims(items=tuple(items), counts={status: counts[status] for status in STATUSES if counts[status]})


def everything(session: Session, table: Table) -> list[Claim]:
    """All claims, topic by topic."""
    statements = (*claims.claims(), *claims.null_tests())
    found = [_measured(one) for one in evidence.judged(table, statements)]
    found += _reckoned()
    found += [_bound(session, one) for one in claims.bounds()]
    found += [_unmeasurable(one) for one in claims.unmeasurable()]
    order = {topic: place for place, topic in enumerate(claims.topics())}
    return sorted(found, key=lambda one: order[one.topic])


def study(word: str) -> dict[str, Any]:
    """The smallest study that would test a claim.

    Raises:
        NotFound: there is no such claim.
        Invalid: the catalogue cannot measure it; says why.
    """
    for statement in claims.claims():
        if statement.word == word:
            return claim_study.study(statement)
    if word in _words():
        message = f"No study of its own tests {word}: its status says what does."
        raise Invalid.of(
            [Problem("claim", "not_measurable", message, f"{API} names the studies of those that have one.")]
        )
    near = closest(word, [one.word for one in claims.claims()])
    raise NotFound(f"There is no claim {word[:80]!r}.", hint=f"Did you mean {near}?" if near else f"{API} lists them.")


def _words() -> set[str]:
    """Of all claims."""
    words = {one.word for one in (*claims.claims(), *claims.null_tests())}
    words |= {one.word for one in claims.reckoned()}
    return words | {one.word for one in claims.bounds()} | {one.word for one in claims.unmeasurable()}


def _measured(judged: Judged) -> Claim:
    statement = judged.statement
    reason, offered = _offered(statement.word) if statement.stack else (NULL_TESTED, None)
    return _claim(
        statement,
        status=judged.status,
        techniques=statement.stack,
        effort=statement.effort,
        measured=judged,
        why=reason,
        study=offered,
    )


@cache
def _offered(word: str) -> tuple[str | None, str | None]:
    """Why no study of the catalogue tests a claim, or where the API has the one that does."""
    try:
        study(word)
    except Invalid as error:
        return (error.problems[0].message if error.problems else error.detail), None
    return None, f"{API}/{quote(word)}/study"


@cache
def _reckoned() -> tuple[Claim, ...]:
    """Claims that need no measurement; nothing that is measured changes them."""
    worked = ((claim, reckoning.work_out(claim)) for claim in claims.reckoned())
    return tuple(
        _claim(claim, status=found.verdict, techniques=claim.techniques, reckoned=found) for claim, found in worked
    )


def _bound(session: Session, claim: Bound) -> Claim:
    worked = reckoning.binds(claim)
    binding = bound_here(bound_lists.newest(session, claim.workloads, NEWEST), claim.bound)
    status = worked.verdict if binding.status == "not_measured" else binding.status
    return _claim(claim, status=status, techniques=(), reckoned=worked, binding=binding)


def bound_here(rows: Iterable[bound_lists.BoundRun], bound: BottleneckClass) -> Binding:
    """What bound whole steps, held against a claim: confirmed or contradicted where all runs that are clear agree."""
    found: list[BoundBy] = []
    for row in rows:
        phase = WORKLOADS[row.workload]().main_phase
        for one in row.bottlenecks if isinstance(row.bottlenecks, list) else []:
            read = Bottleneck.model_validate(one)
            if read.arm == "variant" and read.phase == phase:
                place = {"variant": row.variant, "model": row.model, "workload": row.workload, "device": row.device}
                found.append(BoundBy(url=f"/runs/{row.run}", kind=read.kind, **place))
    counts = Counter(one.kind for one in found)
    clear = counts.total() - counts["unclear"]
    status: Status = "mixed"
    if not clear:
        status = "undecided" if found else "not_measured"
    elif counts[bound] in (0, clear):
        status = "confirmed" if counts[bound] else "contradicted"
    return Binding(status=status, counts=dict(counts.most_common()), runs=tuple(found[:MOST_SHOWN]))


def _unmeasurable(claim: Unmeasurable) -> Claim:
    return _claim(claim, status="not_measured", techniques=(), effort=claim.effort, why=claim.why)


def _claim(said: Statement | Reckoned | Bound | Unmeasurable, **more: Any) -> Claim:
    if said.topic is None or said.grade is None:
        raise ValueError(f"{said.word} is no claim of an article")
    common = {name: getattr(said, name) for name in ("word", "topic", "says", "source", "grade", "beside")}
    return Claim(**common, **more)
