"""Bytes of weights: every format with its scales, against sizes of published files."""

import pytest

from app.planner.memory.formats import BY_WORD, FORMATS, weight_bytes
from app.planner.models import families
from tests.app.planner.models.test_families import PUBLISHED

LLAMA = families.read(PUBLISHED["Llama 3.1 8B"][0])


@pytest.mark.parametrize(
    ("word", "bits"),
    [("bf16", 16), ("int8", 8 + 16 / 4096), ("int4", 4 + 20 / 128), ("int4_32", 5), ("nf4", 4.5), ("nf4_double", 4.127), ("mxfp4", 4.25), ("nvfp4", 4.5)],
)  # fmt: skip
def test_bits_of_an_element(word: str, bits: float) -> None:
    query = next(each for each in LLAMA.matrices if each.name == "query")
    assert 8 * BY_WORD[word].bytes(query) / query.weights == pytest.approx(bits, abs=5e-4)


def test_what_quantisation_leaves_alone() -> None:
    """Llama 3.1 8B in NF4 with double quantisation takes 5.31 GiB, against 14.96 in BF16: 64.5 % less, not 75 %."""
    bf16 = weight_bytes(LLAMA, BY_WORD["bf16"], BY_WORD["bf16"])
    nf4 = weight_bytes(LLAMA, BY_WORD["nf4_double"], BY_WORD["bf16"])
    assert bf16 == 2 * LLAMA.parameters
    assert nf4 / 2**30 == pytest.approx(5.31, abs=0.01)
    assert 1 - nf4 / bf16 == pytest.approx(0.645, abs=0.002)


@pytest.mark.parametrize("name", PUBLISHED)
def test_fewer_bits_are_never_larger(name: str) -> None:
    model = families.read(PUBLISHED[name][0])
    sizes = [weight_bytes(model, BY_WORD[word], BY_WORD["bf16"]) for word in ("bf16", "int8", "nf4", "nf4_double")]
    assert sizes == sorted(sizes, reverse=True)


def test_formats_have_names_of_their_own_and_sources() -> None:
    assert len(BY_WORD) == len(FORMATS)
    assert all(each.source and each.title for each in FORMATS)
