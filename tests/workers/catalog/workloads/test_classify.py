"""Classify: one forward pass over the batch, for every kind of classifier."""

import pytest

from tests.workers.catalog.observed import bench, steps
from workers.catalog.model import Model
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.workloads.classify import Classify


@pytest.mark.parametrize(
    "model",
    [Mlp(width=64), Vit(image_size=32), Resnet(preset="tiny", image_size=32), Resnet(preset="50", image_size=32)],
    ids=lambda model: model.label,
)
def test_it_scores_the_batch(model: Model) -> None:
    workload = Classify(batch_size=3)
    assert steps(workload.prepare(bench(model)), 2) == []
    assert (workload.main_phase, workload.samples, workload.tokens) == ("classify", 3, None)
