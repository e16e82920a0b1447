"""NVFP4: weights are packed in 4 bits, values fall on the format's grid, and what is emulated says so."""

import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.applicability import conflict
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.techniques.nvfp4 import Nvfp4
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode

GRID = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
"""Magnitudes of E2M1."""


@pytest.mark.parametrize("rounded", ["weights and activations", "weights"])
def test_weights_are_packed_in_4_bits(rounded: str) -> None:
    technique = Nvfp4.model_validate({"rounded": rounded})
    seen = evidence(Decode(context_length=4), bench(ReferenceDecoder(), (technique,)))
    said = technique.proof(seen)
    assert (said.ran, said.simulated) == ("emulated", True), said.detail
    assert seen.weight_dtypes["uint8"] == 4 * (4 * 192 * 192 + 3 * 192 * 512) // 2


def test_values_fall_on_the_grid() -> None:
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    rounded = Nvfp4().quantize(x).dequantize().reshape(-1, Nvfp4.group)
    for group in rounded:
        found = group.abs().unique()
        assert len(found) <= len(GRID)
        # Some scale puts all of a group's magnitudes on the grid.
        scales = found.max() / GRID[1:]
        off = [(found[:, None] / scale - GRID).abs().min(1).values.max() for scale in scales]
        assert min(off) < 1e-3
    assert torch.count_nonzero(Nvfp4().quantize(torch.zeros(1, 64)).dequantize()) == 0


def test_it_stands_beside_bf16_but_is_not_compiled() -> None:
    found = verdicts(Classify(), Mlp(width=64), Nvfp4(), Precision(dtype="bf16"))
    assert found == {"nvfp4": "emulated", "precision": "as_asked"}
    assert conflict(Nvfp4, TorchCompile)


def test_no_packed_weight_or_product_is_a_fall_back() -> None:
    technique = Nvfp4()
    assert technique.proof(evidence(Classify(), bench(Mlp(width=64)))).ran == "fell_back"
    assert proven(technique, Classify(), Mlp(width=64)).ran == "emulated"
    seen = evidence(Classify(), bench(Mlp(width=64), (technique,)))
    assert technique.proof(without(seen, operators={})).ran == "fell_back"
    assert technique.proof(without(seen, weight_classes={technique.tensor_class: 1})).ran == "fell_back"
