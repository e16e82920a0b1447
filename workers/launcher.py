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

from workers import ceilings, confine, device_lock, devices, processes, scratch
from workers.catalog.lease import Announcement, Device
from workers.server import Refused, Server, Unreachable
from workers.settings import BadSettings, Settings, read_settings
from workers.spool import Spool

log = logging.getLogger(__name__)

PRESENCE_S = 5.0
LONGEST_BACK_OFF_S = 30.0
STEADY_S = 60.0
"""After this long, or once it has taken a run, the back-off starts anew."""
SETTLING_S = 0.3
"""Between two looks for the pool process of a Celery that has just been started."""
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
        self._pool: int | None = None
        """The process under Celery that takes the hints."""
        self._ceilings: subprocess.Popen[bytes] | None = None
        """Measures what the device can do at most, when somebody has asked for that."""
        self._ceilings_at = 0.0
        """When it may be started again, should it have failed."""
        self._told = 0
        """Time of the ceilings that the server has, in nanoseconds."""
        self._began = self._began_at = 0.0
        """When Celery was started: by the monotonic clock, and by the machine's."""
        self._start_at = 0.0
        self._back_off_s = 1.0
        self._waiting_since = time.monotonic()
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
                self._told = 0
                log.info("announced as %s for %s (%s)", worker, devices.label(self._device), self._device.name)
                self._worker = worker
                self._end_celery()
            self._spool.deliver(self._server)
            work = self._server.work(worker)
            self._watch(work.queued)
            self._tell_ceilings(worker, work.measure_ceilings)
        except Unreachable as error:
            log.warning("the server cannot be reached: %s", error)
            self._waiting_since = time.monotonic()
        except Refused as error:
            log.error("the server refuses this worker: %s", error)
            self._waiting_since = time.monotonic()

    def _tell_ceilings(self, worker: str, again: bool) -> None:
        """Hand over what the device can do at most whenever the file that keeps it is new; have it measured when asked.

        A program of its own measures, and waits for the device as runs do: this process has to go on saying that it is there.
        """
        measuring = self._ceilings is not None and self._ceilings.poll() is None
        file = ceilings.path(self._settings, self._device)
        written = file.stat().st_mtime_ns if file.exists() else 0
        if written != self._told and (known := ceilings.read(file)) is not None:
            self._server.ceilings(worker, known)
            self._told = written
        elif again and not measuring and time.monotonic() >= self._ceilings_at and ceilings.program(self._settings):
            self._ceilings_at = time.monotonic() + STEADY_S
            log.info("the ceilings of %s are measured again, as was asked", devices.label(self._device))
            words = [sys.executable, "-P", "-m", "workers.ceilings", "--device", devices.label(self._device), "--again"]
            self._ceilings = subprocess.Popen(
                confine.command(words, end=signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _watch(self, queued: int) -> None:
        """Start Celery again when runs wait, none is measured, and none was taken for long."""
        now = time.monotonic()
        if not queued or self._pool is None or processes.children(self._pool):
            self._waiting_since = now
        elif min(now - self._waiting_since, time.time() - self._taken()) > HUNG_S:
            log.error("%d runs wait and none was claimed for %g s: Celery is started again", queued, HUNG_S)
            self._end_celery()
            self._waiting_since = now

    def _taken(self) -> float:
        """When the device was taken last, by the machine's clock; zero when it never was."""
        path = device_lock.path(self._settings.locks, self._device.key)
        return path.stat().st_mtime if path.exists() else 0.0

    def _mind(self) -> None:
        """Start Celery when it should run and does not; start it anew when it or its pool process has ended."""
        now = time.monotonic()
        if self._celery:
            code = self._celery.poll()
            if self._pool is None:
                self._pool = next(filter(processes.alive, processes.children(self._celery.pid)), None)
            if code is not None or (self._pool and not processes.alive(self._pool)):
                # Celery would replace its pool process, but the new one may wait for ever for a lock of the old one.
                processes.send(processes.tree(self._celery.pid), signal.SIGKILL)
                self._celery.wait()
                self._celery = self._pool = None
                self._sweep()
                if now - self._began > STEADY_S or self._taken() > self._began_at:
                    self._back_off_s = 1.0
                log.error("Celery ended unasked (%s); it starts again in %g s", code, self._back_off_s)
                self._start_at = now + self._back_off_s
                self._back_off_s = min(2 * self._back_off_s, LONGEST_BACK_OFF_S)
        if self._celery is None and self._worker and now >= self._start_at:
            self._began, self._began_at = now, time.time()
            self._celery = self._start(self._worker)

    def _start(self, worker: str) -> subprocess.Popen[bytes]:
        own = {"TRADESPACE_WORKER_ID": worker, "TRADESPACE_DEVICE": devices.label(self._device)}
        command = confine.command([sys.executable, "-P", "-m", "workers.tasks"], end=signal.SIGKILL)
        return subprocess.Popen(command, env=os.environ | own, start_new_session=True, stdin=subprocess.DEVNULL)

    def _end_celery(self) -> None:
        """Have the run in hand given back and Celery end; by force when it does not."""
        if self._celery is None:
            return
        celery, self._celery, self._pool = self._celery, None, None
        pool = processes.children(celery.pid)
        processes.send([celery.pid], signal.SIGTERM)
        processes.send(pool, processes.LEAVE)
        if not processes.gone(pool, LEAVE_S):
            log.warning("the run in hand was not given back within %g s", LEAVE_S)
        processes.send(processes.tree(celery.pid), signal.SIGKILL)
        celery.wait()
        self._start_at = time.monotonic()

    def _sweep(self) -> None:
        """End measuring processes that nobody supervises any more, and remove what they wrote."""
        for pid in processes.sweep():
            log.warning("the measuring process %d had outlived its worker and was killed", pid)
        for path in scratch.sweep():
            log.warning("the folder %s had outlived its run and was removed", path)
        for pid in processes.children(os.getpid()):
            if self._celery is None or pid != self._celery.pid:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def _sleep(self, due: float) -> None:
        """Until something is due, Celery or its pool process ends, or a signal asks to leave."""
        if self._celery is None and self._worker:
            due = min(due, self._start_at)
        elif self._celery and self._pool is None:
            due = min(due, time.monotonic() + SETTLING_S)
        over: list[int] = []
        for pid in (self._celery.pid if self._celery else None, self._pool):
            with suppress(ProcessLookupError):
                over += [os.pidfd_open(pid)] if pid else []
        try:
            select.select([self._bell, *over], [], [], max(0.0, due - time.monotonic()))
        finally:
            for fd in over:
                os.close(fd)


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
        settings = read_settings()
        device = devices.named(chosen.device) if chosen.device else devices.find()[0]
    except BadSettings as error:
        parser.exit(BAD_SETTINGS, f"{error}\n")
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
