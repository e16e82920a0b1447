"""All results at once: what is written when runs end, what filters leave, in which order, and the front among them."""

from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import delete, insert, select, update
from sqlmodel import Session, col

from app.charts.chart import Choice
from app.charts.plane import plane as on_study
from app.db import queries
from app.db.session import Database
from app.db.tables import Result, Run, Study
from app.door.security import create_token
from app.errors import Invalid
from app.presentation import shown_studies
from app.results import exploration, facets, keeping, plane
from app.results.columns import Columns, Table
from app.results.figures import BY_WORD, FIGURES, Cell, packed, unpacked
from app.results.matching import Matched
from app.results.selection import read
from app.runs import orders
from app.study import comparison
from app.study.limits import read as read_limits
from app.study.pareto import Candidate, Reading, pareto
from tests import demo
from tests.services import BOTH_DATABASES
from workers.catalog.report import Report
from workers.catalog.spec import PlannedRun

VARIANTS = demo.order()["variants"]


@pytest.fixture
def owner(database: Database) -> str:
    with database.writing() as session:
        create_token(session, "ada", "admin")
    demo.present(database)
    return demo.owner(database)


@pytest.fixture
def filled(database: Database, owner: str) -> Iterator[Session]:
    """A study with failures and one over two lengths, both measured."""
    demo.measure(database, demo.submit(database, demo.order(), owner))
    swept = demo.order(name="swept", sweep={"sequence_length": [128, 512]}, variants=VARIANTS[:2], effort="quick")
    demo.measure(database, demo.submit(database, swept, owner))
    with database.reading() as session:
        yield session


@pytest.fixture
def table(filled: Session) -> Table:
    return Columns().table(filled)


def chosen(table: Table, query: str = "") -> Matched:
    return Matched(table, read([tuple(pair.split("=", 1)) for pair in query.split("&") if pair]))  # type: ignore[misc]


def names(table: Table, query: str) -> list[str]:
    return [row.variant for row in exploration.page(chosen(table, query), limit=200).items]


def test_figures_come_back_as_they_were() -> None:
    cells = {
        FIGURES[0].word: Cell(value=0.5, low=0.4, high=0.6, ratio=0.9, ratio_low=0.8, ratio_high=1.0, verdict="faster"),
        FIGURES[-1].word: Cell(value=2.0, low=2.0, high=2.0),
    }
    data, verdicts = packed(cells)
    assert unpacked(memoryview(data).cast("d").tolist(), verdicts) == cells


@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
def test_every_ended_run_is_there_with_its_figures(table: Table) -> None:
    rows = {
        (row.study, row.variant, row.length): row for row in exploration.page(chosen(table, "null_tests=true")).items
    }
    assert len(rows) == 8 + 6
    bf16 = rows["tiny llama, what pays on this CPU", "bf16", 512]
    assert (bf16.model, bf16.family, bf16.techniques, bf16.effort) == (
        "llama tiny",
        "precision",
        ("precision",),
        "standard",
    )
    assert bf16.figures["latency"].verdict == "faster"
    assert bf16.figures["latency"].ratio == pytest.approx(0.52, rel=0.05)
    assert rows["tiny llama, what pays on this CPU", "llm.int8", 512].outcome == "oom_host"
    assert rows["tiny llama, what pays on this CPU", "llm.int8", 512].figures == {}


def test_a_run_measured_again_replaces_its_row(database: Database, owner: str) -> None:
    study = demo.submit(database, demo.order(variants=VARIANTS[:1]), owner)
    columns = Columns()
    demo.measure(database, study)
    with database.reading() as session:
        first = columns.table(session)
    with database.writing() as session:
        held = session.get_one(Run, first.rows[1].run_id)
        keeping.keep(session, session.get_one(Study, study), held)
    with database.reading() as session:
        second = columns.table(session)
    assert second.count == first.count == 2
    assert second.version > first.version
    assert (second.numbers > first.numbers).all()


