"""A stored number is never changed: what a report says comes back bit for bit, on both databases."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import presentation
from app.db.session import Database
from tests.doubles import WorkerDouble, measured
from tests.services import BOTH_DATABASES
from tests.submitting import submitted
from workers.catalog.report import Report

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def bits(number: float) -> bytes:
    return struct.pack("<d", number)


@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    figures=st.lists(st.tuples(FINITE, FINITE, FINITE), min_size=1, max_size=30), samples=st.lists(FINITE, max_size=50)
)
def test_figures_come_back_bit_for_bit(
    database: Database, figures: list[tuple[float, float, float]], samples: list[float]
) -> None:
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    measurements = [
        {"metric": f"m{i}", "phase": "p", "arm": "variant", "value": a, "low": b, "high": c, "unit": "s", "n": 1}
        for i, (a, b, c) in enumerate(figures)
    ]
    effects = [
        {"metric": f"m{i}", "phase": "p", "ratio": a, "low": b, "high": c, "pairs": 1}
        for i, (a, b, c) in enumerate(figures)
    ]
    raw = [{"metric": "m0", "phase": "p", "arm": "variant", "pair": 0, "values": samples}]
    sent = measured(measurements=measurements, effects=effects, samples=raw)
    worker.finish(worker.claim(run_id), Report.model_validate_json(sent.model_dump_json()))
    with database.reading() as session:
        shown = presentation.run_detail(session, run_id)
    read = [(m.value, m.low, m.high) for m in shown.measurements]
    assert [tuple(map(bits, row)) for row in read] == [tuple(map(bits, row)) for row in figures]
    ratios = [(e.ratio, e.low, e.high) for e in shown.effects]
    assert [tuple(map(bits, row)) for row in ratios] == [tuple(map(bits, row)) for row in figures]
    assert [bits(value) for value in shown.samples[0].values] == [bits(value) for value in samples]


def test_equal_environments_share_a_row(database: Database) -> None:
    _, first, second = submitted(database)
    worker = WorkerDouble(database)
    for run_id in (first, second):
        worker.finish(worker.claim(run_id))
    with database.reading() as session:
        ids = {presentation.run_detail(session, run_id).environment for run_id in (first, second)}
    assert len(ids) == 1
