"""Whether it fits: the bounds decide, and the verdict of record."""

import pytest

from app.planner.memory import training
from app.planner.memory.fit import verdict
from app.planner.memory.training import Training
from app.planner.models import families
from tests.app.planner.models.test_families import PUBLISHED

GIB = 2**30
LLAMA = families.read(PUBLISHED["Llama 3.1 8B"][0])
FREE = 7.75 * GIB
"""Of a card of 8 GB, at best."""
ASKED = Training(batch=4, sequence=2_048, weights="nf4_double", rank=16, checkpointing=True)


def test_llama_8b_by_qlora_with_batch_4_does_not_fit_into_8_gb() -> None:
    assert verdict(training.needed(LLAMA, ASKED), FREE) == "no"
    assert verdict(training.needed(LLAMA, ASKED), 80 * GIB) == "fits"


def test_with_one_sequence_and_a_loss_in_chunks_it_is_tight() -> None:
    asked = ASKED.model_copy(update={"batch": 1, "loss": "chunked", "optimizer": "adamw_8bit"})
    assert verdict(training.needed(LLAMA, asked), FREE) == "tight"


def test_bounds_decide() -> None:
    needed = training.needed(LLAMA, ASKED)
    assert needed.low < needed.peak.bytes < needed.high
    assert verdict(needed, needed.high) == "fits"
    assert verdict(needed, needed.high - 1) == "tight"
    assert verdict(needed, needed.low) == "tight"
    assert verdict(needed, needed.low - 1) == "no"


@pytest.mark.parametrize("budget", [6, 8, 12, 16, 24, 48, 80])
def test_more_memory_never_fits_less(budget: int) -> None:
    order = ["no", "tight", "fits"]
    needed = training.needed(LLAMA, ASKED)
    assert order.index(verdict(needed, budget * GIB)) <= order.index(verdict(needed, 2 * budget * GIB))
