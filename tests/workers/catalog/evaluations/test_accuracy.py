"""Accuracy: right answers of held-out samples, the same samples in every arm."""

import numpy as np
import pytest

from tests.workers.catalog.observed import bench
from workers.catalog.evaluations.accuracy import Accuracy
from workers.catalog.metrics import QUALITY_TOP1
from workers.catalog.model import Model, Unsupported
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.models.vit import Vit
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.classify import Classify

WORKLOAD = Classify()
MODELS = (ReferenceVit(), ReferenceCnn())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_the_trained_models_read_digits(model: Model) -> None:
    found = Accuracy().outputs(bench(model), WORKLOAD)
    scores = Accuracy().score(found, found)[QUALITY_TOP1.name]
    held_out = model.labelled("test")
    assert held_out is not None
    assert len(scores.variant) == len(held_out.inputs)
    assert scores.variant.mean() >= 0.95


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_arms_answer_the_same_samples(model: Model) -> None:
    plain, rounded = (Accuracy(samples=100).outputs(bench(model, stack), WORKLOAD) for stack in ((), (Precision(),)))
    np.testing.assert_array_equal(plain["right"], rounded["right"])
    scores = Accuracy().score(plain, rounded)[QUALITY_TOP1.name]
    assert scores.baseline is not None
    assert len(scores.baseline) == len(scores.variant) == 100


def test_a_wrong_answer_counts_as_wrong() -> None:
    right = np.array([3, 1, 4, 1])
    scores = Accuracy().score({"answer": right, "right": right}, {"answer": np.array([3, 1, 5, 9]), "right": right})
    assert scores[QUALITY_TOP1.name].variant.tolist() == [1.0, 1.0, 0.0, 0.0]


def test_a_model_without_labels_is_refused_before_and_while_it_runs() -> None:
    assert "no labelled samples" in str(Accuracy().misfit(Vit(), WORKLOAD))
    with pytest.raises(Unsupported, match="no held-out data"):
        Accuracy().outputs(bench(Vit(image_size=32)), WORKLOAD)
