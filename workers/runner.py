"""One run from claim to report: takes the device, has the program measure, and tells the server meanwhile."""

import logging
import threading
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import psutil

from workers import ceilings, device_lock, devices
from workers.catalog.lease import Beat, Claim, Device, Finish, Granted, Progress, Release, Start
from workers.isolation import Confinement, Listener, Stop, measure
from workers.server import CONFLICT, Refused, Server, Unreachable
from workers.settings import SHARE_OF_MEMORY, Settings
from workers.spool import Spool

log = logging.getLogger(__name__)

BEATS_PER_LEASE = 6
DEVICE_WAIT_S = 30.0
LOG_LINES = 500
"""Lines one beat carries; of a flood the newest."""
LOG_CHARACTERS = 200_000
"""Of them together: even as six-byte escapes they stay below what the server accepts."""


class Runner:
    """Takes runs for one device, one at a time.

    Args:
        settings: The worker's settings.
        server: Where the runs come from.
        worker: The worker's id there.
        device: What it measures on.
    """

    def __init__(self, settings: Settings, server: Server, worker: str, device: Device) -> None:
        self._settings = settings
        self._server = server
        self._worker = worker
        self._device = device
        self._spool = Spool(settings.spool)
        self._stop: Stop | None = None
        self._ceilings: Path | None = None
        self._ceilings_asked = False
        self.busy = False
        """Whether a run is in hand."""
        self.leaving = False
        """Whether no other run is taken."""

    def leave(self) -> None:
        """Give the run in hand back and take no other; may be called from a signal handler."""
        self.leaving = True
        if self._stop:
            self._stop.ask("released")

    def take(self, run: str) -> None:
        """Claim a run and measure it; does nothing when somebody else has it."""
        self.busy = True
        try:
            if not self.leaving:
                self._take(run)
        finally:
            self.busy = False

    def _take(self, run: str) -> None:
        try:
            granted = self._server.claim(run, Claim(worker=self._worker))
        except Refused as error:
            log.info("run %s is not for this worker: %s", run, error)
            return
        except Unreachable as error:
            log.warning("run %s could not be claimed: %s", run, error)
            return
        log.info("run %s claimed, token %d, attempt %d", run, granted.token, granted.attempt)
        stop = self._stop = Stop()
        if self.leaving:
            stop.ask("released")
        heart = Heart(self._server, granted, stop)
        try:
            self._carry_out(granted, heart, stop)
        finally:
            self._stop = None
            heart.close()
            stop.close()

    def _carry_out(self, granted: Granted, heart: "Heart", stop: Stop) -> None:
        try:
            with device_lock.hold(
                self._settings.locks, self._device.key, DEVICE_WAIT_S, lambda: stop.reason is not None
            ) as lock:
                self._know_ceilings(lock, heart, stop)
                report = measure(granted.spec, granted.run, self._confinement(granted, lock), heart, stop)
            heart.close()
            if report and stop.reason != "stale":
                self._spool.hand_in(self._server, granted.run, Finish(token=granted.token, report=report))
                log.info("run %s ended: %s", granted.run, report.outcome)
            else:
                self._give_back(granted, stop)
        except device_lock.DeviceBusy as error:
            heart.close()
            if stop.reason:
                self._give_back(granted, stop)
            else:
                # Somebody measures by hand: the run waits for its turn, and it is nobody's error.
                self._release(granted, Release(token=granted.token, ending="released", message=str(error)))
        except OSError as error:
            heart.close()
            self._fail(granted, f"{type(error).__name__}: {error}")

    def _know_ceilings(self, lock: int, heart: "Heart", stop: Stop) -> None:
        """Before the first run: what the device can do at most."""
        if self._ceilings_asked or ceilings.program(self._settings) is None:
            return
        heart.progress(Progress(phase="start", message="Measuring what the device can do at most."))
        self._ceilings = ceilings.ensure(self._settings, self._device, lock, stop)
        self._ceilings_asked = stop.reason is None

    def _confinement(self, granted: Granted, lock: int) -> Confinement:
        settings = self._settings
        return Confinement(
            program=settings.program,
            limits=granted.limits,
            memory_bytes=settings.memory_limit or int(SHARE_OF_MEMORY * psutil.virtual_memory().total),
            environment=settings.for_program | devices.visible(self._device),
            ceilings=self._ceilings,
            kept_open=(lock,),
        )

    def _give_back(self, granted: Granted, stop: Stop) -> None:
        if stop.reason == "stale":
            log.warning(
                "fenced: run %s has a newer claim than token %d; its program was ended", granted.run, granted.token
            )
        elif stop.reason:
            self._release(granted, Release(token=granted.token, ending=stop.reason))

    def _fail(self, granted: Granted, message: str) -> None:
        log.error("run %s could not be measured here: %s", granted.run, message)
        self._release(granted, Release(token=granted.token, ending="infra_error", message=message[:2_000]))

    def _release(self, granted: Granted, release: Release) -> None:
        try:
            self._server.release(granted.run, release)
            log.info("run %s given back: %s", granted.run, release.ending)
        except (Refused, Unreachable) as error:
            log.warning("run %s could not be given back, so its lease has to run out: %s", granted.run, error)


class Heart(Listener):
    """Tells the server that an attempt lives, and brings its answers back, in a thread of its own."""

    def __init__(self, server: Server, granted: Granted, stop: Stop) -> None:
        self._server = server
        self._granted = granted
        self._stop = stop
        self._lease_s = granted.lease_s
        self._pid: int | None = None
        self._progress: Progress | None = None
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._live, name=f"heart-{granted.run}", daemon=True)
        self._thread.start()

    def started(self, pid: int) -> None:
        self._pid = pid
        self._wake.set()

    def progress(self, progress: Progress) -> None:
        self._progress = progress

    def line(self, text: str) -> None:
        self._lines.append(text)

    def close(self) -> None:
        """Tell what is left to tell, and fall silent. May be called again."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _live(self) -> None:
        closing = False
        while not closing and self._stop.reason != "stale":
            self._wake.wait(self._lease_s / BEATS_PER_LEASE)
            self._wake.clear()
            closing = self._closing
            if not closing or self._progress or self._lines or self._pid:
                self._tell()

    def _tell(self) -> None:
        run, token = self._granted.run, self._granted.token
        pid, progress = self._pid, self._progress
        lines = _newest(self._lines.popleft() for _ in range(len(self._lines)))
        try:
            if pid is not None:
                self._server.start(run, Start(token=token, pid=pid))
                self._pid = None
            pulse = self._server.beat(run, Beat(token=token, progress=progress, log=lines))
        except Unreachable as error:
            log.warning("run %s is measured on although the server cannot be told: %s", run, error)
            self._lines.extendleft(reversed(lines[max(0, len(lines) + len(self._lines) - LOG_LINES) :]))
            return
        except Refused as error:
            if error.status == CONFLICT:
                self._stop.ask("stale")
            else:
                log.error("run %s is measured on although the server refuses to hear of it: %s", run, error)
            return
        if self._progress is progress:
            self._progress = None
        self._lease_s = pulse.lease_s
        if pulse.cancel:
            self._stop.ask("cancelled")


def _newest(lines: Iterable[str]) -> tuple[str, ...]:
    """Of the lines as many as a beat may carry, from the last one back."""
    kept: list[str] = []
    room = LOG_CHARACTERS
    for line in reversed(list(lines)):
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return tuple(reversed(kept))
