"""``python -m workers.measurement < run.json > report.json``: one run, by hand or by a worker, with no server.

Progress is JSON lines on standard error, the report JSON on standard output. The exit code is 0 whenever there is a
report, whatever its outcome, and 2 when the run's spec cannot be read.
"""

import argparse
import faulthandler
import os
import signal
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from workers.catalog.lease import Progress
from workers.catalog.spec import RunSpec
from workers.measurement import sitting

BAD_SPEC = 2


def main() -> None:
    """Read the run, hold the sitting, write the report."""
    faulthandler.register(signal.SIGUSR1)
    options = _options()
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What a library prints must not stand in the report.
    try:
        spec = RunSpec.model_validate_json(sys.stdin.buffer.read())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        sys.stderr.write(f"The run cannot be read: {where}: {first['msg']}\n")
        raise SystemExit(BAD_SPEC) from None
    with tempfile.TemporaryDirectory(prefix="tradespace-", dir=options.scratch) as scratch:
        report = sitting.hold(spec, Path(scratch), options.memory_limit, _tell)
    replies.write(report.model_dump_json())
    replies.write("\n")
    replies.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workers.measurement", description=__doc__)
    parser.add_argument(
        "--memory-limit", type=int, metavar="BYTES", help="host memory that both arms may hold together"
    )
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="folder for temporary files")
    return parser.parse_args()


def _tell(progress: Progress) -> None:
    sys.stderr.write(progress.model_dump_json() + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
