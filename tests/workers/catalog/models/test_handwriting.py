"""Batches of digits: images of the training split with their own labels, in the model's format."""

import torch

from workers.catalog.models import handwriting
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.reference import digits
from workers.catalog.technique import LoadOptions


def test_images_keep_their_labels() -> None:
    batch = handwriting.inputs(ReferenceCnn().build(LoadOptions()), batch_size=32, seed=3)
    known = digits.labelled("train")
    assert known.labels is not None
    labels = {image.tobytes(): int(label) for image, label in zip(known.inputs, known.labels, strict=True)}
    found = [labels[image.tobytes()] for image in batch["pixel_values"].numpy()]
    assert found == batch["labels"].tolist()
    assert len(set(found)) > 1


def test_more_images_than_there_are_can_be_asked_for() -> None:
    batch = handwriting.inputs(ReferenceCnn().build(LoadOptions()), batch_size=2_000, seed=0)
    assert len(batch["pixel_values"]) == len(batch["labels"]) == 2_000


def test_images_follow_the_format_of_the_weights() -> None:
    built = ReferenceCnn().build(LoadOptions(dtype="bfloat16"))
    assert handwriting.inputs(built, batch_size=2, seed=0)["pixel_values"].dtype == torch.bfloat16
