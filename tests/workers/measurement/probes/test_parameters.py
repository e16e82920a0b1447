"""Parameters after conversion: zeros are not counted, nor is what is packed; frozen ones are not trainable."""

import pytest

from tests.workers.catalog.observed import bench
from workers.catalog.metrics import MODEL_NONZERO, MODEL_TRAINABLE
from workers.catalog.models.mlp import Mlp
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.unstructured_pruning import UnstructuredPruning
from workers.measurement.probes import parameters

MODEL = Mlp(width=64, layers=2)
WEIGHTS = 2 * 64 * 64
BIASES = 2 * (64 + 64) + 16
"""Of linear layers (zero as they are built) and, as many, of layer norms."""


def counted(model: object, phase: str) -> dict[str, float]:
    return {each.metric: each.value for each in parameters.readings(model, phase)}  # type: ignore[arg-type]


def test_zeros_are_not_counted() -> None:
    dense, pruned = (bench(MODEL, stack).model for stack in ((), (UnstructuredPruning(amount=0.25),)))
    before, after = (counted(model, "inference")[MODEL_NONZERO.name] for model in (dense, pruned))
    assert before - after == WEIGHTS // 4
    assert before == sum(weight.numel() for weight in dense.parameters()) - BIASES


def test_frozen_parameters_are_not_trainable() -> None:
    model = bench(MODEL).model
    everything = sum(weight.numel() for weight in model.parameters())
    assert counted(model, "training")[MODEL_TRAINABLE.name] == everything
    next(model.parameters()).requires_grad_(False)
    assert counted(model, "training")[MODEL_TRAINABLE.name] == everything - 64
    assert MODEL_TRAINABLE.name not in counted(model, "inference")


def test_what_is_quantised_is_not_counted() -> None:
    pytest.importorskip("torchao")
    assert counted(bench(MODEL, (Int8WeightOnly(),)).model, "inference") == {}
