"""Data to calibrate on: the model's own where it has some, as many as asked for, the same for a seed."""

import pytest
import torch

from tests.workers.catalog.observed import bench
from workers.catalog.model import Model
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.quantizing import calibration
from workers.catalog.reference import corpus, digits


def drawn(model: Model, own: bool = True, count: int = 11, seed: int = 0) -> calibration.Drawn:
    return calibration.draw(model, bench(model).model, own, count, seed)


@pytest.mark.parametrize(
    "model", [ReferenceDecoder(), ReferenceVit(), Llama(), Mlp(width=64)], ids=lambda each: each.word
)
def test_as_many_as_asked_for_and_the_same_for_a_seed(model: Model) -> None:
    ready = bench(model).model
    first, again, other = (calibration.draw(model, ready, True, 11, seed) for seed in (0, 0, 1))
    name = next(iter(first.batches[0]))
    one, two, three = (torch.cat([batch[name] for batch in each.batches]) for each in (first, again, other))
    assert len(one) == 11
    assert torch.equal(one, two)
    assert not torch.equal(one, three)
    for batch in first.batches:
        assert model.logits(ready, batch).isfinite().all()


def test_text_is_cut_from_what_the_model_was_trained_on_and_never_from_what_is_scored() -> None:
    found = drawn(ReferenceDecoder())
    assert found.source == "11 windows of 256 tokens of the model's training text"
    text = corpus.tokens("train").tobytes()
    held_out = corpus.tokens("test").tobytes()
    for window in torch.cat([batch["input_ids"] for batch in found.batches]).numpy():
        assert window.tobytes() in text
        assert window.tobytes() not in held_out


def test_images_are_those_the_model_was_trained_on() -> None:
    found = drawn(ReferenceVit())
    known = {image.tobytes() for image in digits.labelled("train").inputs}
    assert all(image.tobytes() in known for image in torch.cat([b["pixel_values"] for b in found.batches]).numpy())


def test_where_there_is_none_or_none_is_wanted_inputs_come_from_the_seed() -> None:
    assert drawn(Llama()).source == drawn(ReferenceVit(), own=False).source == "11 inputs from the seed"
