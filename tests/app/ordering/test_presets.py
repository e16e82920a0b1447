"""Presets: wherever one is offered its study can be queued, and wherever not it says why."""

import itertools
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from app.ordering import presets
from app.ordering.presets import Offered
from workers.catalog.applicability import problems, unfit
from workers.catalog.model import Model
from workers.catalog.models import BY_WORD as MODELS
from workers.catalog.spec import MAX_RUNS, StudySpec
from workers.catalog.technique import DeviceKind
from workers.catalog.techniques import BY_WORD as TECHNIQUES
from workers.catalog.workloads import BY_WORD as WORKLOADS

NAMED: dict[str, dict[str, Any]] = {
    "hub": {"repository": "somebody/model", "revision": "0" * 40},
    "folder": {"folder": "mine"},
}


def models() -> Iterator[Model]:
    """Every entry of the menu, once for each kind it can be."""
    for word, entry in MODELS.items():
        for kind in sorted(entry.kinds):
            task = {"task": kind} if len(entry.kinds) > 1 else {}
            yield entry.model_validate(NAMED.get(word, {}) | task)


def offered(
    word: str, model: str = "llama", workload: str = "prefill", device: DeviceKind = "cpu", **sizes: int
) -> Offered:
    """One preset for one model and workload."""
    made = presets.offers(MODELS[model].model_validate({}), WORKLOADS[workload].model_validate(sizes), device)
    return next(offer for offer in made if offer.word == word)


def variants(offer: Offered) -> dict[str, list[str]]:
    """Words of the techniques of each variant, by its name."""
    assert offer.study is not None, offer.reason
    return {each["name"]: [layer["technique"] for layer in each["stack"]] for each in offer.study["variants"]}


@pytest.mark.parametrize("device", get_args(DeviceKind))
def test_what_is_offered_can_be_queued_and_the_rest_says_why(device: DeviceKind) -> None:
    seen: dict[str, set[bool]] = {preset.word: set() for preset in presets.PRESETS}
    for model in models():
        for workload in WORKLOADS.values():
            for offer in presets.offers(model, workload(), device):
                seen[offer.word].add(offer.study is not None)
                if offer.study is None:
                    assert offer.reason, (model.label, workload.word, offer.word)
                    continue
                spec = StudySpec.model_validate(offer.study)
                assert problems(spec) == [], (model.label, workload.word, offer.word)
                assert spec.variants
                assert offer.runs == spec.size <= MAX_RUNS
    assert seen == {word: {True, False} for word in seen}


def test_everything_holds_each_technique_that_fits_and_none_twice() -> None:
    for workload in ("decode", "train_step", "attention"):
        made = variants(offered("everything", workload=workload))
        tried = [words[-1] for words in made.values()]
        model, chosen = MODELS["llama"].model_validate({}), WORKLOADS[workload]()
        fitting = [t for t, entry in TECHNIQUES.items() if not unfit(entry, model, chosen, "cpu")]
        assert sorted(tried) == sorted(t for t in fitting if not TECHNIQUES[t]().unsuited(model))


def test_less_memory_adds_one_saver_at_a_time() -> None:
    made = list(variants(offered("less_memory")).values())
    assert made == [["precision"], ["precision", "attention"], ["precision", "attention", "nf4"]]
    training = list(variants(offered("less_memory", workload="train_step")).values())
    assert all(set(before) < set(after) for before, after in itertools.pairwise(training))
    assert "gradient_checkpointing" in training[-1]
    assert "whole model" in str(offered("less_memory", workload="attention").reason)


def test_quantisation_goes_down_from_bf16() -> None:
    made = list(variants(offered("quantisation")))
    assert made[:3] == ["bf16", "bf16 + int8", "bf16 + FP8"]
    assert made[-1] == "bf16 + nf4"
    assert "is for inference" in str(offered("quantisation", workload="train_step").reason)


def test_attention_by_length_doubles_and_takes_the_kernels_of_the_device() -> None:
    on_cpu, on_gpu = offered("attention"), offered("attention", device="cuda")
    assert list(variants(on_cpu)) == ["eager", "flash"]
    assert {"memory efficient", "cudnn"} < set(variants(on_gpu))
    assert on_gpu.study is not None
    assert on_gpu.study["baseline"]["stack"][0]["dtype"] == "bf16", "flash on a GPU takes no fp32"
    lengths = on_gpu.study["sweep"]["sequence_length"]
    assert all(after == 2 * before for before, after in itertools.pairwise(lengths))
    assert offered("attention", model="vit", workload="attention").study
    assert "no sequence" in str(offered("attention", model="vit", workload="classify").reason)
    assert "attention" in str(offered("attention", model="mlp", workload="classify").reason).lower()


def test_training_memory_stacks_and_leaves_out_what_the_batch_is_too_small_for() -> None:
    made = variants(offered("training", workload="train_step"))
    stacks = [set(words) for words in made.values()]
    assert {"precision", "gradient_checkpointing", "gradient_accumulation"} in stacks
    assert {"precision", "gradient_checkpointing", "gradient_accumulation", "chunked_loss"} in stacks
    assert {"precision", "gradient_checkpointing", "gradient_accumulation", "chunked_loss", "autocast"} in stacks
    small = variants(offered("training", workload="train_step", batch_size=1))
    assert not any("gradient_accumulation" in words for words in small.values())
    assert offered("training").reason == "Gradient checkpointing is for training; prefill is inference."


def test_quality_is_judged_where_there_are_outputs() -> None:
    with_outputs, without = offered("everything"), offered("everything", workload="attention")
    assert with_outputs.study is not None
    assert without.study is not None
    assert with_outputs.study["evaluation"]["name"] == "divergence"
    assert without.study["evaluation"] is None
