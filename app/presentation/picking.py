"""Picking runs to compare: which there are, and what a selection by ids comes to. A bad selection is refused by name."""

from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session

from app.db import queries
from app.db.tables import Run, Study
from app.errors import Invalid
from app.frozen import Frozen
from app.listing import Listing, moment
from app.study import comparison
from app.study.compare import FEWEST, MOST, Belonging, LeftOut, SideBySide, has_figures, side_by_side
from app.study.comparison import ComparedRun, Comparison
from app.study.environments import Fields
from app.study.outcomes import ended
from workers.catalog.declared import Problem
from workers.catalog.spec import Point

IDS = "Ids of runs stand in their addresses: /runs/ID."
SHOWN = 40
"""Characters of a wrong id that a refusal repeats."""


class Pickable(Frozen):
    """A run with figures, as a reader picks it."""

    run: str
    variant: str
    is_baseline: bool
    """The null test: baseline against baseline."""
    point: Point
    study: str
    study_name: str
    model: str
    workload: str
    device: str
    finished_at: str | None


def pickable(
    session: Session, *, search: str | None = None, cursor: str | None = None, limit: int = 30
) -> Listing[Pickable]:
    """Runs that ended with figures, newest first.

    Args:
        session: reads.
        search: part of the name of a study, a variant or a model, in any case.
        cursor: where an earlier page ended.
        limit: how many.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    page = queries.measured_runs(session, search=search, cursor=cursor, limit=limit)
    studies = queries.studies_by_id(session, [run.study_id for run in page.items])
    return Listing(items=[_pickable(run, studies[run.study_id]) for run in page.items], next=page.next)


def picked(session: Session, ids: Sequence[str]) -> list[Pickable]:
    """Those of some runs that are there, in the order in which they were named, each once."""
    found = queries.runs_by_id(session, ids)
    studies = queries.studies_by_id(session, [run.study_id for run in found.values()])
    return [_pickable(found[one], studies[found[one].study_id]) for one in dict.fromkeys(ids) if one in found]


def ids_of(text: str) -> list[str]:
    """Ids as an address names them, separated by commas."""
    return [one for one in (part.strip() for part in text.split(",")) if one]


def selected(session: Session, runs: str, studies: str) -> SideBySide:
    """What an address chooses: runs, or studies.

    Raises:
        Invalid: nothing that can be compared.
    """
    if studies and runs:
        _refuse([Problem("studies", "both", "and runs are both named.", "Name either runs or studies.")])
    return of_studies(session, ids_of(studies)) if studies else of_runs(session, ids_of(runs))


def of_runs(session: Session, ids: Sequence[str]) -> SideBySide:
    """Some runs side by side.

    Raises:
        Invalid: too few, too many, one of them twice, one that is not there or has no figures; each is named.
    """
    found = queries.runs_by_id(session, ids)
    _refuse([*_named_badly("run", ids, found, IDS), *_wrong_number(len(ids), "names {}")])
    studies = queries.studies_by_id(session, [run.study_id for run in found.values()])
    compared = {one: comparison.of_study(session, study) for one, study in studies.items()}
    chosen = [(found[one], _of(compared[found[one].study_id], one)) for one in ids]
    _refuse(
        [
            Problem(
                "runs",
                "no_figures",
                f"names {run.variant} ({run.run}), which has no figures: {why(run)}.",
                "Name runs that ended with figures; GET /api/v1/compare/runs lists them.",
            )
            for _, run in chosen
            if not has_figures(run)
        ]
    )
    return _beside(session, chosen, studies, compared)


def of_studies(session: Session, ids: Sequence[str]) -> SideBySide:
    """All variants with figures of some studies side by side, without their null tests.

    Raises:
        Invalid: a study twice or one that is not there, or their variants are too few or too many.
    """
    studies = queries.studies_by_id(session, ids)
    _refuse(_named_badly("study", ids, studies, "Ids of studies stand in their addresses: /studies/ID."))
    rows = [run for one in ids for run in queries.runs(session, one) if not run.is_baseline]
    # Before anything is read of them: studies may have hundreds of runs.
    _refuse(_wrong_number(sum(1 for run in rows if run.outcome == "ok"), "have {} with figures", "studies"))
    compared = {one: comparison.of_study(session, studies[one]) for one in ids}
    chosen = [(row, _of(compared[row.study_id], row.id)) for row in rows]
    measured = [(row, run) for row, run in chosen if has_figures(run)]
    _refuse(_wrong_number(len(measured), "have {} with figures", "studies"))
    left_out = [
        LeftOut(run=run.run, variant=run.variant, point=run.point, why=why(run))
        for _, run in chosen
        if not has_figures(run)
    ]
    return _beside(session, measured, studies, compared, left_out)


def why(run: ComparedRun) -> str:
    """Why a run has no figures, in a few words."""
    return ended(run) if run.outcome is not None or run.failed else f"it is {run.state}"


def _beside(
    session: Session,
    chosen: Sequence[tuple[Run, ComparedRun]],
    studies: Mapping[str, Study],
    compared: Mapping[str, Comparison],
    left_out: Sequence[LeftOut] = (),
) -> SideBySide:
    found = {run.environment for _, run in chosen if run.environment is not None}
    fields: dict[str, Fields] = {}
    for one in found:
        known = queries.environment(session, one).fields
        fields[one] = known if isinstance(known, dict) else {}
    selection = [
        Belonging(run, compared[row.study_id], studies[row.study_id].model, studies[row.study_id].workload, row.spec)
        for row, run in chosen
    ]
    return side_by_side(selection, fields, left_out)


def _of(compared: Comparison, run_id: str) -> ComparedRun:
    return next(run for run in compared.runs if run.run == run_id)


def _pickable(run: Run, study: Study) -> Pickable:
    return Pickable(
        run=run.id,
        variant=run.variant,
        is_baseline=run.is_baseline,
        point=run.point,
        study=study.id,
        study_name=study.name,
        model=study.model,
        workload=study.workload,
        device=study.device,
        finished_at=None if run.finished_at is None else moment(run.finished_at),
    )


def _named_badly(what: str, ids: Sequence[str], found: Mapping[str, object], hint: str) -> list[Problem]:
    field = {"run": "runs", "study": "studies"}[what]
    once = list(dict.fromkeys(ids))
    twice = [one for one in once if ids.count(one) > 1]
    return [
        *(Problem(field, f"{what}_twice", f"names {_short(one)} twice.", f"Name each {what} once.") for one in twice),
        *(
            Problem(field, f"unknown_{what}", f"names {_short(one)}, and there is no such {what}.", hint)
            for one in once
            if one not in found
        ),
    ]


def _wrong_number(count: int, said: str, field: str = "runs") -> list[Problem]:
    if FEWEST <= count <= MOST:
        return []
    runs = "only one run" if count == 1 else f"{count or 'no'} runs"
    message = f"{said.format(runs)}; a comparison holds {FEWEST} to {MOST}."
    return [Problem(field, "wrong_number", message, f"Name {FEWEST} to {MOST} runs: runs=ID,ID.")]


def _refuse(problems: Iterable[Problem]) -> None:
    found = list(problems)
    if found:
        raise Invalid.of(found)


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")
