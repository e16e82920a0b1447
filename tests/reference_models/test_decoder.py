"""The decoder's training: it learns, and it tells how far it is."""

import numpy as np
import pytest

from reference_models import decoder, scoring
from workers.catalog.model import Split
from workers.catalog.reference import corpus


def test_a_short_course_already_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "BATCH", 1)
    lines: list[str] = []
    model = decoder.train(steps=100, say=lines.append)
    assert scoring.decoder(model)["perplexity"] < 20, "chance is 256, letter frequencies alone give 23"
    assert len(lines) == 1
    assert lines[0].startswith("decoder step 100 of 100: loss ")
    assert not model.training


def test_training_never_sees_the_held_out_text(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Split] = []
    real = corpus.tokens

    def noted(split: Split) -> np.ndarray:
        asked.append(split)
        return real(split)

    monkeypatch.setattr(corpus, "tokens", noted)
    decoder.train(steps=1)
    assert asked == ["train"]
