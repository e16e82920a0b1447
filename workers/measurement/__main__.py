"""``python -m workers.measurement < run.json > report.json``: one run, by hand or by a worker, with no server.

Progress is JSON lines on standard error, the report JSON on standard output. The exit code is 0 whenever there is a
report, whatever its outcome, and 2 when the run's spec cannot be used.
"""

import argparse
import faulthandler
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

from pydantic import ValidationError

from workers.catalog import strictjson
from workers.catalog.applicability import problems
from workers.catalog.ceilings import Ceilings
from workers.catalog.declared import Paper, Problem
from workers.catalog.lease import Progress
from workers.catalog.spec import RunSpec, StudySpec, Variant
from workers.catalog.validation import explain
from workers.measurement import sitting

BAD_SPEC = 2

Read = TypeVar("Read", bound=Paper)


def main() -> None:
    """Read the run, hold the sitting, write the report."""
    faulthandler.register(signal.SIGUSR1)
    signal.signal(signal.SIGTERM, _leave)
    options = _options()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)  # What a library prints must not stand in the report.
        if options.memory_limit is not None and options.memory_limit < 1:
            _refuse(f"--memory-limit: {options.memory_limit:,} is not a number of bytes; give at least 1.")
        spec = _read()
        ceilings = _ceilings(options.ceilings, spec) if options.ceilings else None
        with _scratch(options.scratch) as scratch:
            report = sitting.hold(spec, Path(scratch), options.memory_limit, _tell, ceilings)
        answer.write(report.model_dump_json() + "\n")


def _read() -> RunSpec:
    """The run on standard input; ends the program with one line about each field that is wrong with it."""
    spec = _parsed(RunSpec, sys.stdin.buffer.read())
    study = StudySpec(
        name="run",
        model=spec.model,
        workload=spec.workload,
        evaluation=spec.evaluation,
        baseline=Variant(name="baseline", stack=spec.baseline.stack),
        variants=(Variant(name="variant", stack=spec.variant.stack),),
        device=spec.device,
        effort=spec.effort,
        profile=spec.profile,
    )
    if wrong := problems(study):
        _refuse_each([each._replace(field=each.field.replace("variants.0", "variant")) for each in wrong])
    return spec


def _ceilings(path: Path, spec: RunSpec) -> Ceilings:
    """The ceilings kept in a file; ends the program with one line when they cannot be used for this run."""
    try:
        text = path.read_bytes()
    except OSError as error:
        _refuse(f"--ceilings: {path}: {error.strerror}")
    ceilings = _parsed(Ceilings, text, f"--ceilings: {path}: ")
    if ceilings.device != spec.device:
        _refuse(f"--ceilings: {path} is about {ceilings.device}, the run about {spec.device}.")
    return ceilings


def _scratch(within: Path | None) -> tempfile.TemporaryDirectory[str]:
    """A new folder for temporary files; ends the program with one line when there can be none."""
    try:
        return tempfile.TemporaryDirectory(prefix="tradespace-", dir=within)
    except OSError as error:
        _refuse(f"--scratch: no folder can be made in {within or 'the temporary folder'}: {error.strerror}")


def _parsed(model: type[Read], text: bytes, of: str = "") -> Read:
    """What a JSON text holds; ends the program with one line about each field that is wrong with it.

    Args:
        model: What it should be.
        text: As it was read.
        of: Comes before the names of the fields.
    """
    try:
        given = strictjson.read(text)
        try:
            return model.model_validate(given)
        except ValidationError as error:
            wrong: Sequence[Problem] = explain(error.errors(), given, model)
    except strictjson.Malformed as error:
        wrong = [Problem("", "malformed", str(error), "")]
    except strictjson.Unfit as error:
        wrong = error.problems
    _refuse_each(wrong, of)


def _refuse_each(wrong: Sequence[Problem], of: str = "") -> NoReturn:
    said = (f"{each.field or 'the whole'}: {each.message} {each.hint}".strip().rstrip(".") for each in wrong)
    _refuse(of + "; ".join(said))


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(f"The run cannot be measured: {' '.join(reason.split())}\n")
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
