"""`make reference-models`: trains all three anew and compares what they reach with the scores that ship.

Weights and scores go to ``build/reference-models``; with ``--ship`` they replace those in the catalogue instead.
Ends with status 1 when a score is further from the stored one than ``scoring.TOLERANCES`` allows.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from reference_models import decoder, digits, scoring
from workers.catalog.reference import FOLDER

BUILD = Path("build/reference-models")
MADE_FROM = {
    "reference_decoder": "three books in the public domain",
    "reference_vit": "handwritten digits, Alpaydin and Kaynak 1998, CC BY 4.0",
    "reference_cnn": "handwritten digits, Alpaydin and Kaynak 1998, CC BY 4.0",
}


def say(line: str) -> None:
    """One line of progress, at once."""
    print(line, flush=True)


def save(model: Any, word: str, folder: Path) -> None:
    """Weights and saved buffers as safetensors; tensors that are shared (a tied embedding) once."""
    from safetensors.torch import save_file

    seen: set[int] = set()
    tensors = {}
    for name, value in model.state_dict().items():
        if value.data_ptr() not in seen:
            seen.add(value.data_ptr())
            tensors[name] = value.contiguous()
    file = folder / f"{word}.safetensors"
    save_file(tensors, file, metadata={"format": "pt", "trained_on": MADE_FROM[word]})
    # It is written for its owner alone, but the service that reads it may be somebody else.
    file.chmod(0o644)


def main(arguments: list[str]) -> int:
    """Train, save, score, compare; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m reference_models", description=__doc__.splitlines()[0])
    parser.add_argument("--ship", action="store_true", help="replace the weights and scores of the catalogue")
    ship = parser.parse_args(arguments).ship
    folder = FOLDER if ship else BUILD
    folder.mkdir(parents=True, exist_ok=True)

    trainings: dict[str, Callable[[], nn.Module]] = {
        "reference_decoder": lambda: decoder.train(say=say),
        "reference_vit": lambda: digits.train_vit(say=say),
        "reference_cnn": lambda: digits.train_cnn(say=say),
    }
    models: dict[str, nn.Module] = {}
    for word, train in trainings.items():
        start = time.monotonic()
        models[word] = train()
        save(models[word], word, folder)
        say(f"{word}: trained in {time.monotonic() - start:.0f} s")

    scores = scoring.score(models)
    wanted = scores if ship else scoring.stored()
    scoring.write(scores, folder / scoring.FILE.name)
    for word, names in scores.items():
        for name, value in names.items():
            say(f"{word:18} {name:20} {value:8.4f}   stored {wanted.get(word, {}).get(name, float('nan')):8.4f}")
    wrong = scoring.differences(scores, wanted)
    for line in wrong:
        say(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
