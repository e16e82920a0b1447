"""Int4 weight-only: weights are packed in 4 bits and multiplied by torch's own kernel; layers of odd widths stay and are told."""

import pytest

from tests.workers.catalog.observed import CPU, bench, evidence, proven, verdicts, without
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.technique import DeviceFacts
from workers.catalog.techniques.int4_weight_only import Int4WeightOnly
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.prefill import Prefill


@pytest.mark.parametrize("scheme", ["range", "hqq"])
@pytest.mark.parametrize("group", [32, 64])
def test_weights_are_packed_and_multiplied_in_4_bits(group: int, scheme: str) -> None:
    technique = Int4WeightOnly.model_validate({"group": group, "scheme": scheme})
    seen = evidence(Prefill(sequence_length=8), bench(ReferenceDecoder(), (technique,)))
    assert technique.proof(seen).ran == "as_asked"
    assert seen.weight_classes["Int4OpaqueTensor"] == 4 * 7
    assert seen.weight_dtypes["uint8"] == 4 * (4 * 192 * 192 + 3 * 192 * 512) // 2


def test_layers_of_odd_widths_stay_and_are_told() -> None:
    said = proven(Int4WeightOnly(), Decode(context_length=4), Llama())
    assert said.ran == "as_asked"
    assert "no multiples of 64: 6." in said.detail, "the way down of a tiny Llama has 688 inputs"
    with pytest.raises(Unsupported, match="no layer can be cut so: 48 by 48"):
        bench(Mlp(width=48, layers=2), (Int4WeightOnly(group=32),))


def test_it_stands_beside_bf16() -> None:
    found = verdicts(Classify(), Mlp(width=64), Int4WeightOnly(), Precision(dtype="bf16"))
    assert found == {"int4_weight_only": "as_asked", "precision": "as_asked"}


def test_old_gpus_are_refused() -> None:
    assert Int4WeightOnly().refuses(CPU) is None
    assert "8.0" in str(Int4WeightOnly().refuses(DeviceFacts("cuda", "Tesla T4", (7, 5))))


def test_weights_or_products_in_another_format_are_a_fall_back() -> None:
    technique = Int4WeightOnly()
    assert technique.proof(evidence(Classify(), bench(Mlp(width=64)))).ran == "fell_back"
    seen = evidence(Classify(), bench(Mlp(width=64), (technique,)))
    assert technique.proof(without(seen, operators={"aten::addmm": 4})).ran == "fell_back"
    assert technique.proof(without(seen, weight_classes={"Int4OpaqueTensor": 1})).ran == "fell_back"
