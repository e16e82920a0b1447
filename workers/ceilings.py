"""Keeps what a device can do at most: in the data folder, measured when it is missing or of another environment.

``python -m workers.ceilings`` is what ``tradespace ceilings`` becomes: it prints the ceilings of one device as a table.
"""

import argparse
import errno
import logging
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from workers import confine, device_lock, devices, processes, scratch
from workers.catalog.ceilings import Ceilings
from workers.catalog.lease import Device
from workers.isolation import PASSED_ON, Stop
from workers.settings import BadSettings, Settings, read_settings

log = logging.getLogger(__name__)

PROGRAM = "workers.measurement"
MOST_S = 120.0
"""After this the measuring is given up; it takes about ten seconds."""
MOST_BYTES = 1_000_000
DEVICE_WAIT_S = 30.0
CANNOT = 1
BAD_SETTINGS = 2
CHUNK = 65_536


def path(settings: Settings, device: Device) -> Path:
    """The file in which the ceilings of a device are kept."""
    return settings.data.resolve() / "ceilings" / f"{re.sub(r'[^A-Za-z0-9-]+', '_', device.key)}.json"


def read(file: Path) -> Ceilings | None:
    """What a file keeps; None when it is not there or not readable."""
    try:
        return Ceilings.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def ensure(settings: Settings, device: Device, lock: int, stop: Stop, again: bool = False) -> Path | None:
    """The file with the ceilings of a device as it is now; measures them if need be, which takes some ten seconds.

    Args:
        settings: Where the data folder and the measuring program are.
        device: What to measure; the caller holds its lock.
        lock: Descriptor of the lock, which the program keeps locked while it lives.
        stop: Ends it early.
        again: Measure although they are known.

    Returns:
        None when they cannot be had: another program measures, it failed, or it was stopped. Runs go on without.

    Raises:
        OSError: They cannot be kept; said before anything is measured wherever that can be known.
    """
    words = program(settings)
    if words is None or stop.reason:
        return None
    file = path(settings, device)
    if again or read(file) is None:
        _make_room(file.parent)
    words += ["--device", device.kind] + ([] if again else ["--known", str(file)])
    answer = _run(words, settings, device, lock, stop)
    if answer is None:
        return None
    try:
        ceilings = Ceilings.model_validate_json(answer)
    except ValidationError as error:
        log.warning("the ceilings of %s cannot be read: %s", device.key, error.errors()[0]["msg"])
        return None
    if ceilings != read(file):
        new = file.with_suffix(".new")
        new.write_text(ceilings.model_dump_json() + "\n", encoding="utf-8")
        new.replace(file)
    return file


