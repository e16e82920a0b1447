"""A spec becomes a study and its runs in one transaction; what is wrong with it is named before anything is stored."""

import pytest
from sqlalchemy import select
from sqlmodel import Session

from app.db import queries
from app.db.session import Database
from app.db.tables import Audit, Run, Study
from app.errors import Invalid
from app.ordering import submission
from tests.doubles import WorkerDouble, measured
from tests.services import BOTH_DATABASES
from tests.submitting import owner, small, submitted
from workers.catalog.spec import RunSpec, StudySpec


@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
def test_every_point_has_its_null_test_first(database: Database) -> None:
    study_id, *_ = submitted(database, sweep={"sequence_length": [64, 128]})
    with database.reading() as session:
        study, runs = queries.study(session, study_id), queries.runs(session, study_id)
        audited = session.execute(select(Audit)).scalar_one()
    assert (study.state, study.run_count, study.model, study.workload) == ("queued", 4, "llama tiny", "prefill")
    assert [(run.is_baseline, run.point["sequence_length"]) for run in runs] == [
        (True, 64), (False, 64), (True, 128), (False, 128),
    ]  # fmt: skip
    assert RunSpec.model_validate(runs[2].spec).is_null_test
    assert (audited.actor, audited.action, audited.subject) == ("ada", "submit", study_id)


def test_a_study_with_problems_leaves_nothing(database: Database) -> None:
    user = owner(database)
    spec = StudySpec.model_validate(
        small(variants=[{"name": "both", "stack": [{"technique": "int8_weight_only"}, {"technique": "nf4"}]}])
    )

    def submit(session: Session) -> None:
        submission.submit(session, spec, user, "ada")

    with pytest.raises(Invalid) as refused, database.writing() as session:
        submit(session)
    assert refused.value.field == "variants.0.stack.1"
    with database.reading() as session:
        assert session.execute(select(Study)).all() == session.execute(select(Run)).all() == []


def test_how_long_it_may_take_comes_from_earlier_runs_alone(database: Database) -> None:
    _, first, second = submitted(database)
    spec = StudySpec.model_validate(small())
    with database.reading() as session:
        assert submission.estimate(session, spec, "standard") is None
    worker = WorkerDouble(database)
    worker.finish(worker.claim(first), measured(seconds=10.0))
    worker.finish(worker.claim(second), measured(seconds=30.0))
    other = StudySpec.model_validate(small(model={"name": "llama", "preset": "30m"}))
    with database.reading() as session:
        assert submission.estimate(session, spec, "standard") == submission.Estimate(20.0, 60.0, 2, True)
        assert submission.estimate(session, other, "standard") == submission.Estimate(20.0, 60.0, 2, False)
        assert submission.estimate(session, spec, "quick") is None
