"""Decoders of other families: as many parameters as published, sane answers, and techniques that work on them."""

from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from transformers import AutoConfig, AutoModelForCausalLM

from tests.workers.catalog.observed import bench, verdicts
from workers.catalog.models.architecture import PRESETS, Architecture
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.structured_pruning import StructuredPruning
from workers.catalog.workloads.generate import Generate
from workers.catalog.workloads.train_step import TrainStep

PUBLISHED = {
    "gpt2": 124_439_808,
    "qwen3_0.6b": 596_049_920,
    "qwen3_8b": 8_190_735_360,
    "mistral_7b": 7_241_732_096,
    "gemma_2b": 2_506_172_416,
    "mixtral_8x7b": 46_702_792_704,
}
"""Parameters of the checkpoints on the hub, tied weights once."""
TINY = [preset for preset in PRESETS if preset.endswith("_tiny")]


def test_every_preset_is_tiny_or_published() -> None:
    assert set(PRESETS) == set(PUBLISHED) | set(TINY)


@pytest.mark.parametrize("preset", PUBLISHED)
def test_parameters_are_those_that_were_published(preset: str) -> None:
    model = Architecture.model_validate({"preset": preset})
    of_config: Any = AutoModelForCausalLM.from_config
    with init_empty_weights():
        built = of_config(AutoConfig.for_model(**model.config))
    built.tie_weights()
    assert sum(weight.numel() for weight in built.parameters()) == PUBLISHED[preset]


@pytest.mark.parametrize("preset", TINY)
def test_answers_hang_on_the_input_and_the_seed_and_have_a_healthy_spread(preset: str) -> None:
    model = Architecture.model_validate({"preset": preset})

    def scores(seed: int) -> torch.Tensor:
        built = bench(model, seed=seed).model
        with torch.inference_mode():
            return model.logits(built, model.inputs(built, batch_size=8, length=8, seed=1))[:, -1]

    found = scores(0)
    assert torch.isfinite(found).all()
    assert 0.3 < found.std() < 3
    assert len(set(found.argmax(-1).tolist())) > 1
    assert torch.equal(found, scores(0))
    assert not torch.equal(found, scores(1))


@pytest.mark.parametrize("preset", TINY)
def test_it_generates_with_a_static_cache_and_trains(preset: str) -> None:
    model = Architecture.model_validate({"preset": preset})
    cache = KvCache(implementation="static")
    assert verdicts(Generate(prompt_length=4, new_tokens=3), model, cache) == {"kv_cache": "as_asked"}
    ready = bench(model)
    session = TrainStep(batch_size=2, sequence_length=8).prepare(ready)
    session.step(lambda phase: None)
    assert 4 < session.facts()["loss"] < 13


@pytest.mark.parametrize("preset", ["gpt2_tiny", "qwen3_tiny"])
def test_units_can_be_taken_out(preset: str) -> None:
    pytest.importorskip("torch_pruning")
    found = verdicts(
        Generate(prompt_length=4, new_tokens=3), Architecture.model_validate({"preset": preset}), StructuredPruning()
    )
    assert found == {"structured_pruning": "as_asked"}
