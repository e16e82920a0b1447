"""What the reference models reach on the data that training never saw, and how that is stored and compared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from workers.catalog.model import Model
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.models.reference_decoder import WINDOW, ReferenceDecoder
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.reference import FOLDER

Scores = Mapping[str, Mapping[str, float]]
"""By model, by name: perplexity and next_token_accuracy of the decoder, accuracy of the classifiers."""

FILE = FOLDER / "scores.json"
TOLERANCES: Mapping[str, float] = {"perplexity": 0.03, "next_token_accuracy": 0.01, "accuracy": 0.02}
"""How far a training on another machine may end from the stored score: perplexity by this share of it, accuracies by
this many. One machine repeats its own scores to the bit; another rounds its sums in another order, and a thousand steps
enlarge that to about what another seed would change."""
BATCH = 16


def score(models: Mapping[str, nn.Module]) -> dict[str, dict[str, float]]:
    """Scores of built models, by the words of the catalogue."""
    return {
        "reference_decoder": decoder(models["reference_decoder"]),
        "reference_vit": classifier(ReferenceVit(), models["reference_vit"]),
        "reference_cnn": classifier(ReferenceCnn(), models["reference_cnn"]),
    }


@torch.inference_mode()
def decoder(model: nn.Module) -> dict[str, float]:
    """Perplexity per byte and share of right next bytes on the held-out text.

    The text is read in windows of the training's length that follow one another; each predicts all its tokens but the
    first one from nothing but itself.
    """
    declared = ReferenceDecoder()
    text = torch.from_numpy(declared.labelled("test").inputs)
    windows = text[: len(text) // WINDOW * WINDOW].view(-1, WINDOW)
    nats, right, tokens = 0.0, 0, 0
    for batch in torch.split(windows, BATCH):
        scores = declared.logits(model, {"input_ids": batch})[:, :-1].float()
        nats += float(functional.cross_entropy(scores.flatten(0, 1), batch[:, 1:].flatten(), reduction="sum"))
        right += int((scores.argmax(-1) == batch[:, 1:]).sum())
        tokens += batch[:, 1:].numel()
    return {"perplexity": math.exp(nats / tokens), "next_token_accuracy": right / tokens}


@torch.inference_mode()
def classifier(declared: Model, model: nn.Module) -> dict[str, float]:
    """Share of held-out images whose most likely class is the right one."""
    data = declared.labelled("test")
    if data is None or data.labels is None:
        raise ValueError(f"{declared.label} has no labelled data")
    dtype = next(weight.dtype for weight in model.parameters() if weight.is_floating_point())
    scores = declared.logits(model, {"pixel_values": torch.from_numpy(data.inputs).to(dtype)})
    return {"accuracy": float((scores.argmax(-1) == torch.from_numpy(data.labels)).double().mean())}


def stored(file: Path = FILE) -> Scores:
    """The scores that ship with the weights."""
    scores: Scores = json.loads(file.read_text())
    return scores


def write(scores: Scores, file: Path) -> None:
    """Store scores, rounded to what a reader can use."""
    rounded = {word: {name: round(value, 6) for name, value in found.items()} for word, found in scores.items()}
    file.write_text(json.dumps(rounded, indent=2) + "\n")


def differences(scores: Scores, wanted: Scores) -> list[str]:
    """A sentence for every score that is missing or further from the wanted one than ``TOLERANCES`` allows."""
    found: list[str] = []
    for word, names in wanted.items():
        for name, value in names.items():
            reached = scores.get(word, {}).get(name)
            allowed = TOLERANCES[name] * (value if name == "perplexity" else 1)
            if reached is None or not abs(reached - value) <= allowed:
                found.append(f"{word}: {name} is {reached}, stored is {value}, allowed are {allowed:.4f} of difference")
    return found