def _make_room(folder: Path) -> None:
    """The folder is there and can be written in.

    Raises:
        OSError: It is not; the message names the setting.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise OSError(f"TRADESPACE_DATA: ceilings cannot be kept in {folder}: {error.strerror}") from error


def program(settings: Settings) -> list[str] | None:
    """The command that measures ceilings: a neighbour of the measuring program. None when that is another one."""
    words = settings.program
    return [*words[:-1], f"{PROGRAM}.ceilings"] if words[-1] == PROGRAM else None


def _run(words: Sequence[str], settings: Settings, device: Device, lock: int, stop: Stop) -> bytes | None:
    """What the program writes; None when it fails, takes too long or is stopped."""
    variables = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
    variables |= settings.for_program | devices.visible(device)
    variables |= {processes.RUN: "ceilings", processes.SUPERVISOR: processes.identity(os.getpid()) or ""}
    spared = set(processes.children(os.getpid()))
    with scratch.folder() as folder, tempfile.TemporaryFile(dir=folder) as said:
        process = subprocess.Popen(
            confine.command(words, oom_score=1000),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=folder,
            env=variables | {"TMPDIR": folder},
            pass_fds=(lock,),
            start_new_session=True,
            bufsize=0,
        )
        try:
            answer = _wait(process, stop)
        finally:
            process.kill()
            code = process.wait()
            assert process.stdout is not None
            process.stdout.close()
            processes.end_all(process.pid, spared)
        said.seek(0)
        last = said.read()[-CHUNK:].decode("utf-8", "replace").strip().rpartition("\n")[2]
    if answer is None or code != 0:
        if not stop.reason:
            log.warning("the ceilings of %s could not be measured: exit code %d: %s", device.key, code, last)
        return None
    return answer


def _wait(process: subprocess.Popen[bytes], stop: Stop) -> bytes | None:
    """Sleep until the program has written everything and ended."""
    assert process.stdout is not None
    written = bytearray()
    deadline = time.monotonic() + MOST_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(stop.fd, selectors.EVENT_READ)
        while time.monotonic() < deadline and len(written) <= MOST_BYTES:
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                if key.fileobj is not process.stdout:
                    # What was asked stays to be read: whoever comes next has to stop as well.
                    return None
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    process.wait()
                    return bytes(written)
                written += chunk
    return None


def table(ceilings: Ceilings) -> Table:
    """What a device can do, one line for each ceiling."""
    caption = f"{ceilings.threads} threads, measured {ceilings.measured_at} in {ceilings.seconds:.0f} s"
    if ceilings.contended:
        caption += (
            f"; others kept {ceilings.contention:.0%} of the processors busy, so measure again on a quiet machine"
        )
    drawn = Table(title=f"Measured ceilings of {ceilings.name}", caption=caption)
    drawn.add_column("what")
    drawn.add_column("at")
    drawn.add_column("median", justify="right")
    drawn.add_column("95 % interval", justify="right", no_wrap=True)
    drawn.add_column("samples", justify="right")
    for band in ceilings.bandwidths:
        at = f"{band.working_set / 2**20:g} MiB"
        drawn.add_row(band.stream, at, *_columns(band.value, band.low, band.high, 1e9, "GB/s"), str(band.n))
    drawn.add_section()
    for each in ceilings.products:
        best = " ←" if each.value == ceilings.peak(each.dtype) else ""
        columns = _columns(each.value, each.low, each.high, 1e9, "GFLOP/s" if "int" not in each.dtype else "Gop/s")
        drawn.add_row(f"{each.dtype} products", f"{each.size} x {each.size}{best}", *columns, str(each.n))
    drawn.add_section()
    for way in ceilings.transfers:
        words = way.direction.replace("_", " ")
        drawn.add_row(f"transfer {words}", "", *_columns(way.value, way.low, way.high, 1e9, "GB/s"), str(way.n))
    drawn.add_row("calling one operator", "", f"{ceilings.dispatch_s * 1e6:.2f} µs", "", "")
    for note in ceilings.notes:
        drawn.add_row("note", note, "", "", "")
    return drawn


def _columns(value: float, low: float, high: float, scale: float, unit: str) -> tuple[str, str]:
    return f"{value / scale:,.1f} {unit}", f"{low / scale:,.1f} to {high / scale:,.1f}"


def main(words: list[str] | None = None) -> None:
    """Print the ceilings of one device; measure them first if they are not known, or if asked to."""
    parser = argparse.ArgumentParser(prog="tradespace ceilings", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--device", help="cpu, cuda:0, … (default: the first that is found)")
    parser.add_argument("--again", action="store_true", help="measure although they are known")
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    chosen = parser.parse_args(words)
    stop = Stop()
    try:
        settings = read_settings()
        device = devices.named(chosen.device) if chosen.device else devices.find()[0]
        with device_lock.hold(settings.locks, device.key, DEVICE_WAIT_S, lambda: False) as lock:
            file = ensure(settings, device, lock, stop, again=chosen.again)
    except (BadSettings, LookupError) as error:
        parser.exit(BAD_SETTINGS, f"tradespace: {error.args[0]}\n")
    except OSError as error:
        parser.exit(BAD_SETTINGS, f"tradespace: {error}\n")
    except device_lock.DeviceBusy as error:
        parser.exit(CANNOT, f"tradespace: {error}; a worker of this machine may be measuring on it\n")
    known = read(file) if file else None
    if known is None:
        parser.exit(CANNOT, f"tradespace: the ceilings of {device.key} could not be measured\n")
    if chosen.json:
        sys.stdout.write(known.model_dump_json() + "\n")
    else:
        Console().print(table(known))


if __name__ == "__main__":
    main()
