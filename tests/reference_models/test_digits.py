"""The digits' training: it learns, and it moves images by whole pixels without inventing ink."""

import pytest
import torch

from reference_models import digits, scoring
from workers.catalog.model import Labelled, Split
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.reference import digits as handwritten


def test_a_short_course_already_learns() -> None:
    model = digits.train_cnn(digits.CNN._replace(epochs=2))
    assert scoring.classifier(ReferenceCnn(), model)["accuracy"] > 0.8


def test_it_tells_how_far_it_is() -> None:
    lines: list[str] = []
    digits.train_cnn(digits.CNN._replace(epochs=10, batch=1_198), lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("cnn epoch 10 of 10: loss ")


def test_training_never_sees_the_held_out_images(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Split] = []
    real = handwritten.labelled

    def noted(split: Split) -> Labelled:
        asked.append(split)
        return real(split)

    monkeypatch.setattr(handwritten, "labelled", noted)
    digits.train_cnn(digits.CNN._replace(epochs=1, batch=1_198))
    assert asked == ["train"]


def test_images_move_a_little_and_keep_their_shape_and_their_range() -> None:
    images = torch.full((256, 1, 8, 8), digits.BACKGROUND)
    images[:, 0, 3:5, 3:5] = 1.0
    moved = digits._moved(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert moved.min() >= digits.BACKGROUND
    assert moved.max() <= 1.0 + 1e-6
    ink = moved[:, 0] - digits.BACKGROUND
    centres = (ink.sum(1) * torch.arange(8)).sum(1) / ink.sum((1, 2))
    assert 0.6 < (centres - 3.5).abs().max() < 1.2
    assert abs(float(centres.mean()) - 3.5) < 0.1
    # Magnified by a tenth at most, so an area of 0.81 to 1.21, and sampled at whole pixels.
    assert torch.all(((ink.sum((1, 2)) / 8) - 1).abs() < 0.3)
    assert len({image.numpy().tobytes() for image in moved}) == 256


def test_without_any_movement_an_image_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("TURN", "SIZE", "SHIFT"):
        monkeypatch.setattr(digits, limit, 0.0)
    images = torch.from_numpy(handwritten.labelled("train").inputs[:16])
    torch.testing.assert_close(digits._moved(images, torch.Generator().manual_seed(0)), images)


def test_a_turned_image_is_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "SIZE", 0.0)
    monkeypatch.setattr(digits, "SHIFT", 0.0)
    bar = torch.full((64, 1, 8, 8), digits.BACKGROUND)
    bar[:, 0, :, 3:5] = 1.0
    moved = digits._moved(bar, torch.Generator().manual_seed(0))[:, 0] - digits.BACKGROUND
    top = (moved[:, 0] * torch.arange(8)).sum(1) / moved[:, 0].sum(1)
    bottom = (moved[:, -1] * torch.arange(8)).sum(1) / moved[:, -1].sum(1)
    assert torch.all((top - 3.5) * (bottom - 3.5) <= 0), "its ends go to different sides"
    assert (top - bottom).abs().max() > 1
