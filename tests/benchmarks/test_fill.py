"""The benchmarks' invented results are rows as the product itself would write them."""

import pytest
from sqlalchemy import delete, func, select
from sqlmodel import SQLModel, col

from app.db.session import Database
from app.db.tables import EffectRow, MeasurementRow, Result, Run, Study
from app.results import keeping
from benchmarks.fill import fill
from tests.services import BOTH_DATABASES


def rows(database: Database) -> dict[str, dict[str, object]]:
    with database.reading() as session:
        found = session.execute(select(Result)).scalars()
        return {row.run_id: row.model_dump(exclude={"number"}) for row in found}


def count(database: Database, table: type[SQLModel]) -> int:
    with database.reading() as session:
        return int(session.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
def test_invented_results_are_what_the_ledger_would_have_written(database: Database) -> None:
    fill(database, 151)
    filled = rows(database)
    assert len(filled) == count(database, Run) == 151
    assert count(database, Study) == 22
    assert {row["outcome"] for row in filled.values()} > {"ok"}
    failed = sum(row["outcome"] != "ok" for row in filled.values())
    assert count(database, MeasurementRow) >= 16 * (151 - failed)
    assert count(database, EffectRow) >= 7 * (151 - failed)
    with database.writing() as session:
        session.execute(delete(Result).where(col(Result.run_id).in_(filled)))
        assert keeping.catch_up(session, "") is not None
    assert rows(database) == filled


def test_the_same_number_gives_the_same_figures(database: Database) -> None:
    fill(database, 20)
    first = [(run, row["study"], row["figures"]) for run, row in sorted(rows(database).items())]
    with database.writing() as session:
        for table in (Result, EffectRow, MeasurementRow, Run, Study):
            session.execute(delete(table))
    fill(database, 20)
    assert [(run, row["study"], row["figures"]) for run, row in sorted(rows(database).items())] == first
