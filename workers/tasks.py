"""The Celery process: takes the hint "run N may be claimed" and hands it to the runner. Never imports torch.

``python -m workers.tasks`` is started by ``workers.launcher``, which says in ``TRADESPACE_WORKER_ID`` and
``TRADESPACE_DEVICE`` who it is.
"""

import logging
import os
import signal
from types import FrameType
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from workers import devices, processes
from workers.catalog import hint
from workers.runner import Runner
from workers.server import Server
from workers.settings import Settings

LAST_RESORT_S = 6 * 3600
"""After this Celery kills the process whatever it does; far above every limit of a run."""

app = Celery("tradespace")
runner: Runner | None = None


@app.task(name=hint.TASK)
def run_may_be_claimed(run: str) -> None:
    """Take the run if it can still be had."""
    if runner is None:
        return
    runner.take(run)
    if runner.leaving:
        os._exit(0)


def begin(**_: Any) -> None:
    """Set up the process that takes the hints: the measuring program's parent."""
    global runner
    settings = Settings()
    if settings.worker_token is None or settings.worker_id is None:
        raise SystemExit("TRADESPACE_WORKER_TOKEN and TRADESPACE_WORKER_ID are set by the launcher")
    server = Server(settings.server_url, settings.worker_token.get_secret_value())
    runner = Runner(settings, server, settings.worker_id, devices.named(settings.device))
    processes.adopt_orphans()
    signal.signal(processes.LEAVE, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    """Give the run in hand back, then end at once: Celery's own way out takes seconds, and its hints may be lost."""
    if runner is None:
        os._exit(0)
    runner.leave()
    if not runner.busy:
        os._exit(0)


def main() -> None:
    """Start Celery's worker for the queue of one device."""
    settings = Settings()
    hint.prepare(settings.broker)
    app.conf.update(hint.celery_settings(settings.broker), task_time_limit=LAST_RESORT_S)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    worker_process_init.connect(begin)
    queue = devices.named(settings.device).kind
    words = [
        "worker",
        "--pool",
        "prefork",
        "--concurrency",
        "1",
        "--queues",
        queue,
        "--hostname",
        f"{settings.worker_id}@%h",
    ]
    app.worker_main([*words, "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"])


if __name__ == "__main__":
    main()
