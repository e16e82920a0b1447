"""The ladder of quantisations on a trained model: no rung is surely better than the one before it, and clear steps are clear.

Differences of log perplexity over fp32, window by window of the same held-out text, in the mean ± its standard error.
"""

from itertools import pairwise

import numpy as np
import pytest

from tests.workers.catalog.observed import bench
from workers.catalog.evaluations.perplexity import Perplexity
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.technique import Technique
from workers.catalog.techniques.awq import Awq
from workers.catalog.techniques.gptq import Gptq
from workers.catalog.techniques.int4_weight_only import Int4WeightOnly
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.smoothquant import SmoothQuant
from workers.catalog.workloads.prefill import Prefill

pytestmark = pytest.mark.long
pytest.importorskip("modelopt")

SURE = 2.6
"""Standard errors between two means that chance puts there once in a hundred times."""
DOWN = ("fp32", "bf16", "int8 weights and activations", "int4, awq", "int4")
"""From long to short. AWQ's grid has no zero point and plain int4's has, so that the two cannot be told apart here."""
CLEAR = (
    ("fp32", "int8 weights and activations"),
    ("bf16", "int8 weights and activations"),
    ("int8 weights", "int4, awq"),
    ("int8 weights", "int4"),
    ("int4, gptq", "int4"),
)
"""The finer one and the rougher one."""
RUNGS: dict[str, tuple[Technique, ...]] = {
    "fp32": (),
    "int8 weights": (Int8WeightOnly(),),
    "bf16": (Precision(dtype="bf16"),),
    "int8 weights and activations": (SmoothQuant(calibration_samples=8),),
    "int4, gptq": (Gptq(calibration_samples=8),),
    "int4, awq": (Awq(calibration_samples=8),),
    "int4": (Int4WeightOnly(),),
}


@pytest.fixture(scope="module")
def surprises() -> dict[str, np.ndarray]:
    """Of every rung the mean surprise of each window, in nats per token."""
    scored = Perplexity(tokens=20_000, window=256, stride=255)
    found = {}
    for name, stack in RUNGS.items():
        outputs = scored.outputs(bench(ReferenceDecoder(), stack), Prefill())
        windows = outputs["window"]
        found[name] = np.bincount(windows, outputs["surprise"].astype(float)) / np.bincount(windows)
    return found


def steps(surprises: dict[str, np.ndarray], finer: str, rougher: str) -> float:
    """By how many standard errors the rougher one is worse."""
    each = surprises[rougher] - surprises[finer]
    return float(each.mean() / (each.std(ddof=1) / len(each) ** 0.5))


def test_no_rung_is_surely_better_than_the_one_before_it(surprises: dict[str, np.ndarray]) -> None:
    found = {(finer, rougher): steps(surprises, finer, rougher) for finer, rougher in pairwise(DOWN)}
    assert min(found.values()) > -SURE, found


def test_clear_steps_are_beyond_chance(surprises: dict[str, np.ndarray]) -> None:
    found = {pair: steps(surprises, *pair) for pair in CLEAR}
    assert min(found.values()) > SURE, found
