"""Scores: what they count, and which difference from the stored ones is a difference."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from reference_models import scoring
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.reference import corpus, digits


class Undecided(nn.Module):
    """Gives every byte the same score, but one a little more."""

    def __init__(self, favourite: int) -> None:
        super().__init__()
        self.favourite = favourite

    def forward(self, input_ids: torch.Tensor, use_cache: bool) -> Any:
        scores = torch.zeros(*input_ids.shape, corpus.VOCABULARY)
        scores[..., self.favourite] = 1e-6
        return SimpleNamespace(logits=scores)


class Zero(nn.Module):
    """Sees a zero in everything."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.one_hot(torch.zeros(len(images), dtype=torch.int64), digits.CLASSES).float()


def test_chance_has_the_perplexity_of_the_vocabulary() -> None:
    found = scoring.decoder(Undecided(ord(" ")))
    assert found["perplexity"] == pytest.approx(256, rel=1e-4)
    assert found["next_token_accuracy"] == pytest.approx(
        corpus.text("test").count(" ") / len(corpus.tokens("test")), abs=0.002
    )


def test_accuracy_is_the_share_of_right_images() -> None:
    found = scoring.classifier(ReferenceCnn(), Zero())["accuracy"]
    labels = digits.labelled("test").labels
    assert labels is not None
    assert found == pytest.approx((labels == 0).mean())


WANTED = {"reference_decoder": {"perplexity": 4.0, "next_token_accuracy": 0.6}, "reference_vit": {"accuracy": 0.98}}


@pytest.mark.parametrize(
    ("word", "name", "inside", "outside"),
    [
        ("reference_decoder", "perplexity", 4.11, 4.13),
        ("reference_decoder", "perplexity", 3.89, 3.87),
        ("reference_decoder", "next_token_accuracy", 0.609, 0.611),
        ("reference_vit", "accuracy", 0.961, 0.959),
    ],
)
def test_only_what_lies_outside_the_tolerance_is_a_difference(
    word: str, name: str, inside: float, outside: float
) -> None:
    assert scoring.differences(WANTED | {word: WANTED[word] | {name: inside}}, WANTED) == []
    (line,) = scoring.differences(WANTED | {word: WANTED[word] | {name: outside}}, WANTED)
    assert f"{word}: {name} is {outside}" in line


def test_a_score_that_is_missing_or_no_number_is_a_difference() -> None:
    assert len(scoring.differences({"reference_decoder": WANTED["reference_decoder"]}, WANTED)) == 1
    assert len(scoring.differences(WANTED | {"reference_vit": {"accuracy": math.nan}}, WANTED)) == 1


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    scoring.write({"reference_vit": {"accuracy": 0.98130012}}, tmp_path / "scores.json")
    assert scoring.stored(tmp_path / "scores.json") == {"reference_vit": {"accuracy": 0.9813}}


def test_every_model_has_every_score_stored() -> None:
    assert {word: set(names) for word, names in scoring.stored().items()} == {
        "reference_decoder": {"perplexity", "next_token_accuracy"},
        "reference_vit": {"accuracy"},
        "reference_cnn": {"accuracy"},
    }
