"""Versions of definitions: figures of another than the catalogue's are quantities of their own, and meet none of now."""

import pytest
from fastapi.testclient import TestClient

from app.charts import BY_NAME, forest
from app.charts.chart import Choice
from app.charts.drawing import draw, draw_stored
from app.charts.plane import plane
from app.db import queries
from app.db.session import Database
from app.study import comparison, definitions
from app.study.compare import Belonging, SideBySide, as_one, side_by_side
from app.study.comparison import Comparison, compare, findings
from tests import demo
from workers.catalog import metrics
from workers.catalog.spec import StudySpec

NOW, OTHER = "latency@prefill", "latency:2@prefill"
WINNER = "bf16 + flash + compile"
HERE = {"here": {"cpu.model": "EPYC"}}


def measured(*others: str, study: str = "01") -> Comparison:
    """A study of which some variants followed definition 2 of latency, and the rest definition 1."""
    row, runs, measurements, effects = demo.rows(demo.order())
    row.id = study
    for run in runs:
        run.environment_id = "here"
    names = {run.id: run.variant for run in runs}
    for found in measurements:
        if found.metric == "latency" and names[found.run_id] in others:
            found.definition = 2
    return compare(row, runs, measurements, effects, HERE)


def beside(*selection: tuple[Comparison, str]) -> SideBySide:
    """Runs side by side, by study and variant."""
    specs = {planned.variant.name: planned.spec for planned in StudySpec.model_validate(demo.order()).runs()}
    return side_by_side(
        [
            Belonging(run, study, "llama tiny", "prefill", specs[run.variant].model_dump(mode="json"))
            for study, name in selection
            for run in study.runs
            if run.variant == name
        ],
        HERE,
    )


@pytest.fixture
def risen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue has definition 2 of latency now."""
    monkeypatch.setitem(metrics.BY_NAME, "latency", metrics.LATENCY._replace(version=2))


def test_a_figure_is_told_apart_by_its_metric_alone(risen: None) -> None:
    assert definitions.apart("latency", 1) == "definition 1, now 2"
    assert definitions.apart("latency", 2) is None
    assert definitions.apart("latency.ttft", 1) is None
    assert definitions.apart("of a later catalogue", 7) is None
    assert definitions.key("latency", "prefill", 1) == "latency:1@prefill"
    assert definitions.key("latency", "prefill", 2) == "latency@prefill"


def test_another_definition_is_a_quantity_of_its_own() -> None:
    found = measured("compile")
    latency = [quantity for quantity in found.quantities if quantity.metric == "latency"]
    assert [(one.key, one.title, one.version, one.apart) for one in latency] == [
        (NOW, "Latency", 1, None),
        (OTHER, "Latency (definition 2, now 1)", 2, "definition 2, now 1"),
    ]
    assert found.columns[:2] == (NOW, OTHER)
    for run in found.runs:
        if run.readings:
            has, lacks = (OTHER, NOW) if run.variant == "compile" else (NOW, OTHER)
            for figures in (run.readings, run.beside, run.effects):
                assert has in figures
                assert lacks not in figures
    assert found.quantity("latency") == found.quantity(NOW) == latency[0]
    assert found.quantity(OTHER) == latency[1]


def test_values_and_effects_of_two_definitions_share_no_plane_and_no_finding() -> None:
    found = measured(WINNER)
    for scale in ("measured", "ratio"):
        shown = plane(found, Choice.model_validate({"scale": scale}))
        assert WINNER not in {spot.variant for spot in shown.spots}
        assert WINNER in {spot.variant for spot in plane(measured(), Choice.model_validate({"scale": scale})).spots}
    assert {one.quantity.key: one.variant for one in findings(found)}[NOW] == "bf16"
    drawn = plane(found, Choice(x=OTHER))
    assert [spot.variant for spot in drawn.spots] == [WINNER]


def test_a_study_of_before_reads_as_it_did_and_says_so(risen: None) -> None:
    found = measured()
    title = "Latency (definition 1, now 2)"
    assert found.axes == ("latency:1@prefill", "memory.peak_allocated@prefill")
    assert found.columns[0] == "latency:1@prefill"
    for name in ("latency", NOW, "latency:1@prefill"):
        quantity = found.quantity(name)
        assert quantity is not None
        assert (quantity.title, quantity.definition) == (title, f"Definition 1, now 2: {metrics.LATENCY.definition}")
    assert next(one.quantity.title for one in findings(found)) == title
    assert len(plane(found, Choice(x=NOW)).spots) == 6


def test_runs_of_two_definitions_are_held_against_each_other_in_neither() -> None:
    side = beside((measured("compile"), "bf16"), (measured("compile"), "compile"), (measured(study="02"), WINNER))
    have = {
        one.key: [chosen.letter for chosen in side.runs if one.key in chosen.run.readings] for one in side.quantities
    }
    assert (have[NOW], have[OTHER]) == (["A", "C"], ["B"])
    titles = [one.title for one in side.quantities]
    assert titles[:2] == ["Latency", "Latency (definition 2, now 1)"]
    assert len(set(titles)) == len(titles)
    drawn = draw(forest.CHART, as_one(side), Choice(x=NOW))
    assert "Without an effect in it: B · compile." in drawn.caption


def test_no_ratio_leads_from_one_definition_to_another() -> None:
    apart, alike = (
        {one.quantity for one in beside((study, "bf16"), (study, "compile")).between}
        for study in (measured("compile"), measured())
    )
    assert NOW in alike
    assert apart == alike - {NOW}


def test_raw_samples_of_another_definition_are_not_drawn_beside(database: Database, client: TestClient) -> None:
    demo.present(database)
    variants = [one for one in demo.order()["variants"] if one["name"] in ("bf16", "compile")]
    study = demo.submit(database, demo.order(variants=variants), demo.owner(database))
    demo.measure(database, study, brings=demo.redefined)
    with database.reading() as session:
        found = comparison.of_study(session, queries.study(session, study))
        tables = [draw_stored(session, BY_NAME["distribution"], found, Choice(x=key)).table for key in (NOW, OTHER)]
    lines = [{row[0] for row in table.rows} for table in tables if table is not None]
    assert "bf16" in lines[0]
    assert not any("compile" in name for name in lines[0])
    assert lines[1] == {"compile", "fp32 beside compile"}
