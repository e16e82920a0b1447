"""What the team's own runs teach of a device: calibrations of decoding, by the format that was computed in."""

from collections.abc import Set
from statistics import median

import numpy as np

from app.planner.calibration import Calibration, Decoded, calibrated
from app.planner.predicted import NotPredicted, anatomy_of
from app.planner.work import read_bytes
from app.results.columns import Table
from app.results.matching import having
from workers.catalog.model import Model
from workers.catalog.models.llama import PRESETS, Llama
from workers.catalog.models.reference_decoder import ReferenceDecoder

PLAIN = {"as built": "fp32", "precision fp32": "fp32", "precision bf16": "bf16", "precision fp16": "fp16"}
"""Stacks that change the format of everything and nothing else."""


def decoders() -> dict[str, Model]:
    """Decoders that can be measured here as they are, by their labels."""
    found: list[Model] = [Llama.model_validate({"preset": preset}) for preset in PRESETS]
    return {one.label: one for one in (ReferenceDecoder(), *found)}


def calibrations(table: Table, hardware: str, runs: Set[str] | None = None) -> dict[str, Calibration]:
    """What was learnt of one device; nothing where fewer than two different steps were measured in a format.

    Args:
        table: all results.
        hardware: the device's name.
        runs: ids of those that this device measured, where others have its name too.
    """
    known = decoders()
    here = (
        having(table, "workload", {"decode"}) & having(table, "outcome", {"ok"}) & having(table, "hardware", {hardware})
    )
    steps: dict[str, dict[tuple[str, int, int], list[float]]] = {}
    seconds = table.column("latency", "value")
    for place in np.flatnonzero(here).tolist():
        if runs is not None and table.rows[place].run_id not in runs:
            continue
        dtype, model = PLAIN.get(table.rows[place].label), table.word("model", place)
        batch, length = table.batch_size[place], table.length[place]
        if dtype is None or model not in known or np.isnan([seconds[place], batch, length]).any():
            continue
        key = (model, int(batch), int(length))
        steps.setdefault(dtype, {}).setdefault(key, []).append(float(seconds[place]))
    found = {}
    for dtype, times in steps.items():
        points = []
        for (model, batch, length), taken in times.items():
            try:
                anatomy = anatomy_of(known[model])
            except NotPredicted:
                continue
            size = read_bytes(anatomy, dtype, dtype, dtype, batch, length)
            points.append(Decoded(layers=anatomy.layers, bytes=size, seconds=median(taken)))
        learnt = calibrated(points)
        if learnt is not None:
            found[dtype] = learnt
    return found
