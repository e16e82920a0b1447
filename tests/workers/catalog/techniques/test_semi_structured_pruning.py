"""2:4 pruning: two of four are zero everywhere; on a CPU that is emulated, and nothing is said of speed or memory."""

import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven, without
from workers.catalog.applicability import clash
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.semi_structured_pruning import GROUPS, SPARSE, SemiStructuredPruning, two_of_four
from workers.catalog.techniques.unstructured_pruning import UnstructuredPruning
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.prefill import Prefill

TECHNIQUE = SemiStructuredPruning()


def test_the_two_strongest_of_four_stay() -> None:
    weight = torch.tensor([[1.0, -4.0, 3.0, 2.0, 0.5, 0.0, -0.25, 0.75]])
    assert two_of_four(weight).tolist() == [[0.0, -4.0, 3.0, 0.0, 0.5, 0.0, 0.0, 0.75]]


def test_on_a_cpu_it_is_simulated() -> None:
    for verified in (
        proven(TECHNIQUE, Prefill(sequence_length=8), Llama()),
        proven(TECHNIQUE, Classify(batch_size=2), Vit(image_size=32), Precision(dtype="bf16")),
    ):
        assert (verified.ran, verified.simulated) == ("emulated", True), verified.detail
        assert "neither memory nor time" in verified.detail


def test_half_of_every_inner_layer_is_zero() -> None:
    ready = bench(Mlp(width=64, layers=2), (TECHNIQUE,))
    layers = [module for module in ready.model.modules() if isinstance(module, torch.nn.Linear)]
    assert [float((layer.weight == 0).float().mean()) for layer in layers] == [0.5, 0.5, 0.0]


def test_a_group_without_zeros_is_a_fall_back() -> None:
    seen = evidence(Classify(), bench(Mlp(width=64), (TECHNIQUE,)))
    full, groups = seen.facts[GROUPS]
    assert full == groups == 4 * 64 * 16
    assert TECHNIQUE.proof(without(seen, facts={**seen.facts, GROUPS: (full - 1, groups)})).ran == "fell_back"
    assert TECHNIQUE.proof(without(seen, facts={})).ran == "fell_back"


def test_sparse_layers_without_sparse_products_are_a_fall_back() -> None:
    seen = evidence(Classify(), bench(Mlp(width=64), (TECHNIQUE,)))
    sparse = {**seen.facts, SPARSE: 4}
    assert TECHNIQUE.proof(without(seen, facts=sparse)).ran == "fell_back"
    native = TECHNIQUE.proof(without(seen, facts=sparse, operators={"aten::_cslt_sparse_mm": 4}))
    assert (native.ran, native.simulated) == ("as_asked", False)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Unsupported, match="groups of 4"):
        bench(Mlp(width=30), (TECHNIQUE,))
    with pytest.raises(Unsupported, match="linear layers"):
        bench(Resnet(preset="tiny", image_size=32), (TECHNIQUE,))
    assert clash(TECHNIQUE, Int8WeightOnly())
    assert clash(UnstructuredPruning(), TECHNIQUE)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no NVIDIA GPU")
def test_on_a_gpu_sparse_kernels_multiply() -> None:
    weight = torch.randn(64, 128, device="cuda", dtype=torch.float16)
    layer = torch.nn.Linear(128, 64, bias=False, device="cuda", dtype=torch.float16)
    layer.weight = torch.nn.Parameter(weight)
    model = torch.nn.Sequential(layer, torch.nn.Linear(64, 64, device="cuda", dtype=torch.float16))
    pruned = TECHNIQUE.transform(model)
    values = torch.randn(32, 128, device="cuda", dtype=torch.float16)
    with torch.inference_mode():
        sparse = pruned[0](values)  # type: ignore[index]
    torch.testing.assert_close(sparse, values @ two_of_four(weight).T, rtol=1e-2, atol=1e-2)
    assert TECHNIQUE.inspect(pruned)[SPARSE] == 1
