"""The digits: as many as scikit-learn has, from -1 to 1, every writer and digit in both splits."""

import numpy as np
import pytest

from workers.catalog.model import Split
from workers.catalog.reference import digits


@pytest.mark.parametrize(("split", "count"), [("train", 1_198), ("test", 599)])
def test_a_split(split: Split, count: int) -> None:
    found = digits.labelled(split)
    assert found.labels is not None
    assert found.inputs.shape == (count, 1, digits.SIDE, digits.SIDE)
    assert found.inputs.dtype == np.float32
    assert (found.inputs.min(), found.inputs.max()) == (-1.0, 1.0)
    assert found.labels.shape == (count,)
    assert found.labels.dtype == np.int64
    assert np.bincount(found.labels).min() > 0.08 * count
    assert found.window is None


def test_the_splits_share_no_image() -> None:
    train, test = digits.labelled("train").inputs, digits.labelled("test").inputs
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}


def test_the_first_image_is_the_zero_that_scikit_learn_shows() -> None:
    found = digits.labelled("train")
    assert found.labels is not None
    assert found.labels[:2].tolist() == [0, 1]
    assert ((found.inputs[0, 0, 0] + 1) * 8).tolist() == [0, 0, 5, 13, 9, 1, 0, 0]


def test_changing_what_was_given_out_changes_nobody_elses() -> None:
    digits.labelled("test").inputs[:] = 0
    assert digits.labelled("test").inputs.min() == -1.0
