"""Int8 static: ranges come from samples by the method asked for, and no range is taken anew in a step."""

import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.techniques.int8_dynamic import Int8Dynamic
from workers.catalog.techniques.int8_static import Int8Static
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode

pytest.importorskip("modelopt")

SMALL = Mlp(width=64, layers=2)


def scales(technique: Int8Static) -> torch.Tensor:
    """The scale of each layer's activations."""
    model = bench(SMALL, (technique,)).model
    found = [getattr(weight, "act_quant_scale", None) for weight in model.parameters()]
    return torch.cat([scale.flatten() for scale in found if scale is not None])


def test_products_run_in_int8_with_ranges_of_the_models_own_data() -> None:
    said = proven(Int8Static(calibration_samples=16), Classify(batch_size=2), ReferenceVit())
    assert said.ran == "as_asked"
    assert "16 samples of the model's training data" in said.detail
    said = proven(Int8Static(calibration_samples=4), Decode(context_length=4), Llama())
    assert said.ran == "as_asked"
    assert "4 inputs from the seed" in said.detail


def test_methods_cut_off_more_or_less_of_what_was_seen() -> None:
    largest = scales(Int8Static())
    most = scales(Int8Static(calibration="percentile", percentile=99.0))
    fewer = scales(Int8Static(calibration="percentile", percentile=90.0))
    assert torch.all(fewer < most)
    assert torch.all(most < largest)
    found = scales(Int8Static(calibration="entropy"))
    assert torch.all((found > 0) & (found <= 1.01 * largest))


def test_it_stands_beside_bf16() -> None:
    stack = (Int8Static(calibration_samples=8), Precision(dtype="bf16"))
    assert verdicts(Classify(), SMALL, *stack) == {"int8_static": "as_asked", "precision": "as_asked"}


def test_ranges_taken_anew_are_a_fall_back() -> None:
    technique = Int8Static(calibration_samples=8)
    assert technique.proof(evidence(Classify(), bench(SMALL))).ran == "fell_back"
    dynamic = evidence(Classify(), bench(SMALL, (Int8Dynamic(),)))
    assert technique.proof(dynamic).ran == "fell_back"
    seen = evidence(Classify(), bench(SMALL, (technique,)))
    assert technique.proof(without(seen, operators={})).ran == "fell_back"
