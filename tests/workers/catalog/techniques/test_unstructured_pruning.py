"""Unstructured pruning: so many weights are zero, the small ones; shapes and bytes stay, and no speed is promised."""

import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.applicability import clash
from workers.catalog.compression import zeros
from workers.catalog.model import Model
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.technique import LoadOptions
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.unstructured_pruning import UnstructuredPruning
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.prefill import Prefill

PREFILL = Prefill(sequence_length=8)


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize(
    "model", [Mlp(width=64), Vit(image_size=32), Resnet(preset="tiny", image_size=32)], ids=lambda model: model.word
)
def test_the_share_of_zeros_is_what_was_asked(model: Model, scope: str) -> None:
    technique = UnstructuredPruning.model_validate({"amount": 0.3, "scope": scope})
    ready = bench(model, (technique,))
    seen = zeros.total(zeros.count(ready.model))
    assert seen.zeros / seen.weights == pytest.approx(0.3, abs=0.001)
    verified = technique.proof(evidence(Classify(batch_size=2), ready))
    assert verified.ran == "as_asked"
    assert "neither memory nor time" in verified.detail


def test_small_weights_go_and_the_others_stay_where_they_are() -> None:
    model = Mlp(width=64)
    dense = model.build(LoadOptions()).get_submodule("blocks.0.1").weight
    pruned = bench(model, (UnstructuredPruning(amount=0.5),)).model.get_submodule("blocks.0.1").weight
    assert isinstance(dense, torch.Tensor)
    assert isinstance(pruned, torch.nn.Parameter)
    gone = pruned == 0
    assert dense[gone].abs().max() <= dense[~gone].abs().min()
    assert torch.equal(pruned[~gone], dense[~gone])


def test_scores_embeddings_and_bytes_are_left_alone() -> None:
    seen = evidence(PREFILL, bench(Llama(), (UnstructuredPruning(),)))
    plain = evidence(PREFILL, bench(Llama()))
    assert seen.weight_dtypes == plain.weight_dtypes
    assert len(seen.facts[zeros.ZEROS]) == 6 * 7


def test_pruning_all_layers_together_spares_some() -> None:
    found = zeros.count(bench(ReferenceDecoder(), (UnstructuredPruning(scope="global"),)).model)
    shares = [each.zeros / each.weights for each in found.values()]
    assert max(shares) - min(shares) > 0.05


def test_it_stacks_with_short_formats_and_with_quantisation_whose_zeros_can_be_read() -> None:
    technique = UnstructuredPruning(amount=0.5)
    assert set(verdicts(PREFILL, Llama(), technique, Precision(dtype="bf16")).values()) == {"as_asked"}
    assert clash(technique, Nf4())
    assert clash(Nf4(), technique)
    pytest.importorskip("torchao")
    assert proven(technique, PREFILL, Llama(), Int8WeightOnly()).ran == "as_asked"


def test_too_few_zeros_are_a_fall_back() -> None:
    seen = evidence(Classify(), bench(Mlp(width=64), (UnstructuredPruning(amount=0.3),)))
    assert UnstructuredPruning(amount=0.4).proof(seen).ran == "fell_back"
    assert UnstructuredPruning(amount=0.4, scope="global").proof(seen).ran == "fell_back"
    assert UnstructuredPruning(amount=0.3).proof(without(seen, facts={})).ran == "fell_back"
