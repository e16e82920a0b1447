"""The trained VIT: its stored accuracy on digits it never saw, in every format that people try."""

import pytest

from reference_models import scoring
from tests.workers.catalog.observed import bench
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.technique import LoadOptions, Technique
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.precision import Precision

IMAGE = 1 / 599
"""Share that one image has in the accuracy."""


def test_it_reaches_its_stored_accuracy() -> None:
    found = scoring.classifier(ReferenceVit(), ReferenceVit().build(LoadOptions()))["accuracy"]
    stored = scoring.stored()["reference_vit"]["accuracy"]
    assert found == pytest.approx(stored, abs=1.1 * IMAGE)
    assert found >= 0.95


@pytest.mark.parametrize(
    ("technique", "allowed"),
    [(Precision(dtype="bf16"), 0.01), (Int8WeightOnly(), 0.01), (Nf4(compute_dtype="fp32"), 0.05)],
    ids=lambda value: value.label() if isinstance(value, Technique) else "",
)
def test_smaller_formats_cost_little_of_it(technique: Technique, allowed: float) -> None:
    found = scoring.classifier(ReferenceVit(), bench(ReferenceVit(), (technique,)).model)["accuracy"]
    assert found >= scoring.stored()["reference_vit"]["accuracy"] - allowed


def test_it_hands_out_the_digits() -> None:
    held_out = ReferenceVit().labelled("test")
    assert held_out.labels is not None
    assert len(held_out.inputs) == len(held_out.labels) == 599
