"""One program per device, over all workers of this machine: a file lock that lives as long as the program that inherits it."""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.2


class DeviceBusy(Exception):
    """Another program holds the device."""


def path(folder: Path, key: str) -> Path:
    """The lock file of a device; its modification time is when the device was taken last."""
    return folder / (re.sub(r"[^A-Za-z0-9._-]", "_", key) + ".lock")


@contextmanager
def hold(folder: Path, key: str, wait_s: float, given_up: Callable[[], bool]) -> Iterator[int]:
    """Hold a device; yields the descriptor that a program must inherit to keep it.

    Args:
        folder: Where the locks of this machine are.
        key: The device's key.
        wait_s: Seconds to wait for it.
        given_up: Asked while waiting; once true, waiting ends.

    Raises:
        DeviceBusy: It was not free in time.
        PermissionError: The folder belongs to another user.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user; set TRADESPACE_LOCKS to a folder of your own")
    lock = os.open(path(folder, key), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if given_up() or time.monotonic() > deadline:
                    raise DeviceBusy(f"another program has held {key} for {wait_s:g} s") from None
                time.sleep(POLL_S)
        os.utime(lock)
        yield lock
    finally:
        os.close(lock)
