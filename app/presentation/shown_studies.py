"""Studies in lists and by themselves, as pages and the JSON API show them."""

from collections.abc import Sequence

from pydantic import BaseModel, JsonValue
from sqlmodel import Session

from app.db import noted, queries
from app.db.tables import Study
from app.listing import Listing, moment, moment_if
from app.presentation.shown_runs import ShownRun, shown_runs


class StudySummary(BaseModel):
    """One study in a list."""

    id: str
    url: str
    name: str
    state: str
    owner: str
    model: str
    workload: str
    device: str
    effort: str
    run_count: int
    priority: int
    """As it was last given to all its runs; a run may have been given another since."""
    tags: list[str]
    created_at: str
    finished_at: str | None


class StudyDetail(StudySummary):
    """One study with its runs."""

    cancel_asked_at: str | None
    spec: JsonValue
    runs: list[ShownRun]


def study_detail(session: Session, study_id: str) -> StudyDetail:
    """A study with its runs.

    Raises:
        NotFound: there is none with this id.
    """
    study = queries.study(session, study_id)
    runs = shown_runs(session, queries.runs(session, study.id))
    return StudyDetail(
        **_summaries(session, [study])[0].model_dump(),
        cancel_asked_at=moment_if(study.cancel_asked_at),
        spec=study.spec,
        runs=runs,
    )


def studies(
    session: Session, *, state: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 50
) -> Listing[StudySummary]:
    """Studies, newest first.

    Args:
        session: reads.
        state: in which they are; None is any.
        tag: the key of one that they have; None is any.
        cursor: where an earlier page ended.
        limit: how many.

    Raises:
        Invalid: the cursor is not one that an earlier page gave.
    """
    page = queries.studies(session, state=state, tag=tag, cursor=cursor, limit=limit)
    return Listing(items=_summaries(session, page.items), next=page.next)


def _summaries(session: Session, found: Sequence[Study]) -> list[StudySummary]:
    owners = queries.user_names(session, [study.owner_id for study in found])
    tags = noted.tag_names(session, [study.id for study in found])
    same = {"id", "name", "state", "model", "workload", "device", "effort", "run_count", "priority"}
    return [
        StudySummary(
            **study.model_dump(include=same),
            url=f"/studies/{study.id}",
            owner=owners[study.owner_id],
            tags=tags.get(study.id, []),
            created_at=moment(study.created_at),
            finished_at=moment_if(study.finished_at),
        )
        for study in found
    ]