def test_a_row_that_is_committed_after_a_later_one_is_seen(database: Database, filled: Session) -> None:
    late = filled.execute(select(Result).order_by(col(Result.number))).scalars().all()[3].model_dump()
    with database.writing() as session:
        session.execute(delete(Result).where(col(Result.number) == late["number"]))
    columns = Columns()
    for _ in range(3):
        with database.reading() as session:
            assert columns.table(session).count == 13
    with database.writing() as session:
        session.execute(insert(Result), [late])
    with database.reading() as session:
        assert columns.table(session).count == 14


def test_a_row_that_cannot_be_read_keeps_no_writer_out(
    database: Database, filled: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.results.columns.READ_AT_ONCE", 2)
    with database.writing() as session:
        session.execute(update(Result).values(figures=b"short"))
    with database.reading() as session, pytest.raises(AssertionError) as kept:
        Columns().table(session)
    other = Database(database.url)
    with other.writing() as session:
        session.execute(delete(Result).where(col(Result.outcome) == "ok"))
    other.close()
    with database.writing() as session:
        session.execute(delete(Result))
    assert kept.value is not None


def test_what_was_measured_before_there_was_a_table_is_caught_up_with(database: Database, owner: str) -> None:
    demo.measure(database, demo.submit(database, demo.order(), owner))
    with database.writing() as session:
        session.execute(delete(Result))
    with database.writing() as session:
        last = keeping.catch_up(session, "")
        assert last is not None
        assert keeping.catch_up(session, last) is None
    with database.reading() as session:
        assert Columns().table(session).count == 8


def test_a_cancelled_study_corrects_what_it_has(database: Database, owner: str) -> None:
    study = demo.submit(database, demo.order(), owner)
    demo.measure(database, study, 3)
    with database.writing() as session:
        orders.cancel_study(session, study)
    with database.reading() as session:
        found = {row.variant: row for row in exploration.page(chosen(Columns().table(session))).items}
        (shown,) = (run for run in shown_studies.study_detail(session, study).runs if run.variant == "bf16")
    assert set(found) == {"bf16", "flash attention"}
    (latency,) = (effect for effect in shown.effects if effect.metric == "latency")
    assert found["bf16"].figures["latency"].verdict == latency.verdict
    assert latency.comparisons == 2


def test_a_study_that_the_catalog_no_longer_reads_is_left_out(database: Database, owner: str) -> None:
    for name in ("old", "new"):
        demo.measure(database, demo.submit(database, demo.order(name=name, variants=VARIANTS[:1]), owner))
    with database.writing() as session:
        session.execute(delete(Result))
        session.execute(update(Study).where(col(Study.name) == "old").values(spec={"model": "gone"}))
    with database.writing() as session:
        keeping.catch_up(session, "")
    with database.reading() as session:
        assert {row.study for row in Columns().table(session).rows} == {"new"}


def test_a_comma_is_no_decimal_point() -> None:
    assert read([("memory__lte", "1,500 MiB")]).limits[0].value == 1500 * 2**20
    with pytest.raises(Invalid):
        read([("memory__lte", "1,5 GiB")])


def test_filters_leave_what_they_say(table: Table) -> None:
    assert set(names(table, "technique=attention")) == {"flash attention", "bf16 + flash + compile"}
    assert set(names(table, "technique=attention&effort=quick")) == {"flash attention"}
    assert names(table, "outcome=oom_host") == ["llm.int8"]
    assert set(names(table, "latency_ratio__lte=0.6")) == {"bf16", "bf16 + flash + compile"}
    assert set(names(table, "q=FLASH&length=128")) == {"flash attention"}
    assert "fp32" not in names(table, "")
    assert "fp32" in names(table, "null_tests=true")


def test_counts_of_a_filter_are_of_all_the_others(table: Table) -> None:
    found = {
        facet.name: {c.value: c.count for c in facet.choices}
        for facet in facets.facets(chosen(table, "effort=quick&technique=attention"))
    }
    assert found["effort"] == {"standard": 2, "quick": 2}
    assert found["technique"] == {"attention": 2, "precision": 2}


@pytest.mark.parametrize("sort", ["latency", "-latency", "memory_ratio", "-finished"])
def test_pages_hold_every_result_once_and_in_order(table: Table, sort: str) -> None:
    matched = chosen(table, f"sort={sort}&null_tests=true")
    whole = exploration.page(matched, limit=100)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        part = exploration.page(matched, cursor=cursor, limit=3)
        seen += [row.run for row in part.items]
        cursor = part.next
        if cursor is None:
            break
    assert seen == [row.run for row in whole.items]
    assert len(set(seen)) == whole.total == 14
    at_once = [row.run for places in exploration.whole(matched) for row in exploration.rows(table, places)]
    assert at_once == seen
    if sort == "latency":
        values = [row.figures["latency"].value for row in whole.items if "latency" in row.figures]
        assert values == sorted(v for v in values if v is not None)
        assert "latency" not in whole.items[-1].figures


def test_the_front_is_that_of_all_placed_results(table: Table) -> None:
    matched = chosen(table, "length=512&scale=measured&x=latency&y=memory")
    found = plane.points(matched)
    assert found.mixed == {}
    rows = [row for row in exploration.page(matched, limit=100).items if "memory" in row.figures]
    wanted = pareto(
        [Candidate(row.run, _reading(row.figures["latency"]), _reading(row.figures["memory"])) for row in rows],
        "lower",
        "lower",
    )
    assert wanted is not None
    assert [found.runs[place] for place in found.front] == list(wanted.line)
    letters = {"f": "front", "p": "possible", "d": "dominated"}
    assert {run: letters[s] for run, s in zip(found.runs, found.standings, strict=True)} == wanted.standings


def test_the_front_of_three_objectives_is_what_nothing_beats(table: Table) -> None:
    found = plane.points(chosen(table, "x=latency&y=memory&z=kl&null_tests=true"))
    assert found.objectives == ["latency_ratio", "memory_ratio", "kl"]
    costs = list(zip(*(found.columns[name] for name in found.objectives), strict=True))
    front = {place for place, own in enumerate(costs) if not any(_beats(other, own) for other in costs)}
    assert set(found.front) == front
    assert len(front) > len(plane.points(chosen(table, "null_tests=true")).front)
    assert [found.columns["latency_ratio"][place] for place in found.front] == sorted(
        costs[place][0] for place in front
    )
    assert found.knee is None


def test_what_did_not_measure_the_third_objective_is_not_placed(table: Table) -> None:
    assert plane.points(chosen(table, "z=energy")).total == 0
    assert plane.points(chosen(table)).total > 0


def test_values_as_measured_of_unlike_runs_have_no_front(table: Table) -> None:
    found = plane.points(chosen(table, "scale=measured"))
    assert found.mixed == {"length": 2}
    assert found.front == []
    assert plane.points(chosen(table)).front


GENERATED = {"name": "generate", "batch_size": 1, "prompt_length": 32, "new_tokens": 16}


def test_another_number_of_new_tokens_is_another_workload(database: Database, owner: str) -> None:
    for tokens in (16, 64):
        asked = demo.order(workload=GENERATED | {"new_tokens": tokens}, variants=VARIANTS[:2], name=f"{tokens} tokens")
        demo.measure(database, demo.submit(database, asked, owner))
    with database.reading() as session:
        table = Columns().table(session)
    assert plane.points(chosen(table, "scale=measured")).mixed == {"new_tokens": 2}
    (facet,) = facets.apart(chosen(table, "scale=measured"))
    assert {choice.value: choice.count for choice in facet.choices} == {"16": 2, "64": 2}
    narrowed = plane.points(chosen(table, "scale=measured&new_tokens=64"))
    assert (narrowed.mixed, narrowed.total) == ({}, 2)
    assert narrowed.front


ALONG = tuple(BY_WORD[word] for word in ("latency", "memory", "kl"))


def unscored(planned: PlannedRun) -> Report:
    """As ``demo.report``, without scores of quality."""
    found = demo.report(planned)
    return found.model_copy(update={"measurements": tuple(m for m in found.measurements if m.phase != "quality")})


def test_what_was_not_scored_was_not_scored_in_another_way(database: Database, owner: str) -> None:
    for evaluation, brings in ((demo.order()["evaluation"], demo.report), (None, unscored)):
        asked = demo.order(evaluation=evaluation, variants=VARIANTS[:2])
        demo.measure(database, demo.submit(database, asked, owner), brings=brings)
    with database.reading() as session:
        found = plane.points(chosen(Columns().table(session)), axes=ALONG)
    assert (found.total, found.mixed) == (4, {})


def test_scores_of_another_evaluation_are_not_held_against_each_other(database: Database, owner: str) -> None:
    for items in (256, 512):
        asked = demo.order(
            evaluation={"name": "divergence", "items": items}, variants=VARIANTS[:2], name=f"{items} items"
        )
        demo.measure(database, demo.submit(database, asked, owner))
    with database.reading() as session:
        table = Columns().table(session)
    assert plane.points(chosen(table, "scale=measured&y=kl")).mixed == {"evaluation": 2}
    assert plane.points(chosen(table, "scale=measured&z=kl")).mixed == {"evaluation": 2}
    assert plane.points(chosen(table, "scale=measured")).mixed == {}, "how fast it is does not hang on how it is scored"
    assert plane.points(chosen(table, "z=kl")).mixed == {"evaluation": 2}, "nor does a ratio make it the same"
    assert plane.points(chosen(table)).mixed == {}
    assert plane.points(chosen(table), axes=ALONG).mixed == {"evaluation": 2}
    (facet,) = facets.apart(chosen(table, "scale=measured&y=kl"))
    assert plane.points(chosen(table, f"scale=measured&y=kl&evaluation={facet.choices[0].value}")).front


def test_ratios_over_another_baseline_are_not_held_against_each_other(database: Database, owner: str) -> None:
    """bf16 over fp32 and bf16 over what is compiled: a larger gain over a slower baseline is not a faster variant."""
    slow, fast = demo.order()["baseline"], {"name": "fp32", "stack": [{"technique": "torch_compile"}]}
    for baseline, variants in ((fast, VARIANTS[:2]), (slow, VARIANTS[:3])):
        demo.measure(database, demo.submit(database, demo.order(baseline=baseline, variants=variants), owner))
    with database.reading() as session:
        table = Columns().table(session)
    found = plane.points(chosen(table))
    assert (found.mixed, found.total) == ({"against": 2}, 5)
    assert (found.against, found.over) == ("precision fp32", 3), "the front is over the baseline that most have"
    mine = set(plane.points(chosen(table, "against=precision fp32")).runs)
    assert found.front
    assert {found.runs[place] for place, letter in enumerate(found.standings) if letter != "d"} <= mine
    assert [found.runs[place] for place in found.front] == [
        narrowed.runs[place]
        for narrowed in [plane.points(chosen(table, "against=precision fp32"))]
        for place in narrowed.front
    ]
    assert plane.points(chosen(table, "scale=measured")).mixed == {}, "what was read is the same over any baseline"
    assert plane.points(chosen(table, "scale=measured&y=kl")).mixed == {"against": 2}, (
        "a divergence is from the baseline"
    )
    (facet,) = facets.apart(chosen(table))
    assert {choice.value: choice.count for choice in facet.choices} == {
        "precision fp32": 3,
        "torch_compile default, auto": 2,
    }
    narrowed = plane.points(chosen(table, "against=precision fp32"))
    assert (narrowed.mixed, narrowed.total, narrowed.against) == ({}, 3, None)
    assert narrowed.front
    rows = exploration.page(chosen(table, "against=precision fp32")).items
    assert {(row.baseline, row.against) for row in rows} == {("fp32", "precision fp32")}


LIMITS = ["memory__lte=27000000", "latency__lte=0.012&memory__lte=27000000", "kl__lte=0.0003&latency__lte=0.015"]


@pytest.mark.parametrize("limits", LIMITS)
def test_limits_say_the_same_of_all_results_and_of_a_study(database: Database, owner: str, limits: str) -> None:
    study = demo.submit(database, demo.order(), owner)
    demo.measure(database, study)
    quantities = {figure.word: figure.metrics[0].name for figure in FIGURES}
    asked = [pair.split("__lte=") for pair in limits.split("&")]
    with database.reading() as session:
        table = Columns().table(session)
        compared = comparison.of_study(session, queries.study(session, study))
    choice = Choice(limits=read_limits([(f"max.{quantities[word]}", value) for word, value in asked]))
    told = {one.quantity.metric: one.weighed for one in on_study(compared, choice).budgets if one.weighed}
    assert len(told) == len(asked)
    for budget in facets.budgets(chosen(table, f"study={study}&null_tests=true&{limits}")):
        weighed = told[quantities[budget.figure]]
        assert weighed is not None
        for name in ("removes", "unmeasured", "alone", "next_value", "gains"):
            assert getattr(budget, name) == getattr(weighed, name), (budget.name, name)
        assert budget.options == on_study(compared, choice).options


def test_many_points_keep_the_whole_front(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = plane.points(chosen(table))
    monkeypatch.setattr(plane, "MOST_POINTS", len(whole.front) + 1)
    part = plane.points(chosen(table))
    assert len(part.runs) == len(whole.front) + 1
    assert part.total == whole.total
    assert [part.runs[place] for place in part.front] == [whole.runs[place] for place in whole.front]


def test_a_failed_run_that_is_measured_again_is_out_until_it_has_ended(database: Database, owner: str) -> None:
    study = demo.submit(database, demo.order(), owner)
    demo.measure(database, study)
    servers = [(Database(database.url), Columns()) for _ in range(2)]

    def seen() -> dict[str, str]:
        found = []
        for server, columns in servers:
            with server.reading() as session:
                table = columns.table(session)
            found.append(
                {row.variant: table.word("outcome", place) for place, row in enumerate(table.rows[: table.count])}
            )
            assert exploration.page(chosen(table, "null_tests=true")).total == table.count
        assert found[0] == found[1]
        return found[0]

    before = seen()
    assert (before["nf4"], before["llm.int8"]) == ("unsupported", "oom_host")
    with database.reading() as session:
        ids = {run.variant: run.id for run in queries.runs(session, study)}
        early = servers[0][1].table(session)
    for variant in ("nf4", "bf16"):
        with database.writing() as session:
            orders.retry(session, ids[variant], as_admin=True)
    assert seen() == {variant: outcome for variant, outcome in before.items() if variant != "nf4"}
    assert [row.variant for row in early.rows[: early.count]] == list(before), (
        "who was given them before still has them"
    )
    fresh = Columns()
    with database.reading() as session:
        assert fresh.table(session).count == len(before) - 1
    with database.writing() as session:
        orders.cancel_run(session, ids["nf4"])
    assert "nf4" not in seen(), "it never ended anew"
    with database.writing() as session:
        orders.retry(session, ids["nf4"], as_admin=True)
    demo.measure(database, study)
    assert seen() == before
    for server, _ in servers:
        server.close()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("memory__lte=much", "memory__lte"),
        ("sort=price", "sort"),
        ("x=memory&y=memory", "y"),
        ("z=memory", "z"),
        ("z=beauty", "z"),
        ("length=1.5", "length"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(query: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        read([tuple(pair.split("=")) for pair in query.split("&")])  # type: ignore[misc]
    assert refused.value.problems[0].field == field
    assert refused.value.problems[0].hint


def test_an_address_says_the_same_again() -> None:
    selection = read(
        [("technique", "int8"), ("memory__lte", "8e9"), ("sort", "latency"), ("length", "128"), ("q", "x y")]
    )
    assert read(selection.pairs()) == selection


def _beats(one: Sequence[float | None], other: Sequence[float | None]) -> bool:
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _reading(cell: Cell) -> Reading:
    assert cell.value is not None
    assert cell.low is not None
    assert cell.high is not None
    return Reading(value=cell.value, low=cell.low, high=cell.high, n=1)
