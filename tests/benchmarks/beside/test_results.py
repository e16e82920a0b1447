"""Other dashboards get the results that ours has: 12 parameters and 8 metrics each."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from app.db.session import Database
from app.db.tables import EffectRow, MeasurementRow, Result
from benchmarks.beside import results
from benchmarks.fill import fill
from workers.catalog import metrics


def test_every_result_is_written_with_its_figures(database: Database, tmp_path: Path) -> None:
    fill(database, 151)
    file = tmp_path / "results.jsonl"
    assert results.write(database, file) == 151
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 151
    assert (len(results.PARAMETERS), len(results.METRICS)) == (12, 8)
    well = [line for line in lines if line["ok"]]
    assert 0 < len(well) < 151
    assert {frozenset(line["metrics"]) for line in well} == {frozenset(results.METRICS)}
    assert all(line["metrics"] == {} for line in lines if not line["ok"])
    assert {name for line in lines for name in line["parameters"]} == set(results.PARAMETERS)
    with database.reading() as session:
        peak = metrics.MEMORY_PEAK_ALLOCATED.name
        values = select(func.sum(col(MeasurementRow.value))).where(col(MeasurementRow.metric) == peak)
        memory = session.execute(values.where(col(MeasurementRow.arm) == "variant")).scalar_one()
        ratios = select(func.sum(col(EffectRow.ratio))).where(col(EffectRow.metric) == peak)
        ratio = session.execute(ratios).scalar_one()
        newest = session.execute(select(func.max(col(Result.finished_at)))).scalar_one()
    assert sum(line["metrics"]["memory"] for line in well) == pytest.approx(memory)
    assert sum(line["metrics"]["memory_ratio"] for line in well) == pytest.approx(ratio)
    assert max(line["finished_at"] for line in lines) == newest
