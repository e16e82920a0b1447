"""Whether it fits, and what would make it fit."""

import pytest

from app.planner import families, training
from app.planner.fit import verdict, ways
from app.planner.training import Training
from tests.app.planner.test_families import PUBLISHED

GIB = 2**30
LLAMA = families.read(PUBLISHED["Llama 3.1 8B"][0])
FREE = 7.75 * GIB
"""Of a card of 8 GB, at best."""
ASKED = Training(batch=4, sequence=2_048, weights="nf4_double", rank=16, checkpointing=True)


def test_llama_8b_by_qlora_with_batch_4_does_not_fit_into_8_gb() -> None:
    assert verdict(training.needed(LLAMA, ASKED), FREE) == "no"
    assert verdict(training.needed(LLAMA, ASKED), 24 * GIB) == "tight"
    assert verdict(training.needed(LLAMA, ASKED), 80 * GIB) == "fits"


def test_the_smallest_changes_that_make_it_fit() -> None:
    found = ways(LLAMA, ASKED, 12 * GIB)
    assert found
    assert all(way.needed.high <= 12 * GIB for way in found)
    assert "loss in chunks" in found[0].words
    assert [len(way.words) for way in found] == sorted(len(way.words) for way in found)
    for way in found:
        assert not any(set(other.words) < set(way.words) for other in found)


def test_nothing_makes_70b_fit_into_8_gb() -> None:
    model = families.read(PUBLISHED["Llama 3.1 70B"][0])
    assert ways(model, ASKED, FREE) == []


@pytest.mark.parametrize("budget", [6, 8, 12, 16, 24, 48, 80])
def test_more_memory_never_fits_less(budget: int) -> None:
    order = ["no", "tight", "fits"]
    needed = training.needed(LLAMA, ASKED)
    assert order.index(verdict(needed, budget * GIB)) <= order.index(verdict(needed, 2 * budget * GIB))
