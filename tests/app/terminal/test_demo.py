"""Demo data is loaded by the way every study goes, with the times at which it was measured, once, and never among others'."""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlmodel import SQLModel, col

from app.db.migrate import migrate, upgrade
from app.db.session import Database
from app.db.tables import Attempt, CeilingsRow, Event, MeasurementRow, Result, Run, SampleRow, Study, User
from app.door.security import create_signin_link, create_token
from app.main import create_app
from app.settings import CannotStart, Settings
from app.terminal.demo import SHIPPED, load, own
from tests import demo, doubles
from tests.workers.catalog.test_ceilings import MEASURED
from workers.catalog import recorded
from workers.catalog.ceilings import Ceilings
from workers.catalog.recorded import RecordedRun, RecordedStudy
from workers.catalog.spec import StudySpec

BEGAN = 1_763_000_000.25
MOST_BYTES = 3_000_000


def measured(began: float = BEGAN, *, broken: bool = False, **changes: Any) -> RecordedStudy:
    """A study whose runs took fifty seconds each, with the worker of the doubles."""
    spec = StudySpec.model_validate(demo.order(**changes))
    runs = []
    for number, planned in enumerate(spec.runs()):
        at = began + 60 * number
        report = demo.report(planned)
        if broken:
            report = report.model_copy(update={"measurements": report.measurements + report.measurements[:1]})
        times = {"claimed_at": at, "started_at": at + 1, "ended_at": at + 51}
        runs.append(RecordedRun(**times, pid=4_000 + number, log=(f"run {number}: model built",), report=report))
    worker = doubles.announcement()
    return RecordedStudy(study=spec, submitted_at=began, worker=worker, ceilings=MEASURED, runs=tuple(runs))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recorded studies, named against the order in which they were measured."""
    there = tmp_path / "recorded"
    there.mkdir()
    recorded.write(measured(BEGAN, name="first"), there / "b.json.xz")
    recorded.write(measured(BEGAN + 10_000, name="second", variants=[]), there / "a.json.xz")
    return there


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.database)
    yield opened
    opened.close()


def everything(database: Database, table: type[SQLModel]) -> list[Any]:
    with database.reading() as session:
        found = list(session.execute(select(table)).scalars())
        session.expunge_all()
    return found


def test_what_was_measured_is_stored_with_the_times_of_its_measuring(
    settings: Settings, folder: Path, database: Database
) -> None:
    assert load(settings, folder) == f"Demo data:        2 studies, 9 runs, loaded into {settings.data.resolve()}"
    first, second = sorted(everything(database, Study), key=lambda study: study.id)
    assert (first.name, second.name) == ("first", "second")
    assert (first.state, first.created_at, first.finished_at) == ("done", BEGAN, BEGAN + 7 * 60 + 51)
    assert (second.created_at, second.finished_at) == (BEGAN + 10_000, BEGAN + 10_051)
    with database.reading() as session:
        owner = session.get_one(User, first.owner_id)
        runs = list(
            session.execute(select(Run).where(col(Run.study_id) == first.id).order_by(col(Run.position))).scalars()
        )
        for number, (run, kept) in enumerate(zip(runs, measured(name="first").runs, strict=True)):
            at = BEGAN + 60 * number
            assert (run.created_at, run.started_at, run.finished_at) == (BEGAN, at + 1, at + 51)
            assert (run.state, run.outcome, run.message) == ("done", kept.report.outcome, kept.report.message)
            rows = session.execute(select(MeasurementRow).where(col(MeasurementRow.run_id) == run.id)).scalars()
            stored = {(row.metric, row.phase, row.arm): (row.value, row.low, row.high) for row in rows}
            assert stored == {(m.metric, m.phase, m.arm): (m.value, m.low, m.high) for m in kept.report.measurements}
            samples = select(func.sum(col(SampleRow.count))).where(col(SampleRow.run_id) == run.id)
            brought = sum(len(each.values) for each in kept.report.samples)
            assert (session.execute(samples).scalar_one() or 0) == brought
    assert owner.name == "demo"
    assert {(attempt.pid, attempt.ending) for attempt in everything(database, Attempt)} >= {(4_000, "finished")}
    assert {result.owner for result in everything(database, Result)} == {"demo"}
    assert min(result.finished_at for result in everything(database, Result)) == BEGAN + 51
    logs = [event for event in everything(database, Event) if event.kind == "log"]
    assert (logs[0].data["lines"], logs[0].at) == (["run 0: model built"], BEGAN + 51)
    (kept_ceilings,) = everything(database, CeilingsRow)
    assert Ceilings.model_validate(kept_ceilings.measured) == MEASURED
    assert kept_ceilings.received_at == BEGAN


def test_loading_again_does_nothing(settings: Settings, folder: Path, database: Database) -> None:
    load(settings, folder)
    before = {table: len(everything(database, table)) for table in (Study, Run, Event, User, Result)}
    assert load(settings, folder).endswith(f"2 studies, 9 runs, in {settings.data.resolve()}")
    assert {table: len(everything(database, table)) for table in before} == before
    (folder / "a.json.xz").unlink()
    assert "remove that folder" in load(settings, folder), "other files than those that were loaded"
    assert {table: len(everything(database, table)) for table in before} == before


def test_studies_may_be_added_to_it(settings: Settings, folder: Path, database: Database) -> None:
    load(settings, folder)
    demo.present(database)
    study = demo.submit(database, demo.order(), demo.owner(database))
    demo.measure(database, study, 1)
    assert "2 studies" in load(settings, folder)
    (added,) = [each for each in everything(database, Study) if each.id == study]
    assert added.created_at > BEGAN + 20_000, "the replayed time is over"


def test_a_folder_with_other_studies_is_left_alone(settings: Settings, folder: Path, database: Database) -> None:
    load(settings, folder)  # Makes the tables and a user.
    other = Settings(data=settings.data.parent / "other")
    mine = Database(other.database)
    try:
        upgrade(mine)
        with mine.writing() as session:
            create_token(session, "ada", "admin")
        demo.submit(mine, demo.order(), demo.owner(mine))
        with pytest.raises(CannotStart, match=r"has studies of its own.*--data FOLDER"):
            load(other, folder)
        assert len(everything(mine, Study)) == 1
    finally:
        mine.close()


def test_what_cannot_be_loaded_is_named_and_leaves_nothing(
    settings: Settings, folder: Path, database: Database
) -> None:
    with pytest.raises(CannotStart, match=r"no demo data in .*nowhere"):
        load(settings, folder / "nowhere")
    (folder / "c.json.xz").write_bytes((folder / "a.json.xz").read_bytes()[:-20])
    with pytest.raises(CannotStart, match=r"c\.json\.xz is not one whole xz file"):
        load(settings, folder)
    recorded.write(measured(BEGAN + 20_000, name="third", broken=True), folder / "c.json.xz")
    with pytest.raises(CannotStart, match=r"'third' cannot be stored: .*measurements"):
        load(settings, folder)
    assert everything(database, Study) == []
    (folder / "c.json.xz").unlink()
    assert "loaded into" in load(settings, folder)


def test_a_catalog_that_no_longer_knows_a_study_says_so(settings: Settings, folder: Path) -> None:
    file = folder / "a.json.xz"
    kept = json.loads(lzma.decompress(file.read_bytes()))
    kept["study"]["model"] = {"name": "gpt_1"}
    file.write_bytes(lzma.compress(json.dumps(kept).encode()))
    with pytest.raises(CannotStart, match=r"a\.json\.xz: study\.model: .*gpt_1"):
        load(settings, folder)


def test_the_demo_keeps_away_from_what_the_environment_names(tmp_path: Path) -> None:
    users = Settings(data=tmp_path, database_url="postgresql+psycopg://db/team", broker_url="redis://broker", port=9)
    kept = own(users)
    assert (kept.data, kept.database_url, kept.broker_url, kept.port) == (tmp_path / "demo", None, None, 9)
    assert kept.database == f"sqlite:///{tmp_path.resolve()}/demo/tradespace.sqlite"
    assert own(users, tmp_path / "x").data == tmp_path / "x"


def read(settings: Settings, path: str) -> str:
    """A page, as somebody who is signed in gets it."""
    app = create_app(settings)
    with app.state.database.writing() as session:
        secret = create_signin_link(session)
    with TestClient(app, base_url="http://127.0.0.1:8000", headers={"Accept": "text/html"}) as browser:
        assert browser.get(f"/sign-in/{secret}", follow_redirects=False).status_code == 303
        answer = browser.get(path)
        assert answer.status_code == 200, path
        return answer.text


@pytest.mark.parametrize("path", ["/", "/studies", "/explore", "/workers"])
def test_pages_say_whose_figures_these_are(settings: Settings, folder: Path, path: str) -> None:
    load(settings, folder)
    page = read(settings, path)
    assert "2 studies that the project measured on AMD EPYC 9B45, 2025-11-13; not on your machine" in page
    assert "make serve" in page


def test_pages_of_other_data_say_nothing_of_a_demo(settings: Settings, database: Database) -> None:
    migrate(settings)
    assert "Demo data" not in read(settings, "/")


class TestWhatShips:
    """The files in ``demo/``."""

    def test_they_load_and_every_study_is_shown(self, settings: Settings, database: Database) -> None:
        assert "loaded into" in load(settings)
        studies = everything(database, Study)
        assert studies
        assert {study.state for study in studies} == {"done"}
        runs = everything(database, Run)
        assert [(run.variant, run.point) for run in runs if run.state != "done"] == [
            ("bf16", {"sequence_length": 4096})
        ], "beyond the model's positions the baseline fails, which the next run waits for"
        assert "ok" in {run.outcome for run in runs}
        for study in studies:
            assert study.name.split(":")[0] in read(settings, f"/studies/{study.id}")

    def test_they_are_small_and_say_nothing_of_where_they_were_made(self) -> None:
        files = list(SHIPPED.glob("*.json.xz"))
        assert sum(file.stat().st_size for file in files) <= MOST_BYTES
        root = str(SHIPPED.parent)
        for file in files:
            kept = recorded.read(file)
            assert (kept.worker.host, kept.worker.device.key) == ("demo", f"demo/{kept.worker.device.kind}")
            assert root not in kept.model_dump_json()
            for run in kept.runs:
                assert run.report.environment.get("host.name", "demo") == "demo"
