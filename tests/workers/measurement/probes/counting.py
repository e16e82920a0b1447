"""Counts what torch's CPU allocator hands out at the allocator itself, so that a test has a second witness."""

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("counting_allocator.cpp")


class Counter:
    """Bytes that torch's CPU allocator has handed out since it was installed.

    Args:
        library: the compiled allocator.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        for name in ("now", "peak"):
            getattr(library, name).restype = ctypes.c_longlong

    def now(self) -> int:
        return int(self._library.now())

    def peak(self) -> int:
        """The most since the last reset."""
        return int(self._library.peak())

    def reset(self) -> None:
        self._library.reset()


def compiler() -> str | None:
    """A C++ compiler, if this machine has one."""
    return shutil.which("g++") or shutil.which("clang++")


@contextmanager
def installed(folder: Path) -> Iterator[Counter]:
    """Compile the counting allocator into a folder and put it before torch's own."""
    command = compiler()
    assert command is not None
    home = Path(torch.__file__).parent
    target = folder / "counting_allocator.so"
    options = ["-std=c++20", "-O1", "-shared", "-fPIC", f"-I{home / 'include'}"]
    # The libraries come after what needs them.
    linked = ["-o", str(target), f"-L{home / 'lib'}", "-lc10"]
    subprocess.run([command, *options, str(SOURCE), *linked], check=True, capture_output=True)
    library = ctypes.CDLL(str(target))
    library.install()
    try:
        yield Counter(library)
    finally:
        library.uninstall()
