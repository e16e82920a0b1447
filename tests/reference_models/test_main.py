"""`make reference-models`: trains, saves, compares, and fails when the scores are not those that ship."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from reference_models import __main__ as program
from reference_models import decoder, digits, scoring
from workers.catalog.model import Split
from workers.catalog.models import trained
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.reference import FOLDER, corpus
from workers.catalog.technique import LoadOptions


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trainings of a few steps on a little text, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    real = corpus.tokens

    def little(split: Split) -> np.ndarray:
        return real(split)[:5_000]

    monkeypatch.setattr(corpus, "tokens", little)
    monkeypatch.setattr(decoder, "train", partial(decoder.train, 2))
    monkeypatch.setattr(digits, "train_vit", partial(digits.train_vit, digits.VIT._replace(epochs=1, batch=1_198)))
    monkeypatch.setattr(digits, "train_cnn", partial(digits.train_cnn, digits.CNN._replace(epochs=1, batch=1_198)))
    return tmp_path / program.BUILD


def test_a_worse_training_fails_and_leaves_what_ships_alone(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = {path: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}
    assert program.main([]) == 1
    said = capsys.readouterr().out
    for word in ("reference_decoder", "reference_vit", "reference_cnn"):
        assert f"{word}: trained in" in said
    assert "reference_decoder: perplexity is" in said
    assert {path.name for path in short.iterdir()} == {
        *(f"{word}.safetensors" for word in program.MADE_FROM),
        "scores.json",
    }
    assert {path: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()} == shipped


def test_the_same_scores_pass(short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program.main([])
    reached = scoring.stored(short / "scores.json")
    monkeypatch.setattr(scoring, "stored", lambda: reached)
    assert program.main([]) == 0


def test_shipping_writes_weights_that_load_and_their_scores(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "FOLDER", tmp_path)
    assert program.main(["--ship"]) == 0
    built = trained.build(ReferenceDecoder().architecture, "reference_decoder", LoadOptions(), tmp_path)
    expected = decoder.train().state_dict()
    for name, value in built.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert set(scoring.stored(tmp_path / "scores.json")) == set(program.MADE_FROM)
