"""Real data for evaluations: a model's own held-out data, or a text from the operator's folder; and how batches are made of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workers.catalog.declared import closest
from workers.catalog.model import Labelled, Model, Unsupported

if TYPE_CHECKING:
    import numpy as np
    import torch

    from workers.catalog.workload import Bench

MOST_TEXT_BYTES = 64 * 2**20
"""Of a text file; more than any evaluation reads, and little enough to hold in memory as tokens."""


def datasets_folder() -> Path:
    """The operator's folder of texts and evaluation tasks; the variable permits, the spec names what is read in it.

    Raises:
        Unsupported: the operator named none.
    """
    named = os.environ.get("TRADESPACE_DATASETS", "")
    if not named:
        raise Unsupported("No folder of data sets is set up on this worker; its operator sets TRADESPACE_DATASETS.")
    return Path(named).resolve()


def locate(name: str, *, folder: bool) -> Path:
    """A file or folder of this name inside the operator's folder of data sets, links followed.

    Raises:
        Unsupported: there is none, or it lies elsewhere.
    """
    root = datasets_folder()
    found = (root / name).resolve()
    if not found.is_relative_to(root) or not (found.is_dir() if folder else found.is_file()):
        entries = root.iterdir() if root.is_dir() else ()
        known = sorted(path.name for path in entries if (path.is_dir() if folder else path.is_file()))
        near = closest(name, known)
        what = "folder" if folder else "file"
        raise Unsupported(
            f"{name} is no {what} in this worker's folder of data sets"
            + (f"; did you mean {near}?" if near else f"; there is {', '.join(known[:20]) or 'none'}.")
        )
    return found


def text(name: str) -> str:
    """The text of a file in the operator's folder of data sets.

    Raises:
        Unsupported: there is no such file, it is too large, or it is not UTF-8.
    """
    path = locate(name, folder=False)
    if path.stat().st_size > MOST_TEXT_BYTES:
        raise Unsupported(f"{name} has more than {MOST_TEXT_BYTES // 2**20} MiB; give a part of it.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Unsupported(f"{name} is not a text in UTF-8: byte {error.start:,} cannot be read.") from error


def held_out(model: Model) -> Labelled:
    """What was held out from the model's training.

    Raises:
        Unsupported: the model comes with no data.
    """
    found = model.labelled("test")
    if found is None:
        raise Unsupported(f"{model.label} comes with no held-out data.")
    return found


def tokens(bench: Bench, ids: np.ndarray) -> dict[str, torch.Tensor]:
    """A batch of token ids [B, S] on the model's device."""
    import torch

    return {"input_ids": torch.from_numpy(ids).to(next(bench.model.parameters()).device)}


def samples(bench: Bench, inputs: np.ndarray, labels: np.ndarray | None = None) -> dict[str, torch.Tensor]:
    """A batch of images or vectors [B, ...], in the model's dtype on its device, as its ``inputs`` names them."""
    import torch

    # Quantised weights are integers; those left alone tell the format of activations.
    weight = next(weight for weight in bench.model.parameters() if weight.is_floating_point())
    name = "pixel_values" if bench.declared.kind == "image" else "features"
    batch = {name: torch.from_numpy(inputs).to(device=weight.device, dtype=weight.dtype)}
    if labels is not None:
        batch["labels"] = torch.from_numpy(labels).to(weight.device)
    return batch


class Window(NamedTuple):
    """A stretch of a text: tokens ``start`` to ``end``, of which those from ``scored`` on are predicted."""

    start: int
    scored: int
    end: int


def windows(length: int, window: int, stride: int) -> list[Window]:
    """Windows over a text of ``length`` tokens: each of ``window`` tokens, moved on by ``stride``.

    Every token but the first is scored once, with at least ``window - stride`` tokens before it where the text has them. What
    is left over at the end and too short for a whole stride is not scored, so that all windows but the first score the same number.
    """
    if length < window:
        return []
    whole = range(stride, length - window + 1, stride)
    return [Window(0, 1, window), *(Window(start, start + window - stride, start + window) for start in whole)]
