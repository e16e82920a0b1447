"""A real `tradespace worker` against a server double: hints by Celery, kills, leaving, bad settings."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery
from pydantic import SecretStr

from tests.workers.server_double import TOKEN, ServerDouble, serving
from workers import devices, launcher, processes
from workers.catalog import hint
from workers.settings import Settings

DOUBLE = Path(__file__).parents[1] / "programs" / "double.py"


def until(true: Callable[[], object], what: str) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


class Place:
    """A server double, an embedded broker, and the environment of a worker that uses them."""

    def __init__(self, double: ServerDouble, folder: Path) -> None:
        self.double = double
        self.folder = folder
        self.broker = hint.embedded(folder)
        hint.prepare(self.broker)
        self.publisher = Celery("test", set_as_current=False)
        self.publisher.conf.update(hint.celery_settings(self.broker))
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")} | {
            "TRADESPACE_DATA": str(folder),
            "TRADESPACE_LOCKS": str(folder / "locks"),
            "TRADESPACE_SERVER_URL": double.url,
            "TRADESPACE_WORKER_TOKEN": TOKEN,
            "TRADESPACE_PROGRAM": f"{sys.executable} -I {DOUBLE} --seconds 0.2",
        }

    def hint(self, run: str) -> None:
        self.publisher.send_task(hint.TASK, (run,), queue="cpu")

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "workers.launcher", "--device", "cpu"],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield worker
        finally:
            members = processes.tree(worker.pid)
            worker.kill()
            worker.wait()
            until(lambda: not any(map(processes.alive, members)), "all processes of the worker end with it")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with serving() as double:
        yield Place(double, tmp_path)


def programs(worker: int) -> list[int]:
    """The measuring programs under a launcher: launcher, Celery, its pool process, program."""
    return [
        program
        for celery in processes.children(worker)
        for pool in processes.children(celery)
        for program in processes.children(pool)
        if processes.alive(program)
    ]


def test_hints_become_reports(place: Place) -> None:
    place.double.add("r1", "well")
    place.double.add("r2", "segfault")
    with place.worker() as worker:
        for run in ("r1", "forged", "r2", "r1"):
            place.hint(run)
        assert place.double.wait("r1", "finish")["report"]["outcome"] == "ok"
        assert place.double.wait("r2", "finish")["report"]["outcome"] == "crashed"
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0


def test_sigkill_of_celery_ends_its_program_and_celery_starts_again(place: Place) -> None:
    place.double.add("r1", "silent")
    again = place.double.add("r2", "well")
    with place.worker() as worker:
        place.hint("r1")
        place.double.wait("r1", "start")
        (celery,) = processes.children(worker.pid)
        running = programs(worker.pid)
        assert running
        os.kill(celery, signal.SIGKILL)
        until(lambda: not any(map(processes.alive, running)), "the program ends with its worker")
        place.hint("r2")
        assert place.double.wait("r2", "finish")["report"]["outcome"] == "ok"
    assert again.token == 1
    assert place.double.runs["r1"].report is None


def test_sigkill_of_the_launcher_leaves_nothing(place: Place) -> None:
    place.double.add("r1", "silent")
    with place.worker() as worker:
        place.hint("r1")
        place.double.wait("r1", "start")
        assert len(processes.tree(worker.pid)) >= 4


def test_sigterm_gives_the_run_back(place: Place) -> None:
    place.double.add("r1", "silent")
    with place.worker() as worker:
        place.hint("r1")
        place.double.wait("r1", "start")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert place.double.wait("r1", "release")["ending"] == "released"


def test_the_spool_is_delivered_at_the_start(place: Place) -> None:
    run = place.double.add("r1", "well")
    run.state, run.token = "running", 1
    spool = place.folder / "spool"
    spool.mkdir()
    (spool / "r1-1.json").write_text('{"token": 1, "report": {"outcome": "ok"}}', encoding="utf-8")
    with place.worker():
        place.double.wait("r1", "finish")
        until(lambda: list(spool.iterdir()) == [], "the spool is empty")


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (["--device", "cuda:63"], {}, "no device 'cuda:63'; it has cpu"),
        ([], {"TRADESPACE_WORKER_TOKEN": None}, "TRADESPACE_WORKER_TOKEN is not set"),
        ([], {"TRADESPACE_SERVER_URL": "ftp://x"}, "TRADESPACE_SERVER_URL: String should match pattern"),
    ],
)
def test_bad_settings_are_one_clear_line(
    words: list[str], environment: dict[str, str | None], says: str, place: Place
) -> None:
    merged = {name: value for name, value in (place.environment | environment).items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-m", "workers.launcher", *words], env=merged, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_sigkill_of_the_pool_process_does_not_hang_celery(place: Place) -> None:
    place.double.add("r1", "well")
    place.double.add("r2", "well")
    with place.worker() as worker:
        place.hint("r1")
        place.double.wait("r1", "finish")
        (celery,) = processes.children(worker.pid)
        (pool,) = processes.children(celery)
        os.kill(pool, signal.SIGKILL)
        until(lambda: not processes.alive(celery), "Celery is started anew")
        place.hint("r2")
        assert place.double.wait("r2", "finish")["report"]["outcome"] == "ok"


def test_the_watchdog_ends_a_celery_that_takes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        data=place.folder, locks=place.folder / "locks", server_url=place.double.url, worker_token=SecretStr(TOKEN)
    )
    keeper = launcher.Launcher(settings, devices.cpu())
    deaf = keeper._celery = subprocess.Popen(["sleep", "600"])
    keeper._pool = deaf.pid
    monkeypatch.setattr(launcher, "HUNG_S", 0.0)
    keeper._watch(queued=0)
    assert deaf.poll() is None
    keeper._watch(queued=1)
    assert deaf.poll() is not None
    keeper._server.close()
