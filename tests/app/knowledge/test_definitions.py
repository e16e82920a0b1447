"""Versions of definitions among all results: what followed another than the catalogue's is named, and neither pooled nor limited."""

from collections.abc import Callable

import pytest

from app.db.session import Database
from app.door.security import create_token
from app.knowledge.cases import Cases, measured
from app.pages.techniques import columns
from app.results import exploration, facets, plane
from app.results.columns import Columns, Table
from app.results.figures import FIGURES, Cell
from app.results.matching import Matched
from app.results.selection import read
from tests import demo
from tests.services import BOTH_DATABASES
from workers.catalog import metrics
from workers.catalog.report import Report
from workers.catalog.spec import PlannedRun

COMPILE = [one for one in demo.order()["variants"] if one["name"] == "compile"]
Brings = Callable[[PlannedRun], Report]


@pytest.fixture
def table(database: Database) -> Callable[..., Table]:
    """Measures the same study once for each way to report, and gives all results."""
    with database.writing() as session:
        create_token(session, "ada", "admin")
    demo.present(database)

    def act(*reports: Brings) -> Table:
        for brings in reports:
            asked = demo.order(variants=COMPILE)
            demo.measure(database, demo.submit(database, asked, demo.owner(database)), brings=brings)
        with database.reading() as session:
            return Columns().table(session)

    return act


def test_metrics_that_stand_for_one_figure_share_a_version() -> None:
    assert all(len({metric.version for metric in figure.metrics}) == 1 for figure in FIGURES)


@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
def test_a_pool_leaves_other_definitions_out_and_counts_them(table: Callable[..., Table]) -> None:
    found = table(demo.report, demo.report, demo.redefined)
    cases = Cases(found, measured(found))
    assert cases.count == 1
    case = cases.case(0)
    assert (case.runs, case.apart) == (3, {"latency": 1})
    assert {word: effect.runs for word, effect in case.effects.items() if word in ("latency", "memory")} == {
        "latency": 2,
        "memory": 3,
    }


def test_a_case_of_another_definition_alone_has_no_effect_in_it(table: Callable[..., Table]) -> None:
    found = table(demo.redefined)
    case = Cases(found, measured(found)).case(0)
    assert "latency" not in case.effects
    assert "memory" in case.effects
    assert case.apart == {"latency": 1}
    assert [figure.word for figure in columns((case,))][:1] == ["latency"], "its column says why it is empty"


def test_explore_names_other_definitions_and_counts_them_in_nothing(table: Callable[..., Table]) -> None:
    found = table(demo.report, demo.redefined)
    everything = Matched(found, read([("x", "latency"), ("y", "memory"), ("scale", "measured")]))
    cells = [one.figures["latency"] for one in exploration.page(everything, limit=10).items]
    assert [cell.definition for cell in cells] == [2, 1]
    assert cells[0] == Cell(definition=2)
    assert cells[1].value is not None
    assert cells[1].verdict is not None
    counts = {(one.figure, one.part): one.count for one in facets.ranges(everything)}
    assert (counts["latency", "value"], counts["latency", "ratio"], counts["memory", "value"]) == (1, 1, 2)
    assert plane.points(everything).total == 1
    limited = Matched(found, read([("latency__lte", "1000 s")]))
    assert [one.figures["latency"].definition for one in exploration.page(limited, limit=10).items] == [1]


def test_results_follow_the_catalogue_when_it_moves_on(
    table: Callable[..., Table], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(demo.report, demo.redefined)
    monkeypatch.setitem(metrics.BY_NAME, "latency", metrics.LATENCY._replace(version=2))
    with database.reading() as session:
        found = Columns().table(session)
    page = exploration.page(Matched(found, read([])), limit=10)
    assert [one.figures["latency"].value is not None for one in page.items] == [True, False]
