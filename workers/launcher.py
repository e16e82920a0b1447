"""Keeps one worker going: announces it, delivers spooled reports, and starts Celery again whenever it ends or hangs.

``python -m workers.launcher --device cpu`` is what ``tradespace worker`` becomes.
"""

import argparse
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from types import FrameType

from pydantic import ValidationError

from workers import confine, device_lock, devices, processes
from workers.catalog.lease import Announcement, Device
from workers.server import Refused, Server, Unreachable
from workers.settings import Settings
from workers.spool import Spool

log = logging.getLogger(__name__)

PRESENCE_S = 5.0
LONGEST_BACK_OFF_S = 30.0
STEADY_S = 60.0
"""After this long without an end the back-off starts anew."""
HUNG_S = 60.0
"""Runs wait and nothing is claimed: Celery has lost its broker without noticing."""
LEAVE_S = 20.0
"""For the run in hand to be given back, before Celery is killed."""
BAD_SETTINGS = 2


class Launcher:
    """One worker: a device, its server, and the Celery process that takes the hints.

    Args:
        settings: The worker's settings; the token is set.
        device: What it measures on.
    """

    def __init__(self, settings: Settings, device: Device) -> None:
        assert settings.worker_token is not None
        self._settings = settings
        self._device = device
        self._server = Server(settings.server_url, settings.worker_token.get_secret_value(), timeout_s=10.0)
        self._spool = Spool(settings.spool)
        host = socket.gethostname()
        name = f"{host}/{devices.label(device)}/{os.getpid()}"
        self._announcement = Announcement(
            name=name, host=host, pid=os.getpid(), version=version("tradespace"), device=device
        )
        self._worker: str | None = None
        self._celery: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._start_at = 0.0
        self._back_off_s = 1.0
        self._idle_since = time.monotonic()
        self._leaving = False
        self._bell, self._ring = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def leave(self, number: int = 0, frame: FrameType | None = None) -> None:
        """End soon; a signal handler."""
        self._leaving = True
        os.write(self._ring, b"x")

    def keep(self) -> None:
        """Until asked to leave."""
        processes.adopt_orphans()
        self._sweep()
        due = time.monotonic()
        while not self._leaving:
            if time.monotonic() >= due:
                due = time.monotonic() + PRESENCE_S
                self._attend()
            self._mind()
            self._sleep(due)
        self._end_celery()
        self._server.close()

    def _attend(self) -> None:
        """What is done every few seconds: presence, spool, watchdog."""
        try:
            worker = self._server.announce(self._announcement)
            if worker != self._worker:
                log.info("announced as %s for %s (%s)", worker, devices.label(self._device), self._device.name)
                self._worker = worker
                self._end_celery()
            self._spool.deliver(self._server)
            self._watch(self._server.queued(worker))
        except Unreachable as error:
            log.warning("the server cannot be reached: %s", error)
            self._idle_since = time.monotonic()
        except Refused as error:
            log.error("the server refuses this worker: %s", error)
            self._idle_since = time.monotonic()

    def _watch(self, queued: int) -> None:
        """Start Celery again when runs wait, none is measured, and none was taken for long."""
        now = time.monotonic()
        taken = device_lock.path(self._settings.locks, self._device.key)
        age = time.time() - taken.stat().st_mtime if taken.exists() else HUNG_S
        if not queued or age < HUNG_S or self._celery is None or self._measures(self._celery.pid):
            self._idle_since = now
        elif now - self._idle_since > HUNG_S:
            log.error("%d runs wait and none was claimed for %g s: Celery is started again", queued, HUNG_S)
            self._end_celery()
            self._idle_since = time.monotonic()

    def _measures(self, celery: int) -> bool:
        return any(processes.children(pool) for pool in processes.children(celery))

    def _mind(self) -> None:
        """Start Celery when it should run and does not; note when it has ended."""
        now = time.monotonic()
        if self._celery and self._celery.poll() is not None:
            if now - self._began > STEADY_S:
                self._back_off_s = 1.0
            log.error("Celery ended with %d; it starts again in %g s", self._celery.returncode, self._back_off_s)
            self._celery = None
            self._sweep()
            self._start_at = now + self._back_off_s
            self._back_off_s = min(2 * self._back_off_s, LONGEST_BACK_OFF_S)
        if self._celery is None and self._worker and now >= self._start_at:
            self._began = self._idle_since = now
            self._celery = self._start(self._worker)

    def _start(self, worker: str) -> subprocess.Popen[bytes]:
        own = {"TRADESPACE_WORKER_ID": worker, "TRADESPACE_DEVICE": devices.label(self._device)}
        command = confine.command([sys.executable, "-P", "-m", "workers.tasks"], end=signal.SIGKILL)
        return subprocess.Popen(command, env=os.environ | own, start_new_session=True, stdin=subprocess.DEVNULL)

    def _end_celery(self) -> None:
        """Have the run in hand given back and Celery end; by force when it does not."""
        if self._celery is None:
            return
        celery, self._celery = self._celery, None
        pool = processes.children(celery.pid)
        processes.send([celery.pid], signal.SIGTERM)
        processes.send(pool, processes.LEAVE)
        if not processes.gone(pool, LEAVE_S):
            log.warning("the run in hand was not given back within %g s", LEAVE_S)
        processes.send(processes.tree(celery.pid), signal.SIGKILL)
        celery.wait()
        self._start_at = time.monotonic()

    def _sweep(self) -> None:
        """End measuring processes that nobody supervises any more."""
        for pid in processes.sweep():
            log.warning("the measuring process %d had outlived its worker and was killed", pid)
        for pid in processes.children(os.getpid()):
            if self._celery is None or pid != self._celery.pid:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def _sleep(self, due: float) -> None:
        """Until something is due, Celery ends, or a signal asks to leave."""
        if self._celery is None and self._worker:
            due = min(due, self._start_at)
        patience = max(0.0, due - time.monotonic())
        over = os.pidfd_open(self._celery.pid) if self._celery else None
        try:
            select.select([self._bell] + ([over] if over is not None else []), [], [], patience)
        finally:
            if over is not None:
                os.close(over)


def main(words: list[str] | None = None) -> None:
    """Serve one device until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="tradespace worker", description="Measure runs on one device of this machine."
    )
    parser.add_argument("--device", help="cpu, cuda:0, … (default: the first that is found)")
    chosen = parser.parse_args(words)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = Settings()
        device = devices.named(chosen.device) if chosen.device else devices.find()[0]
    except ValidationError as error:
        wrong = error.errors()[0]
        parser.exit(BAD_SETTINGS, f"TRADESPACE_{'_'.join(map(str, wrong['loc'])).upper()}: {wrong['msg']}\n")
    except LookupError as error:
        parser.exit(BAD_SETTINGS, f"--device: {error.args[0]}\n")
    if settings.worker_token is None:
        parser.exit(
            BAD_SETTINGS,
            "TRADESPACE_WORKER_TOKEN is not set; make one on the server:\n"
            f"  tradespace token create --name {socket.gethostname()} --scope worker\n",
        )
    launcher = Launcher(settings, device)
    signal.signal(signal.SIGTERM, launcher.leave)
    signal.signal(signal.SIGINT, launcher.leave)
    launcher.keep()


if __name__ == "__main__":
    main()
