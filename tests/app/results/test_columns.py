"""The columns follow the table of results: what is new, what was taken back, what commits late, whoever asks meanwhile."""

import math
import random
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlmodel import col

from app.db.session import Database
from app.db.tables import Result, Run
from app.results import keeping
from app.results.columns import WORDS, Columns, Table
from tests.app.results import invented
from tests.app.results.invented import Invented

TEXTS = ("run_id", "study", "variant", "baseline", "label", "verdicts")
SIZES = ("batch_size", "length", "new_tokens", "causal")


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows are many: arrays grow, answers come in parts, and what lies far back is not asked for again."""
    for name, value in {"ROOM": 4, "READ_AT_ONCE": 3, "OVERLAP": 5}.items():
        monkeypatch.setattr(f"app.results.columns.{name}", value)


@pytest.fixture
def results(database: Database) -> list[Invented]:
    """Results that are not written yet, of runs that are there."""
    found = invented.results(random.Random(3), 12)
    with database.writing() as session:
        invented.ledger(session, found)
    return found


def write(database: Database, *wanted: Invented, **fields: Any) -> None:
    with database.writing() as session:
        invented.write(session, [each.row | fields for each in wanted])


def withdraw(database: Database, *wanted: Invented) -> None:
    with database.writing() as session:
        for each in wanted:
            keeping.withdraw(session, session.get_one(Run, each.row["run_id"]))


def ask(columns: Columns, database: Database) -> Table:
    with database.reading() as session:
        return columns.table(session)


def runs(*wanted: Invented) -> set[str]:
    return {each.row["run_id"] for each in wanted}


def held(table: Table) -> dict[str, Mapping[str, Any]]:
    """What the columns say of every run."""
    return {
        row.run_id: {
            **{name: getattr(row, name) for name in TEXTS},
            **{name: table.word(name, place) for name in WORDS},
            **{name: _whole(float(table.size(name)[place])) for name in SIZES},
            "point": row.point,
            "number": int(table.numbers[place]),
            "finished_at": float(table.finished_at[place]),
            "figures": table.figures[place].tobytes(),
        }
        for place, row in enumerate(table.rows[: table.count])
    }


def stored(database: Database) -> dict[str, Mapping[str, Any]]:
    """What the database says of every run that has a result."""
    with database.reading() as session:
        rows = session.execute(select(Result).where(~col(Result.withdrawn))).scalars().all()
    return {
        row.run_id: {
            **{name: getattr(row, name) for name in TEXTS},
            **{name: getattr(row, name) or "" for name in WORDS},
            **{name: row.point.get(name) for name in SIZES},
            **{name: getattr(row, name) for name in ("batch_size", "length", "point")},
            **{name: getattr(row, name) for name in ("number", "finished_at", "figures")},
        }
        for row in rows
    }


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("seed", range(4))
def test_columns_say_what_the_table_of_results_says(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    places = range(30)
    with database.writing() as session:
        invented.ledger(session, invented.results(dice, len(places)))
    often, seldom = Columns(), Columns()
    earlier = [(table := ask(often, database), held(table))]
    for step in range(40):
        some = [invented.result(dice, place) for place in dice.sample(places, dice.choice((1, 1, 2, 9)))]
        if dice.random() < 0.4:
            withdraw(database, *some)
        else:
            write(database, *some)
        table = ask(often, database)
        assert held(table) == stored(database)
        if step % 9 == 0:
            assert held(ask(seldom, database)) == stored(database)
        earlier.append((table, held(table)))
    assert held(ask(seldom, database)) == held(ask(Columns(), database)) == stored(database)
    for table, then in earlier:
        assert held(table) == then, "who was given the columns before still has them as they were"


def test_a_withdrawn_result_is_forgotten_wherever_it_stands(database: Database, results: list[Invented]) -> None:
    columns = Columns()
    first, second, third, last = results[:4]
    write(database, first, second, third, last)
    assert ask(columns, database).count == 4
    withdraw(database, last)
    assert set(held(ask(columns, database))) == runs(first, second, third)
    withdraw(database, first)
    table = ask(columns, database)
    assert set(held(table)) == runs(second, third)
    # Another one stands in its place now, and is found there when it is written anew.
    write(database, third, effort="thorough")
    table = ask(columns, database)
    assert {table.rows[place].run_id: table.word("effort", place) for place in range(table.count)} == {
        second.row["run_id"]: second.row["effort"],
        third.row["run_id"]: "thorough",
    }
    withdraw(database, second, third)
    assert ask(columns, database).count == 0
    write(database, last)
    assert held(ask(columns, database)) == stored(database)
    assert set(stored(database)) == runs(last)


@pytest.mark.usefixtures("near")
def test_numbers_that_come_late_or_never_are_no_matter(database: Database, results: list[Invented]) -> None:
    columns = Columns()
    numbered = dict(zip((1, 2, 3, 5, 40, 42, 43), results, strict=False))
    for number, each in numbered.items():
        write(database, each, number=number)
    late = results[len(numbered) :]
    for _ in range(3):
        assert set(held(ask(columns, database))) == runs(*numbered.values())
    # Below the highest number that was seen, and one of them below all that are recent: transactions end when they end.
    for number, each in zip((41, 39), late, strict=False):
        write(database, each, number=number)
        assert held(ask(columns, database)) == stored(database)
    assert set(stored(database)) == runs(*numbered.values(), *late[:2])


@pytest.mark.parametrize("database_kind", [pytest.param("postgres", marks=pytest.mark.postgres)])
def test_transactions_that_end_out_of_order_are_both_taken_in(database: Database, results: list[Invented]) -> None:
    columns = Columns()
    with database.writing() as slow:
        invented.write(slow, [results[0].row])
        write(database, results[1])
        for _ in range(3):
            assert set(held(ask(columns, database))) == runs(results[1])
    numbers = {run: row["number"] for run, row in stored(database).items()}
    assert numbers[results[0].row["run_id"]] < numbers[results[1].row["run_id"]]
    assert held(ask(columns, database)) == stored(database)


def test_two_questions_at_once_are_answered_one_after_the_other(database: Database, results: list[Invented]) -> None:
    columns = Columns()
    gone, *stay = results[:3]
    late = results[3]
    write(database, gone, *stay)
    begun, answered = threading.Event(), threading.Event()
    tables: dict[str, Table] = {}

    def wait(_: object) -> None:
        # The other question ends meanwhile only if it does not wait for this one.
        begun.set()
        answered.wait(0.5)

    def slow() -> None:
        with database.reading() as session:
            # From here on it sees the table as it is now, whatever is written.
            session.execute(select(func.max(col(Result.number))))
            event.listen(session, "do_orm_execute", wait, once=True)
            tables["slow"] = columns.table(session)

    def quick() -> None:
        tables["quick"] = ask(columns, database)
        answered.set()

    threads = [threading.Thread(target=each) for each in (slow, quick)]
    threads[0].start()
    assert begun.wait(60)
    withdraw(database, gone)
    write(database, late)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert set(held(tables["slow"])) == runs(gone, *stay)
    assert held(tables["quick"]) == held(ask(columns, database)) == stored(database)
    assert set(stored(database)) == runs(*stay, late)


def test_without_news_no_row_is_read_and_nothing_changes(database: Database, results: list[Invented]) -> None:
    columns = Columns()

    def asked() -> tuple[int, int]:
        """How many statements a question takes, and the version it is answered with."""
        statements: list[object] = []
        with database.reading() as session:
            event.listen(session, "do_orm_execute", statements.append)
            version = columns.table(session).version
        return len(statements), version

    versions = []
    for change in (write, withdraw, write):
        change(database, results[0])
        _, version = asked()
        assert asked()[1] == version
        assert asked() == (1, version), "how many recent results there are, and nothing else"
        versions.append(version)
    assert versions == sorted(set(versions))
    withdraw(database, results[0])
    assert ask(columns, database).version > versions[-1]
    fresh = Columns()
    assert (ask(fresh, database).count, ask(fresh, database).version) == (0, 0), "it never knew what was taken back"


def _whole(value: float) -> int | None:
    return None if math.isnan(value) else int(value)
