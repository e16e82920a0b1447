"""The folder a run may write in: fresh for each run, removed after it, and found again when its owner was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "tradespace-run-"
BLOCK_BYTES = 512
"""Unit of ``st_blocks`` (stat(2)), whatever the file system's own."""


@contextmanager
def folder() -> Iterator[str]:
    """A new folder in the machine's temporary one, locked while it is in use.

    Raises:
        OSError: There is no room for it.
    """
    while True:
        path = tempfile.mkdtemp(prefix=PREFIX)
        try:
            held = _lock(path)
        except (FileNotFoundError, BlockingIOError):
            continue  # A sweep came in between, and took it for abandoned.
        try:
            if not os.path.isdir(path):
                continue
            yield path
            return
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)


def used(folder: str) -> int:
    """Bytes that the files in a folder take up on the disk."""
    blocks = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # It is gone by now.
                blocks += os.lstat(os.path.join(parent, name)).st_blocks
    return blocks * BLOCK_BYTES


def sweep() -> list[str]:
    """Remove folders of this user that nobody uses any more; returns them."""
    removed = []
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            held = _lock(str(path))
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)
            removed.append(str(path))
    return removed


def _lock(path: str) -> int:
    """Take a folder's lock, which the kernel gives back when the descriptor or its process is gone.

    Raises:
        OSError: It is gone, no folder, somebody else's, or in use.
    """
    held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(held).st_uid != os.getuid():
            raise PermissionError(f"{path} belongs to another user")
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held
