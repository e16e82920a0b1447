"""``python -m workers.measurement < run.json > report.json``: one run, by hand or by a worker, with no server.

Progress is JSON lines on standard error, the report JSON on standard output. The exit code is 0 whenever there is a
report, whatever its outcome, and 2 when the run's spec cannot be used.
"""

import argparse
import faulthandler
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from workers.catalog.applicability import problems
from workers.catalog.ceilings import Ceilings
from workers.catalog.lease import Progress
from workers.catalog.spec import RunSpec, StudySpec, Variant
from workers.measurement import sitting

BAD_SPEC = 2


def main() -> None:
    """Read the run, hold the sitting, write the report."""
    faulthandler.register(signal.SIGUSR1)
    signal.signal(signal.SIGTERM, _leave)
    options = _options()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)  # What a library prints must not stand in the report.
        spec = _read()
        ceilings = _ceilings(options.ceilings, spec) if options.ceilings else None
        with tempfile.TemporaryDirectory(prefix="tradespace-", dir=options.scratch) as scratch:
            report = sitting.hold(spec, Path(scratch), options.memory_limit, _tell, ceilings)
        answer.write(report.model_dump_json() + "\n")


def _read() -> RunSpec:
    """The run on standard input; ends the program with one line about the first thing that is wrong with it."""
    try:
        given = json.loads(sys.stdin.buffer.read())
        spec = RunSpec.model_validate(given)
    except ValueError as error:
        _refuse(*_wrong(error))
    study = StudySpec(
        name="run",
        model=spec.model,
        workload=spec.workload,
        evaluation=spec.evaluation,
        baseline=Variant(name="baseline", stack=spec.baseline.stack),
        variants=(Variant(name="variant", stack=spec.variant.stack),),
        device=spec.device,
    )
    for problem in problems(study):
        _refuse(problem.field.replace("variants.0", "variant"), f"{problem.message} {problem.hint}")
    return spec


def _ceilings(path: Path, spec: RunSpec) -> Ceilings:
    """The ceilings kept in a file; ends the program with one line when they cannot be used for this run."""
    try:
        ceilings = Ceilings.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        _refuse("--ceilings", f"{path}: {_wrong(error)[1] if isinstance(error, ValidationError) else error}")
    if ceilings.device != spec.device:
        _refuse("--ceilings", f"{path} is about {ceilings.device}, the run about {spec.device}.")
    return ceilings


def _wrong(error: ValueError) -> tuple[str, str]:
    """Field and reason of the first thing that is wrong."""
    if not isinstance(error, ValidationError):
        return "the whole", f"is not JSON: {error}"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return ".".join(map(str, first["loc"])) or "the whole", first["msg"]


def _refuse(field: str, reason: str) -> None:
    sys.stderr.write(f"The run cannot be measured: {field}: {' '.join(reason.split())}\n")
    raise SystemExit(BAD_SPEC)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workers.measurement", description=__doc__)
    parser.add_argument(
        "--memory-limit", type=int, metavar="BYTES", help="host memory that both arms may hold together (CPU devices)"
    )
    parser.add_argument(
        "--ceilings",
        type=Path,
        metavar="FILE",
        help="what the device can do, as python -m workers.measurement.ceilings prints it; utilisation is measured against it",
    )
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="folder for temporary files")
    return parser.parse_args()


def _tell(progress: Progress) -> None:
    sys.stderr.write(progress.model_dump_json() + "\n")
    sys.stderr.flush()


def _leave(number: int, frame: FrameType | None) -> None:
    """End by way of every ``finally``: arms are killed and the scratch folder is removed."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
