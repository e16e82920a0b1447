"""The invented results as any tracker can hold them: 12 parameters and 8 metrics each, one result a line of JSON."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlmodel import col

from app.db.session import Database
from app.db.tables import Result
from app.results.figures import Cell, unpacked

PARAMETERS = (
    "owner",
    "model",
    "workload",
    "device",
    "hardware",
    "environment",
    "variant",
    "family",
    "techniques",
    "effort",
    "batch_size",
    "length",
)
METRICS = {
    "latency": ("latency", "value"),
    "latency_ratio": ("latency", "ratio"),
    "memory": ("memory", "value"),
    "memory_ratio": ("memory", "ratio"),
    "weights": ("weights", "value"),
    "first_call": ("first_call", "value"),
    "agreement": ("agreement", "value"),
    "kl": ("kl", "value"),
}
"""Those that every run has that ended well, with the figure and the part of it that they are."""


def write(database: Database, file: Path) -> int:
    """Write all results of a database; how many there are."""
    count = 0
    with database.reading() as session, file.open("w") as lines:
        for row in session.execute(select(Result).order_by(col(Result.number))).scalars():
            cells = unpacked(np.frombuffer(row.figures, "<f8").tolist(), row.verdicts)
            line = {
                "ok": row.outcome == "ok",
                "finished_at": row.finished_at,
                "parameters": {name: value for name in PARAMETERS if (value := getattr(row, name)) not in (None, "")},
                "metrics": _metrics(cells),
            }
            lines.write(json.dumps(line) + "\n")
            count += 1
    return count


def _metrics(cells: Mapping[str, Cell]) -> dict[str, float]:
    found = {name: getattr(cells[word], part) for name, (word, part) in METRICS.items() if word in cells}
    return {name: value for name, value in found.items() if value is not None}
