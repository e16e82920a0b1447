"""A stored number is never changed: what a report says comes back bit for bit, on both databases."""

import base64
import gzip
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db import reported
from app.db.session import Database
from app.errors import Invalid
from app.presentation import shown_runs
from app.runs import artifacts
from tests.doubles import WorkerDouble, measured
from tests.services import BOTH_DATABASES
from tests.submitting import submitted
from workers.catalog.report import Report

# SQLite keeps no sign of zero.
FINITE = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)


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
        shown = shown_runs.run_detail(session, run_id)
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
        ids = {shown_runs.run_detail(session, run_id).environment for run_id in (first, second)}
    assert len(ids) == 1


def file(data: bytes, **changes: Any) -> dict[str, Any]:
    """A file as a report brings it."""
    encoded = base64.b64encode(data).decode()
    return {"name": "trace.json", "arm": "variant", "media_type": "application/json", "data": encoded} | changes


def brought(database: Database, **changes: Any) -> str:
    """A run with this report; returns its id."""
    _, run_id, *_ = submitted(database)
    worker = WorkerDouble(database)
    worker.finish(worker.claim(run_id), measured(**changes))
    return run_id


@pytest.mark.parametrize("database_kind", BOTH_DATABASES)
def test_profile_comes_back(database: Database) -> None:
    timeline = {"metric": "memory.allocated", "phase": "prefill", "arm": "variant"}
    run_id = brought(
        database,
        timelines=[timeline | {"at_s": [0.0, 0.1 + 0.2], "values": [1e300, 5e-324]}],
        kernels=[
            {"arm": "variant", "name": "aten::add", "device": "cpu", "calls": 1, "seconds": 0.1},
            {"arm": "variant", "name": "aten::mm\u202e\x1b", "device": "cpu", "calls": 3, "seconds": 0.3},
        ],
        artifacts=[file(gzip.compress(b"{}"))],
    )
    with database.reading() as session:
        shown = shown_runs.run_detail(session, run_id)
        stored = reported.artifact(session, run_id, "trace.json", "variant")
        assert b"".join(artifacts.unpacked(stored.data)) == b"{}"
    assert (shown.timelines[0].at_s, shown.timelines[0].values) == ([0.0, 0.1 + 0.2], [1e300, 5e-324])
    assert [kernel.calls for kernel in shown.kernels] == [3, 1]
    assert "\x1b" not in shown.kernels[0].name
    assert (shown.artifacts[0].size, shown.artifacts[0].arm) == (2, "variant")


def test_figures_of_certainty_come_back(database: Database) -> None:
    effect = {"metric": "latency", "phase": "prefill", "ratio": 0.5, "low": 0.4, "high": 0.6, "pairs": 3}
    sure = {"verdict": "faster", "p_value": 0.0012, "method": "moderated t over 3 pairs"}
    run_id = brought(database, effects=[effect | sure])
    with database.reading() as session:
        shown = shown_runs.run_detail(session, run_id).effects[0]
    assert (shown.p_value, shown.method, shown.verdict_alone) == (0.0012, "moderated t over 3 pairs", "faster")
    assert (shown.pairs, shown.items) == (3, None)


@pytest.mark.parametrize(
    ("proofs", "ran"),
    [
        ([], None),
        ([("variant", "as_asked")], "as_asked"),
        ([("variant", "as_asked"), ("variant", "emulated")], "emulated"),
        ([("variant", "emulated"), ("variant", "fell_back"), ("variant", "as_asked")], "fell_back"),
        ([("variant", "as_asked"), ("baseline", "emulated")], "as_asked"),
        ([("variant", "as_asked"), ("baseline", "fell_back")], "fell_back"),
    ],
)
def test_the_worst_proof_of_the_variant_or_a_fall_back_of_the_baseline_is_a_state_of_the_run(
    database: Database, proofs: list[tuple[str, str]], ran: str | None
) -> None:
    said = [{"technique": "attention", "arm": arm, "ran": word, "detail": "seen"} for arm, word in proofs]
    run_id = brought(database, proofs=said)
    with database.reading() as session:
        assert shown_runs.run_detail(session, run_id).ran == ran


BOMB = gzip.compress(b"\0" * (artifacts.LARGEST + 1))
TIMELINE = {"metric": "memory.allocated", "phase": "p", "arm": "variant"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"artifacts": [file(b"") | {"data": "not base64!"}]}, "artifacts.0.data"),
        ({"artifacts": [file(b"not gzip")]}, "artifacts.0.data"),
        ({"artifacts": [file(gzip.compress(b"whole")[:-1])]}, "artifacts.0.data"),
        ({"artifacts": [file(gzip.compress(b"one") + b"more")]}, "artifacts.0.data"),
        ({"artifacts": [file(b"")]}, "artifacts.0.data"),
        ({"artifacts": [file(BOMB)]}, "artifacts.0.data"),
        (
            {"artifacts": [file(gzip.compress(b"a"), media_type="text/html\r\nSet-Cookie: a=b")]},
            "artifacts.0.media_type",
        ),
        ({"artifacts": [file(gzip.compress(b"a")), file(gzip.compress(b"b"))]}, "artifacts"),
        ({"timelines": [TIMELINE | {"at_s": [0.0], "values": [1.0, 2.0]}]}, "timelines.0.at_s"),
        ({"timelines": [TIMELINE | {"at_s": [1.0, 0.5], "values": [1.0, 2.0]}]}, "timelines.0.at_s"),
        ({"timelines": [TIMELINE | {"at_s": [], "values": []}] * 2}, "timelines"),
        ({"timelines": [TIMELINE | {"at_s": [], "values": [], "metric": "a\x00b"}]}, "timelines.0"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_field(database: Database, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        brought(database, **changes)
    assert refused.value.problems[0].field == field
