"""``python -m workers.measurement.ceilings``: what this device can do at most, as JSON on standard output.

Copies and sums through memory at growing working sets, square matrix products in every number format at growing sizes,
all on random data: a chip draws less power on zeros and so keeps a higher clock. The best of a sweep is the ceiling.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from workers.catalog.ceilings import CONTENDED, Ceilings
from workers.catalog.report import digest
from workers.catalog.technique import DeviceKind
from workers.measurement import environment, nvml
from workers.measurement.probes.others import Others

if TYPE_CHECKING:
    from workers.measurement.probes.peaks import Sweep

NO_DEVICE = 2
SWEEPS = 2
LOOK_S = 0.3
"""For a look at what others do; the kernel counts in hundredths of a second."""
DECIDING = ("host.", "os.kernel", "cpu.", "memory.total", "limit.", "package.torch", "package.triton", "variable.")
"""Fields of the environment, by how their names begin, that a ceiling depends on."""
OF_THE_GPU = ("gpu.driver", "gpu.uuid", "gpu.power_cap_w")
"""Likewise of what the driver tells, by their names."""


def main() -> None:
    """Print the ceilings that are known if they are of this device and environment and undisturbed, else measured ones."""
    options = _options()
    mark = surroundings(options.device)
    known = _read(options.known) if options.known else None
    if known and known.device == options.device and known.environment == mark and not known.contended:
        print(known.model_dump_json())
        return
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)  # What a library prints must not stand in the answer.
        answer.write(measure(options.device, mark, options.seconds).model_dump_json() + "\n")


def surroundings(kind: DeviceKind) -> str:
    """Digest of what a ceiling depends on; does not import torch, so that asking is quick."""
    fields: dict[str, JsonValue] = {"device": kind}
    fields |= {name: value for name, value in environment.host().items() if name.startswith(DECIDING)}
    if kind == "cuda":
        fields |= _gpu()
    return digest(fields)


def measure(kind: DeviceKind, mark: str, budget_s: float) -> Ceilings:
    """Measure everything on one device.

    Args:
        kind: ``cpu``, or ``cuda`` for the first GPU that this process sees.
        mark: Digest of the surroundings.
        budget_s: Seconds one sweep may take, roughly. When others disturb it, it waits for half as long and sweeps again;
            of two sweeps each ceiling is the higher one, because others can only make it lower.
    """
    import torch

    from workers.measurement.probes import peaks

    if kind == "cuda" and not torch.cuda.is_available():
        sys.stderr.write(f"The ceilings cannot be measured: torch {torch.__version__} sees no CUDA device here.\n")
        raise SystemExit(NO_DEVICE)
    on = torch.device(kind)
    torch.set_num_threads(environment.physical_cores())
    torch.manual_seed(0)
    began = time.monotonic()
    found: Sweep = peaks.Sweep()
    quietest = 1.0
    for _ in range(SWEEPS):
        _wait_for_quiet(budget_s / 2)
        with Others() as others:
            found = peaks.better(found, peaks.sweep(on, budget_s))
        quietest = min(quietest, others.share)
        if quietest < CONTENDED:
            break
    return Ceilings(
        device=kind,
        name=torch.cuda.get_device_name(on) if kind == "cuda" else environment.cpu_name(),
        environment=mark,
        threads=torch.get_num_threads(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        contention=quietest,
        bandwidths=tuple(found.bandwidths),
        products=tuple(found.products),
        transfers=tuple(found.transfers),
        dispatch_s=found.dispatch_s,
        notes=tuple(found.notes),
    )


def _wait_for_quiet(most_s: float) -> None:
    """Until others leave the processors alone, or for as long as one is willing to wait."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        with Others() as others:
            time.sleep(min(LOOK_S, most_s))
        if others.share < CONTENDED:
            return


def _gpu() -> dict[str, JsonValue]:
    """What of the GPU and its driver a ceiling depends on, or why they cannot be asked."""
    gpu = nvml.visible(0)
    if isinstance(gpu, str):
        return {"gpu.nvml": gpu}
    fields = gpu.fields()
    return {name: fields[name] for name in OF_THE_GPU}


def _read(path: Path) -> Ceilings | None:
    """Ceilings kept in a file; None when it is not there or cannot be read, which measuring again mends."""
    try:
        return Ceilings.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workers.measurement.ceilings", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what to measure on (default: cpu)")
    parser.add_argument(
        "--known", type=Path, metavar="FILE", help="ceilings that count if they are of this device and environment"
    )
    parser.add_argument(
        "--seconds", type=float, default=6.0, metavar="S", help="what one sweep may take, roughly (default: 6)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
