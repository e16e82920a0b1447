"""Many invented results, stored once and read into columns, for tests that only ask of them."""

import random
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from app.db.session import Database
from app.results.columns import Columns, Table
from tests.app.results import invented
from tests.app.results.invented import Invented


class Many(NamedTuple):
    """Results, and the columns they were read into; each has the same place in both."""

    results: list[Invented]
    table: Table


@pytest.fixture(scope="session")
def many(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Many:
    """Some hundred invented results."""
    path = tmp_path_factory.mktemp("many") / tables.name
    shutil.copyfile(tables, path)
    results = invented.results(random.Random(11), 300)
    database = Database(f"sqlite:///{path}")
    with database.writing() as session:
        invented.ledger(session, results)
        invented.write(session, [each.row for each in results])
    with database.reading() as session:
        table = Columns().table(session)
    database.close()
    assert [row.run_id for row in table.rows] == [each.row["run_id"] for each in results]
    return Many(results, table)
