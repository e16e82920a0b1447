"""Becomes another program after tying itself down: it dies with its parent, dumps no core, is the first to go on low memory.

``python -I -S confine.py '{"parent": 1234, "signal": 9, …}' command argument …`` runs the command in this same process.
It stands between fork and exec because Python code must not run there in a process that has threads. Only the standard
library is imported, since every run waits for it.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""
NOT_FOUND = 127
"""Exit code when the command cannot be started, as shells use it."""


def command(
    words: Sequence[str],
    *,
    python: str = sys.executable,
    end: signal.Signals = signal.SIGKILL,
    oom_score: int | None = None,
    file_bytes: int | None = None,
) -> list[str]:
    """The command line that starts ``words`` confined.

    Args:
        words: Program and arguments.
        python: Interpreter that runs this file.
        end: What the program gets when the thread that started it ends.
        oom_score: Linux ``oom_score_adj``, up to 1000; None leaves it. A value also forbids core dumps.
        file_bytes: Largest file it may write; None leaves it.
    """
    order = {"parent": os.getpid(), "signal": int(end), "oom_score": oom_score, "file_bytes": file_bytes}
    return [python, "-I", "-S", __file__, json.dumps(order), *words]


def main(order: str, words: list[str]) -> None:
    """Tie this process down and become the command."""
    wanted = json.loads(order)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, wanted["signal"], 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != wanted["parent"]:
        sys.exit("the parent ended before the program began")
    if wanted["oom_score"] is not None:
        Path("/proc/self/oom_score_adj").write_text(str(wanted["oom_score"]), encoding="ascii")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if wanted["file_bytes"] is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        most = wanted["file_bytes"] if hard == resource.RLIM_INFINITY else min(wanted["file_bytes"], hard)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        os.execvp(words[0], words)
    except OSError as error:
        print(f"{words[0]} cannot be started: {error.strerror}", file=sys.stderr)
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
