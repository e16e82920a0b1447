"""Migrations make the tables that the code declares, on both databases, up and down; a newer schema is refused."""

import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

from app.db import queries
from app.db.migrate import configuration, is_current, migrate
from app.db.session import Database
from app.results import keeping
from app.settings import CannotStart, Settings
from tests import demo
from tests.services import BOTH_DATABASES

pytestmark = pytest.mark.parametrize("database_kind", BOTH_DATABASES)


def test_migrations_equal_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrating_twice_changes_nothing(settings: Settings, database: Database) -> None:
    with database.writing() as session:
        session.execute(text("INSERT INTO users (id, name, role, created_at) VALUES ('1', 'ada', 'admin', 0)"))
    migrate(settings)
    with database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM users")).scalar_one() == 1


def test_down_and_up_again(database: Database) -> None:
    with database.writing() as session:
        command.downgrade(configuration(session.connection()), "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    with database.writing() as session:
        command.upgrade(configuration(session.connection()), "head")
    assert "runs" in inspect(database.engine).get_table_names()


def test_two_programs_may_start_together(settings: Settings) -> None:
    failed: list[BaseException] = []

    def start() -> None:
        try:
            migrate(settings)
        except CannotStart as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_files_of_migrations_are_named_by_their_revision(database: Database) -> None:
    with database.writing() as session:
        script = ScriptDirectory.from_config(configuration(session.connection()))
    named = {Path(str(one.path)).name.partition("_")[0]: one.revision for one in script.walk_revisions()}
    assert all(name == revision for name, revision in named.items())
    assert script.get_current_head() == max(named)
    assert is_current(database)
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert not is_current(database)


def test_a_newer_schema_is_refused(settings: Settings, database: Database) -> None:
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CannotStart, match="newer version"):
        migrate(settings)


def test_numbers_of_events_are_never_given_twice(database: Database) -> None:
    insert = "INSERT INTO events (study_id, kind, data, size, at) VALUES ('01', 'progress', '{}', 0, 0) RETURNING id"
    with database.writing() as session:
        session.execute(text("INSERT INTO users (id, name, role, created_at) VALUES ('1', 'ada', 'admin', 0)"))
        session.execute(
            text(
                "INSERT INTO studies (id, name, owner_id, state, spec, model, workload, device, effort, run_count, "
                "created_at) VALUES ('01', 's', '1', 'queued', '{}', 'm', 'w', 'cpu', 'quick', 0, 0)"
            )
        )
        first = session.execute(text(insert)).scalar_one()
        session.execute(text("DELETE FROM events"))
        assert session.execute(text(insert)).scalar_one() > first


def test_runs_of_the_first_version_keep_what_they_ran(settings: Settings, database: Database) -> None:
    demo.present(database)
    with database.writing() as session:
        session.execute(text("INSERT INTO users (id, name, role, created_at) VALUES ('1', 'ada', 'admin', 0)"))
    study = demo.submit(database, demo.order(), "1")
    demo.measure(database, study)
    with database.writing() as session:
        command.downgrade(configuration(session.connection()), "0001")
    migrate(settings)
    with database.reading() as session:
        ran = {run.variant: run.ran for run in queries.runs(session, study)}
    assert (ran["fp32"], ran["int8 weights"], ran["nf4"]) == ("as_asked", "emulated", None)


def test_results_of_before_are_written_anew_with_how_quality_was_scored(settings: Settings, database: Database) -> None:
    demo.present(database)
    with database.writing() as session:
        session.execute(text("INSERT INTO users (id, name, role, created_at) VALUES ('1', 'ada', 'admin', 0)"))
    for evaluation in ({"name": "divergence", "items": 64}, None):
        one = demo.order(evaluation=evaluation, variants=demo.order()["variants"][:1])
        demo.measure(database, demo.submit(database, one, "1"))
    with database.writing() as session:
        command.downgrade(configuration(session.connection()), "0008")
    migrate(settings)
    with database.writing() as session:
        assert session.execute(text("SELECT count(*) FROM results")).scalar_one() == 0
        keeping.catch_up(session, "")
        rows = session.execute(text("SELECT evaluation FROM results ORDER BY study_id, number")).scalars().all()
    assert rows == ["divergence, items 64"] * 2 + [None] * 2
