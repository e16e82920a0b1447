"""Ended runs are written into the table that all runs are compared by, when they end and when their study has ended.

Verdicts are corrected for the comparisons of a study; while it runs, for those that are there. Its end writes all anew.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import delete, insert, select
from sqlmodel import Session, col

from app.db import queries, reported
from app.db.events import TERMINAL
from app.db.session import in_turn
from app.db.tables import DeviceRow, EffectRow, MeasurementRow, Result, Run, Study, User
from app.errors import Outdated
from app.results.figures import FIGURES, LENGTHS, Cell, packed
from app.study import stored, verdicts
from app.study.stacks import apart, family, label

log = structlog.get_logger()

BATCH = 50
"""Studies that are caught up with in one transaction."""
ENDED = ("done", "cancelled")
"""States of a study that has ended."""


def keep(session: Session, study: Study, run: Run) -> None:
    """Write what changed when a run has ended: this one, or all of its study once that has ended.

    Args:
        session: writes.
        study: locked, with its state as it is now.
        run: in a terminal state.
    """
    if study.state in ENDED:
        keep_all(session, study)
    elif _tells(run):
        _write(session, study, queries.runs(session, study.id), [run])


def keep_all(session: Session, study: Study) -> None:
    """Write all results of a study that has ended, whose verdicts are corrected for all its comparisons now."""
    runs = queries.runs(session, study.id)
    _write(session, study, runs, runs)


def withdraw(session: Session, run: Run) -> None:
    """Take back the result of a run that failed and is measured again: until it has ended anew there is none.

    The row stays under a new number, and says so: whoever reads results by their numbers learns of it like of any other change.
    """
    mine = col(Result.run_id) == run.id
    row = session.execute(select(Result).where(mine)).scalar_one_or_none()
    if row is None or row.withdrawn:
        return
    values = row.model_dump(exclude={"number"}) | {"withdrawn": True}
    session.execute(delete(Result).where(mine))
    session.execute(insert(Result), [values])


def catch_up(session: Session, after: str) -> str | None:
    """Write the results of studies that have none: what was measured before this table was there.

    Args:
        session: writes.
        after: id of the last study that was looked at; empty at the beginning.

    Returns:
        Id of the last study looked at now; None when there are no more.
    """
    missing = (
        select(Study)
        .where(col(Study.id) > after)
        .where(~select(col(Result.number)).where(col(Result.study_id) == col(Study.id)).exists())
        .where(select(col(Run.id)).where(col(Run.study_id) == col(Study.id), col(Run.state).in_(TERMINAL)).exists())
        .order_by(col(Study.id))
        .limit(BATCH)
        # First the studies, then the turn: the order in which an ending run takes them.
        .with_for_update(of=Study)
    )
    studies = session.execute(missing).scalars().all()
    in_turn(session)
    for study in studies:
        keep_all(session, study)
    return studies[-1].id if studies else None


def _tells(run: Run) -> bool:
    """Whether an ended run says something about its variant; a cancelled one does so when it has figures of before."""
    return run.state in TERMINAL and (run.state != "cancelled" or run.outcome is not None)


def _write(session: Session, study: Study, runs: Sequence[Run], changed: Sequence[Run]) -> None:
    told = [run for run in changed if _tells(run)]
    if not told:
        return
    try:
        spec = stored.study_spec(study)
    except Outdated as error:
        # Its own page says the same. Whatever ends one of its runs must not fail for that.
        log.warning("study left out of the results", study=study.id, reason=error.detail)
        return
    session.flush()
    ids = [run.id for run in runs]
    effects = reported.effects(session, ids)
    together = verdicts.corrections(runs, effects)
    measured = [row for row in reported.measurements(session, [run.id for run in told]) if row.arm == "variant"]
    items = verdicts.scored(measured)
    ratios: dict[str, list[tuple[EffectRow, verdicts.Ratio]]] = {}
    for effect in effects:
        ratios.setdefault(effect.run_id, []).append((effect, verdicts.ratio(effect, together, items)))
    readings: dict[str, list[MeasurementRow]] = {}
    for row in measured:
        readings.setdefault(row.run_id, []).append(row)
    owner = session.execute(select(col(User.name)).where(col(User.id) == study.owner_id)).scalar_one()
    devices = queries.devices(session, [run.device_id for run in told if run.device_id])
    planned = list(spec.runs())
    rows = []
    for run in told:
        plan = planned[run.position]
        cells = _cells(readings.get(run.id, []), ratios.get(run.id, []), spec.workload.main_phase)
        figures, letters = packed(cells)
        sizes = plan.spec.workload.model_dump()
        rows.append(
            {
                "run_id": run.id,
                "study_id": study.id,
                "study": study.name,
                "owner": owner,
                "model": study.model,
                "workload": study.workload,
                "device": study.device,
                "hardware": _name(devices, run),
                "environment": run.environment_id,
                "baseline": spec.baseline.name,
                "against": label(spec.baseline),
                "variant": run.variant,
                "label": label(plan.variant),
                "family": family(plan.variant, spec.baseline),
                "techniques": "+".join(apart(plan.variant, spec.baseline)),
                "effort": study.effort,
                "outcome": run.outcome or run.state,
                "ran": run.ran,
                "point": {name: int(value) for name, value in sizes.items() if isinstance(value, int)},
                "batch_size": sizes.get("batch_size"),
                "length": next((sizes[name] for name in LENGTHS if name in sizes), None),
                "evaluation": spec.evaluation.label() if spec.evaluation else None,
                "finished_at": run.finished_at,
                "figures": figures,
                "verdicts": letters,
            }
        )
    session.execute(delete(Result).where(col(Result.run_id).in_([run.id for run in told])))
    session.execute(insert(Result), rows)


def _name(devices: dict[str, DeviceRow], run: Run) -> str | None:
    device = devices.get(run.device_id) if run.device_id else None
    return device.name if device else None


def _cells(
    readings: Sequence[MeasurementRow], ratios: Sequence[tuple[EffectRow, verdicts.Ratio]], main_phase: str
) -> dict[str, Cell]:
    """The figures of one run, by word."""
    found: dict[str, Cell] = {}
    for figure in FIGURES:
        for metric in figure.metrics:
            own = [
                row for row in readings if row.metric == metric.name and _fits(row.phase, figure.whole_step, main_phase)
            ]
            if not own:
                continue
            row = own[0]
            values: dict[str, Any] = {part: getattr(row, part) for part in ("value", "low", "high", "definition")}
            values["items"] = row.n if figure.scored else None
            for effect, ratio in ratios:
                if (effect.metric, effect.phase) == (row.metric, row.phase):
                    values |= {
                        "ratio": ratio.ratio,
                        "ratio_low": ratio.low,
                        "ratio_high": ratio.high,
                        "pairs": ratio.pairs,
                    }
                    values["verdict"] = ratio.verdict
            found[figure.word] = Cell(**values)
            break
    return found


def _fits(phase: str, whole_step: bool, main_phase: str) -> bool:
    return phase == main_phase or not whole_step
