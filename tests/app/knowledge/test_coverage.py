"""The coverage map's models: as studies asked for them; one that the catalog no longer reads takes no other with it."""

from sqlalchemy import update
from sqlmodel import col
from structlog.testing import capture_logs

from app.db.session import Database
from app.db.tables import Study
from app.door.security import create_token
from app.knowledge import coverage
from app.results.columns import Columns
from tests import demo


def test_a_study_that_can_no_longer_be_read_is_left_out(database: Database) -> None:
    with database.writing() as session:
        create_token(session, "ada", "admin")
    demo.present(database)
    one = demo.order()["variants"][:1]
    # Of the tiny model's two studies the older one can still be read, of the other model's one none.
    models = [{"name": "llama", "preset": preset} for preset in ("tiny", "125m", "tiny")]
    studies = [demo.submit(database, demo.order(variants=one, model=model), demo.owner(database)) for model in models]
    for study in studies:
        demo.measure(database, study)
    with database.writing() as session:
        unread = {"name": "old", "model": {"name": "of long ago"}}
        session.execute(update(Study).where(col(Study.id).in_(studies[1:])).values(spec=unread))
    columns = Columns()
    with database.reading() as session, capture_logs() as logs:
        table = columns.table(session)
        known = coverage.known_models(session, table)
    assert known["llama tiny"].label == "llama tiny"
    assert {entry["study"] for entry in logs if entry["event"] == "study left out of the coverage map"} == set(
        studies[1:]
    )
    assert all(entry["log_level"] == "warning" for entry in logs)
    drawn = coverage.coverage(table, coverage.asked(table, None, None, None, None), known)
    (cell,) = [
        one for row in drawn.rows for one in row.cells if (one.technique, one.model) == ("precision", "llama tiny")
    ]
    assert (cell.state, cell.count) == ("measured", 2)
