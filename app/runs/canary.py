"""The canary of a sweep: a baseline that cannot be measured against itself cannot be measured against anything.

A study's null test comes first. When it fails in a way that another try would not change, the runs that still wait for
the same baseline are cancelled and say why, instead of failing one after the other. Running the null test again brings
them back.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlmodel import Session, col

from app.db.tables import Run, Study
from app.runs.transitions import change, settle

FOR_GOOD = frozenset({"oom_device", "oom_host", "crashed", "error", "unsupported", "invalid"})
"""Outcomes that come back with the next try; time-outs and kills from outside need not."""
BEFORE_THE_WORK = frozenset({"start", "load", "convert"})
"""Phases that are the same at every point of a sweep: the workload has not begun."""


def heed(session: Session, run: Run, study: Study, now: float) -> int:
    """Cancel what waits for the baseline of a null test that has just failed. How many runs that were.

    Args:
        session: writes; the study is locked.
        run: has just ended.
        study: the run's study.
        now: the database's clock.
    """
    if not run.is_baseline or run.outcome not in FOR_GOOD:
        return 0
    everywhere = run.outcome_phase in BEFORE_THE_WORK
    cancelled = 0
    for waiting in _of(session, run, "queued"):
        if everywhere or waiting.point == run.point:
            values = {"message": _why(run)}
            cancelled += change(
                session, waiting, study, "cancelled", now,
                frm={"queued"}, token=waiting.token, values=values, settled=False,
            )  # fmt: skip
    if cancelled:
        settle(session, study, now)
    return cancelled


def held_back(session: Session, run: Run) -> list[Run]:
    """The runs that were cancelled because this null test failed as it still shows."""
    if not run.is_baseline or run.outcome not in FOR_GOOD:
        return []
    why = _why(run)
    return [each for each in _of(session, run, "cancelled") if each.message == why]


def _of(session: Session, run: Run, state: str) -> Sequence[Run]:
    others = select(Run).where(col(Run.study_id) == run.study_id, col(Run.state) == state, col(Run.id) != run.id)
    return session.execute(others.order_by(col(Run.position)).execution_options(populate_existing=True)).scalars().all()


def _why(run: Run) -> str:
    return (
        f"Not started: the baseline failed against itself (run {run.id}), so there is nothing to compare with. "
        "Run that one again, and this one follows."
    )
