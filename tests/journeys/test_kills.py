"""Workers and servers are killed; no run is lost, none counts twice, nothing is left behind."""

import itertools
import os
import random
import signal
from pathlib import Path

import pytest

from tests.journeys.house import House, living, until
from workers import processes
from workers.catalog.lease import LEASE_S

pytestmark = pytest.mark.long

SQLITE_FILES = pytest.param("sqlite", "filesystem", id="sqlite-filesystem")
POSTGRES_REDIS = pytest.param("postgres", "redis", id="postgres-redis", marks=(pytest.mark.postgres, pytest.mark.redis))
POSTGRES_REDIS_LONG = pytest.param(
    "postgres", "redis", id="postgres-redis", marks=(*POSTGRES_REDIS.marks, pytest.mark.soak)
)
SQLITE_REDIS = pytest.param("sqlite", "redis", id="sqlite-redis", marks=(pytest.mark.redis, pytest.mark.soak))
POSTGRES_FILES = pytest.param(
    "postgres", "filesystem", id="postgres-filesystem", marks=(pytest.mark.postgres, pytest.mark.soak)
)
EVERYWHERE = pytest.mark.parametrize(
    ("database_url", "broker_url"), [SQLITE_FILES, POSTGRES_REDIS, SQLITE_REDIS, POSTGRES_FILES], indirect=True
)
"""All four in `make soak`; the two that share nothing on every change."""


@EVERYWHERE
def test_sigkill_of_the_worker(tmp_path: Path, database_url: str | None, broker_url: str | None) -> None:
    with living(tmp_path, database_url, broker_url, seconds=1.5) as house:
        house.submit()
        house.until_state("baseline", "running")
        os.kill(house.celery(), signal.SIGKILL)
        until(lambda: not house.programs(), "no measuring process is left", patience_s=2)
        runs = house.until_all_ended()
        house.check_history(runs)
        assert [attempt.ending for attempt in house.attempts(runs[0])] == ["worker_lost", "finished"]


@EVERYWHERE
def test_sigkill_of_the_server(tmp_path: Path, database_url: str | None, broker_url: str | None) -> None:
    with living(tmp_path, database_url, broker_url, seconds=1.5, lease_s=LEASE_S) as house:
        house.submit()
        house.until_state("baseline", "running")
        house.kill_server()
        until(lambda: list((tmp_path / "spool").glob("*.json")), "the report waits in the spool")
        house.start_server()
        runs = house.until_all_ended()
        house.check_history(runs)
        assert runs[0].token == 1
        until(lambda: not list((tmp_path / "spool").iterdir()), "the spool is empty")


@EVERYWHERE
def test_every_bad_end_is_its_outcome_and_the_next_run_starts(
    tmp_path: Path, database_url: str | None, broker_url: str | None
) -> None:
    ends = {
        "baseline": "ok",
        "host_oom": "oom_host",
        "device_oom": "oom_device",
        "silent": "timeout_no_progress",
        "segfault": "crashed",
        "unsupported": "unsupported",
        "last": "ok",
    }
    with living(tmp_path, database_url, broker_url) as house:
        house.submit(*list(ends)[1:])
        runs = house.until_all_ended()
        house.check_history(runs)
        assert {run.variant: run.outcome for run in runs} == ends
        for before, after in itertools.pairwise(runs):
            assert before.finished_at is not None
            assert after.started_at is not None
            assert after.started_at - before.finished_at < 10


@EVERYWHERE
def test_cancel_ends_a_program_that_does_not_listen(
    tmp_path: Path, database_url: str | None, broker_url: str | None
) -> None:
    with living(tmp_path, database_url, broker_url) as house:
        study = house.submit("deaf_loop")
        house.until_state("deaf_loop", "running")
        assert house.client.post(f"/studies/{study['id']}/cancel").is_success
        run = house.until_state("deaf_loop", "cancelled")
        assert [attempt.ending for attempt in house.attempts(run)] == ["cancelled"]
        until(lambda: not house.programs(), "no measuring process is left")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("database_url", "broker_url"), [SQLITE_FILES, POSTGRES_REDIS_LONG, SQLITE_REDIS, POSTGRES_FILES], indirect=True
)
def test_twenty_kills_over_forty_runs(tmp_path: Path, database_url: str | None, broker_url: str | None) -> None:
    seed = int(os.environ.get("TRADESPACE_TEST_SEED", "20261121"))
    chance = random.Random(seed)
    print("seed", seed)
    with living(tmp_path, database_url, broker_url, seconds=0.4) as house:
        house.submit(*(f"run {number}" for number in range(1, 40)))
        for kill in range(20):
            ended = 2 * kill
            until(lambda: _ended(house) >= ended or _all(house), f"{ended} runs have ended before kill {kill}")  # noqa: B023
            if chance.random() < 0.8:
                until(lambda: _running(house) or _all(house), f"a run is running before kill {kill}")
            print(kill, _kill_one(house, chance))
        runs = house.until_all_ended(patience_s=200)
        assert len(runs) == 40
        house.check_history(runs)
        assert sum(len(house.attempts(run)) - 1 for run in runs) >= 3, "hardly any run was hit, so nothing was tested"
        until(lambda: not house.programs(), "no measuring process is left")


def _ended(house: House) -> int:
    return sum(run.state == "done" for run in house.runs())


def _running(house: House) -> bool:
    return any(run.state == "running" for run in house.runs())


def _all(house: House) -> bool:
    return all(run.state == "done" for run in house.runs())


def _kill_one(house: House, chance: random.Random) -> str:
    """Kill one process of the house, and start again what nobody else would start."""
    assert house.worker is not None
    victim = chance.choice(["launcher", "celery", "pool", "pool", "program", "server"])
    if victim == "server":
        house.kill_server()
        house.start_server()
    elif victim == "launcher":
        house.worker.kill()
        house.worker.wait()
        house.start_worker()
    else:
        pids = [house.celery()]
        if victim in ("pool", "program"):
            pids = [pid for celery in pids for pid in processes.children(celery)]
        if victim == "program":
            pids = house.programs()
        processes.send(pids, signal.SIGKILL)
    return victim
