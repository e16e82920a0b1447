"""Hints reach the queue of their kind of device, on both brokers; a broker that is away loses nothing but time."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from celery import Celery

from app.runs.queue import Queue
from tests.services import redis_url
from workers.catalog import hint


@pytest.fixture(params=["filesystem", pytest.param("redis", marks=pytest.mark.redis)])
def broker_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return hint.embedded(tmp_path) if request.param == "filesystem" else redis_url()


@pytest.fixture
def reader(broker_url: str) -> Iterator[Celery]:
    """The other side: takes what waits in a queue."""
    celery = Celery("reader", set_as_current=False)
    celery.conf.update(hint.celery_settings(broker_url))
    hint.prepare(broker_url)
    for name in hint.QUEUES:
        waiting(celery, name)
    yield celery
    for name in hint.QUEUES:
        waiting(celery, name)
    celery.close()


def waiting(reader: Celery, name: str) -> list[tuple[str, object]]:
    found = []
    with reader.connection_for_read() as connection, connection.SimpleQueue(name) as queue, suppress(queue.Empty):
        while True:
            message = queue.get_nowait()
            message.ack()
            found.append((message.headers["task"], message.payload[0]))
    return found


def test_a_hint_names_a_run_and_nothing_else(broker_url: str, reader: Celery) -> None:
    queue = Queue(broker_url)
    assert queue.publish("RUN1", "cpu")
    assert queue.publish("RUN2", "cuda")
    assert queue.publish("RUN3", "cpu")
    assert sorted(waiting(reader, "cpu"), key=str) == [(hint.TASK, ["RUN1"]), (hint.TASK, ["RUN3"])]
    assert waiting(reader, "cuda") == [(hint.TASK, ["RUN2"])]
    queue.close()


def test_the_embedded_broker_is_emptied_torn_files_included(tmp_path: Path) -> None:
    queue = Queue(hint.embedded(tmp_path))
    queue.publish("RUN1", "cpu")
    (tmp_path / "broker" / "hints" / "1_torn.cpu.msg").write_bytes(b"{")
    queue.empty()
    assert not (tmp_path / "broker").exists()
    assert queue.publish("RUN2", "cpu")
    assert (tmp_path / "broker" / "hints").stat().st_mode & 0o077 == 0, "hints are for the owner's eyes"
    queue.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "filesystem:///proc/nowhere"])
def test_a_broker_that_is_away_is_no_error(url: str) -> None:
    queue = Queue(url)
    assert not queue.publish("RUN1", "cpu")
    queue.close()


def test_a_server_that_has_nothing_to_measure_does_without_celery(tmp_path: Path) -> None:
    program = (
        "import sys; import app.main; from app.runs.queue import Queue; queue = Queue(sys.argv[1]); queue.forget_read(); "
        "queue.close(); assert not {'celery', 'kombu'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, hint.embedded(tmp_path)], check=True)
