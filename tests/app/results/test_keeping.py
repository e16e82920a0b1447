"""Rows of results say what the comparison of their study says, and are written when a run or its study has ended."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlmodel import col

from app.db import queries
from app.db.session import Database
from app.db.tables import Result, Run
from app.results import keeping
from app.results.figures import FIGURES, Cell, unpacked
from app.runs import orders
from app.study import comparison
from app.study.comparison import ComparedRun, Comparison
from tests import demo, submitting
from workers.catalog import metrics
from workers.catalog.report import Effect, Measurement, Report
from workers.catalog.spec import PlannedRun

VARIANTS = demo.order()["variants"]
TASK, TOP1 = metrics.QUALITY_TASK.name, metrics.QUALITY_TOP1.name


@pytest.fixture
def owner(database: Database) -> str:
    demo.present(database)
    return submitting.owner(database)


def brought(planned: PlannedRun) -> Report:
    """As in the demo, with latency of another phase too, two scores of accuracy, p-values that decide alone, and what a
    failed run measured before it failed.
    """
    found = demo.report(planned)
    if found.outcome == "unsupported":
        return found.model_copy(update={"measurements": (_measured("latency", "prefill", 0.5),)})
    first = (_measured("latency", "first_call", 9.0), _measured(TASK, "quality", 0.4))
    effects = (
        each.model_copy(update={"verdict": "faster", "p_value": 0.03}) if each.metric == "latency" else each
        for each in found.effects
    )
    scored = Effect(metric=TOP1, phase="quality", ratio=1.1, low=1.05, high=1.2, verdict="better", pairs=256)
    return found.model_copy(
        update={
            "measurements": (*first, *found.measurements, _measured(TOP1, "quality", 0.7)),
            "effects": (*effects, scored),
        }
    )


def rows(database: Database) -> dict[str, dict[str, Any]]:
    """Every stored row, by run."""
    with database.reading() as session:
        return {row.run_id: row.model_dump() for row in session.execute(select(Result)).scalars()}


def kept(row: Mapping[str, Any]) -> dict[str, Cell]:
    """The figures of a row."""
    return unpacked(memoryview(row["figures"]).cast("d").tolist(), row["verdicts"])


def compared(database: Database, study: str) -> Comparison:
    """What the page of a study says."""
    with database.reading() as session:
        return comparison.of_study(session, queries.study(session, study))


def told(database: Database, study: str) -> dict[str, dict[str, Cell]]:
    """The figures that the page of a study has of each run that has any."""
    found = compared(database, study)
    return {run.run: _figures(found, run) for run in found.runs if run.readings}


def ids(database: Database, study: str) -> dict[str, str]:
    """The runs of a study that is not swept, by variant."""
    with database.reading() as session:
        return {run.variant: run.id for run in queries.runs(session, study)}


def caught_up(database: Database, after: str) -> str | None:
    with database.writing() as session:
        return keeping.catch_up(session, after)


def test_a_row_says_what_the_comparison_of_its_study_says(database: Database, owner: str) -> None:
    study = demo.submit(database, demo.order(sweep={"sequence_length": [128, 512]}), owner)
    demo.measure(database, study, brings=brought)
    found, stored = compared(database, study), rows(database)
    baseline = next(run for run in found.runs if run.is_baseline)
    assert set(stored) == {run.run for run in found.runs}
    assert {run: cells for run, row in stored.items() if (cells := kept(row))} == told(database, study)
    for run in found.runs:
        row = stored[run.run]
        for name in ("variant", "label", "family", "outcome", "ran", "environment"):
            assert row[name] == getattr(run, name), name
        assert (row["study_id"], row["study"]) == (study, found.name)
        assert (row["baseline"], row["against"]) == (found.baseline, baseline.label)
        assert row["point"] == {"batch_size": 1} | run.point
        assert (row["batch_size"], row["length"]) == (1, run.point["sequence_length"])
        assert (row["owner"], row["hardware"], row["withdrawn"]) == ("ada", demo.DEVICE.name, False)
    variants = {row["variant"]: row for row in stored.values()}
    assert {name: variants[name]["techniques"] for name in ("fp32", "bf16", "bf16 + flash + compile")} == {
        "fp32": "",
        "bf16": "precision",
        "bf16 + flash + compile": "attention+precision+torch_compile",
    }
    figures = kept(variants["bf16"])
    assert figures["latency"].value != 9.0
    assert figures["latency"].verdict == "undecided"
    assert (figures["accuracy"].value, figures["accuracy"].verdict) == (0.7, "better")
    failed = kept(variants["nf4"])
    assert (variants["nf4"]["outcome"], list(failed), failed["latency"].value) == ("unsupported", ["latency"], 0.5)


def test_verdicts_are_of_what_has_ended_and_the_end_writes_all_anew(database: Database, owner: str) -> None:
    study = demo.submit(database, demo.order(variants=VARIANTS[:4]), owner)
    runs = ids(database, study)

    def verdict(variant: str) -> str | None:
        return kept(rows(database)[runs[variant]])["latency"].verdict

    demo.measure(database, study, 2, brings=brought)
    first = rows(database)
    assert set(first) == {runs["fp32"], runs["bf16"]}
    assert {run: kept(row) for run, row in first.items()} == told(database, study)
    assert verdict("bf16") == "faster"
    demo.measure(database, study, 1, brings=brought)
    second = rows(database)
    assert kept(second[runs["flash attention"]]) == told(database, study)[runs["flash attention"]]
    assert verdict("flash attention") == "undecided", "of two at 3 % each, neither is decided at 5 %"
    assert {run: second[run] for run in first} == first
    demo.measure(database, study, brings=brought)
    ended = rows(database)
    assert {run: kept(row) for run, row in ended.items()} == told(database, study)
    assert (verdict("fp32"), verdict("bf16")) == ("faster", "undecided")
    assert all(ended[run]["number"] > second[run]["number"] for run in second)


def test_of_a_run_measured_again_the_last_report_counts(database: Database, owner: str) -> None:
    study = demo.submit(database, demo.order(variants=VARIANTS[:2]), owner)
    demo.measure(database, study)
    before, again = rows(database), ids(database, study)["bf16"]
    with database.writing() as session:
        orders.retry(session, again, as_admin=False)
    assert rows(database) == before, "figures of a run that went well stand until there are new ones"
    demo.measure(database, study, brings=lambda planned: demo.report(planned, seed=8))
    after = {run: kept(row) for run, row in rows(database).items()}
    assert after == told(database, study)
    assert {run for run in before if after[run] != kept(before[run])} == {again}


def test_what_is_withdrawn_stays_under_one_new_number(database: Database, owner: str) -> None:
    study = demo.submit(database, demo.order(variants=VARIANTS[:1]), owner)
    demo.measure(database, study, 1)
    measured, waiting = ids(database, study).values()
    before = rows(database)[measured]
    withdrawn = []
    for _ in range(2):
        with database.writing() as session:
            for run in (measured, waiting):
                keeping.withdraw(session, session.get_one(Run, run))
        withdrawn.append(rows(database))
    assert withdrawn[0] == withdrawn[1]
    assert list(withdrawn[0]) == [measured]
    number = withdrawn[0][measured]["number"]
    assert number > before["number"]
    assert withdrawn[0][measured] == before | {"number": number, "withdrawn": True}
    with database.writing() as session:
        keeping.keep(session, queries.study(session, study), queries.run(session, measured))
    again = rows(database)[measured]
    assert again["number"] > number
    assert again == before | {"number": again["number"]}


def test_of_cancelled_runs_those_with_figures_have_rows(database: Database, owner: str) -> None:
    study = demo.submit(database, demo.order(variants=VARIANTS[:3]), owner)
    demo.measure(database, study, 2)
    runs, before = ids(database, study), rows(database)
    with database.writing() as session:
        orders.retry(session, runs["bf16"], as_admin=False)
    for variant in ("flash attention", "bf16", "compile"):
        with database.writing() as session:
            orders.cancel_run(session, runs[variant])
        assert set(rows(database)) == set(before) == {runs["fp32"], runs["bf16"]}
    assert {run.variant: run.state for run in compared(database, study).runs}["bf16"] == "cancelled"
    row = rows(database)[runs["bf16"]]
    assert (row["outcome"], row["withdrawn"]) == ("ok", False)
    assert kept(row) == kept(before[runs["bf16"]]) == told(database, study)[runs["bf16"]]
    with database.writing() as session:
        session.execute(delete(Result))
    assert caught_up(database, "") == study
    assert set(rows(database)) == set(before)


def test_catching_up_writes_what_is_missing_and_nothing_else(
    database: Database, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.results.keeping.BATCH", 1)
    studies = [demo.submit(database, demo.order(variants=VARIANTS[:2]), owner) for _ in range(4)]
    for study in studies[:3]:
        demo.measure(database, study)
    whole, missing = rows(database), sorted((studies[0], studies[2]))
    with database.writing() as session:
        session.execute(delete(Result).where(col(Result.study_id).in_(missing)))
    there = rows(database)
    looked_at = []
    last = caught_up(database, "")
    while last is not None:
        looked_at.append(last)
        last = caught_up(database, last)
    assert looked_at == missing, "one in each transaction, and none that has its results or has no ended run"
    found = rows(database)
    assert {run: found[run] for run in there} == there
    assert {run: row | {"number": 0} for run, row in found.items()} == {
        run: row | {"number": 0} for run, row in whole.items()
    }


def _figures(found: Comparison, run: ComparedRun) -> dict[str, Cell]:
    """The figures of one run, looked up by the quantities of its study."""
    cells = {}
    for figure in FIGURES:
        names = [metric.name for metric in figure.metrics]
        fit = [
            quantity
            for quantity in found.quantities
            if quantity.metric in names
            and quantity.key in run.readings
            and (quantity.phase == found.main_phase or not figure.whole_step)
        ]
        if fit:
            quantity = min(fit, key=lambda one: names.index(one.metric))
            reading, effect = run.readings[quantity.key], run.effects.get(quantity.key)
            values: dict[str, Any] = {"value": reading.value, "low": reading.low, "high": reading.high}
            values |= {"definition": quantity.version, "items": reading.n if reading.counts == "item" else None}
            if effect is not None:
                values |= {"ratio": effect.ratio, "ratio_low": effect.low, "ratio_high": effect.high}
                values |= {"pairs": effect.pairs, "verdict": effect.verdict}
            cells[figure.word] = Cell(**values)
    return cells


def _measured(metric: str, phase: str, value: float) -> Measurement:
    unit = metrics.BY_NAME[metric].unit
    return Measurement(metric=metric, phase=phase, arm="variant", value=value, low=value, high=value, unit=unit, n=1)
