"""What variants of the catalogue will need, held against what the shipped studies measured; and where nothing is said."""

from statistics import median
from typing import Any

import pytest

from app.planner import machines, predicted
from app.planner.predicted import NotPredicted
from app.terminal.demo import SHIPPED
from workers.catalog import metrics, recorded
from workers.catalog.spec import StudySpec

EAGER = ("decoder-lengths", "decoder-quantisation", "decoder-training", "llama-memory", "decoder-cache")
"""Shipped studies of decoders without compiled graphs."""


def study(**changed: Any) -> StudySpec:
    order = {
        "name": "x", "model": {"name": "llama", "preset": "8b"},
        "workload": {"name": "train_step", "batch_size": 4, "sequence_length": 2_048},
        "baseline": {"name": "fp32", "stack": [{"technique": "precision", "dtype": "fp32"}]}, "device": "cpu",
    }  # fmt: skip
    return StudySpec.model_validate(order | changed)


def errors() -> list[tuple[str, float]]:
    """Of the formula over what was measured, for every run of the shipped studies that formulas reach."""
    found = []
    for word in EAGER:
        held = recorded.read(SHIPPED / f"{word}{recorded.ENDING}")
        for planned, run in zip(held.study.runs(), held.runs, strict=True):
            peak = next(
                (
                    one.value
                    for one in run.report.measurements
                    if one.metric == metrics.MEMORY_PEAK_ALLOCATED.name
                    and one.arm == "variant"
                    and one.phase == planned.spec.workload.main_phase
                ),
                None,
            )
            try:
                needs = predicted.arm(planned.spec.model, planned.spec.workload, planned.variant.stack)
            except NotPredicted:
                continue
            if peak:
                found.append((f"{word} {planned.variant.name} {planned.point}", needs.bytes / peak - 1))
    return found


def test_what_was_measured_was_predicted() -> None:
    found = errors()
    assert len(found) >= 20
    assert median(abs(error) for _, error in found) <= 0.03, found
    assert max(abs(error) for _, error in found) <= 0.12, sorted(found, key=lambda one: -abs(one[1]))[:4]
    training = [(name, error) for name, error in found if name.startswith("decoder-training")]
    assert {name.split(" ", 1)[1].rsplit(" ", 1)[0] for name, _ in training} >= {"fp32", "autocast", "accumulation"}
    assert max(abs(error) for _, error in training) <= 0.01, training


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"model": {"name": "resnet"}, "workload": {"name": "classify"}}, "no decoder"),
        ({"model": {"name": "folder", "folder": "mine"}}, "not known before"),
        ({"workload": {"name": "attention"}}, "not for the workload"),
        ({"baseline": {"name": "x", "stack": [{"technique": "llm_int8"}]}}, "LLM.int8()"),
        (
            {"baseline": {"name": "x", "stack": [{"technique": "autocast"}, {"technique": "int8_weight_only"}]}},
            "whole weights",
        ),
        ({"baseline": {"name": "x", "stack": [{"technique": "optimizer", "algorithm": "adamw_fp8"}]}}, "adamw_fp8"),
        (
            {"baseline": {"name": "x", "stack": [{"technique": "optimizer", "algorithm": "sgd", "in_backward": True}]}},
            "all gradients",
        ),
    ],
)
def test_where_nothing_is_said_there_is_a_reason(changed: dict[str, Any], says: str) -> None:
    (only,) = predicted.variants(study(**changed), ())
    assert only.needs is None
    assert only.reason is not None
    assert says in only.reason


def test_the_largest_point_of_a_sweep_counts() -> None:
    (only,) = predicted.variants(study(sweep={"sequence_length": [128, 4_096, 512]}), ())
    assert only.point == {"sequence_length": 4_096}


def test_moments_have_the_format_of_the_weights() -> None:
    stack = [{"technique": "precision", "dtype": "bf16"}]
    whole, half = predicted.variants(study(variants=[{"name": "bf16", "stack": stack}]), ())
    assert whole.needs is not None
    assert half.needs is not None
    assert whole.needs.parts["optimizer"] == 2 * half.needs.parts["optimizer"] == 8 * 8_030_261_248


def test_what_is_converted_in_place_needs_the_whole_model_first() -> None:
    """The verdict is about loading too; the peak of a step is not."""
    stack = [{"technique": "precision", "dtype": "bf16"}, {"technique": "int8_weight_only"}]
    _, int8 = predicted.variants(study(workload={"name": "decode"}, variants=[{"name": "int8", "stack": stack}]), ())
    assert int8.needs is not None
    assert int8.needs.bytes < 1.3 * 8_030_261_248
    assert int8.needs.on_device >= 2 * 8_030_261_248


def test_a_known_repository_of_the_hub_is_predicted() -> None:
    model = {"name": "hub", "repository": "meta-llama/Llama-3.1-8B", "revision": "0" * 40}
    (hub,) = predicted.variants(study(model=model), ())
    (preset,) = predicted.variants(study(), ())
    assert hub.needs == preset.needs


def test_autocast_keeps_long_weights_and_moments() -> None:
    stack = [{"technique": "autocast", "dtype": "bf16"}]
    whole, cast = predicted.variants(study(variants=[{"name": "autocast", "stack": stack}]), ())
    assert whole.needs is not None
    assert cast.needs is not None
    assert cast.needs.parts["weights"] == whole.needs.parts["weights"]
    assert cast.needs.parts["optimizer"] == whole.needs.parts["optimizer"]
    assert cast.needs.parts["autocast copies"] == pytest.approx(2 * 7.505e9, rel=1e-3)
    assert 0.5 < cast.needs.parts["activations"] / whole.needs.parts["activations"] < 0.8


def test_micro_batches_need_the_activations_of_one_and_all_gradients() -> None:
    stack = [{"technique": "precision", "dtype": "fp32"}, {"technique": "gradient_accumulation", "steps": 4}]
    whole, pieces = predicted.variants(study(variants=[{"name": "pieces", "stack": stack}]), ())
    assert whole.needs is not None
    assert pieces.needs is not None
    assert pieces.needs.instant == whole.needs.instant == "start of the backward pass"
    assert pieces.needs.parts["activations"] == whole.needs.parts["activations"] / 4
    assert pieces.needs.parts["gradients"] == 4 * 8_030_261_248


@pytest.mark.parametrize(
    ("optimizer", "states", "besides"),
    [
        ({"algorithm": "sgd"}, 4, 0),
        ({"algorithm": "adamw_8bit"}, 2.03125, 0),
        ({"algorithm": "adamw", "implementation": "fused"}, 8, 0),
        ({"algorithm": "adamw", "implementation": "foreach"}, 8, 4),
    ],
)
def test_states_and_step_are_the_optimizers(optimizer: dict[str, str], states: float, besides: float) -> None:
    """Of a batch so small that the optimizer's step decides."""
    asked = study(
        workload={"name": "train_step", "batch_size": 1, "sequence_length": 2},
        variants=[{"name": "other", "stack": [{"technique": "optimizer"} | optimizer]}],
    )
    _, other = predicted.variants(asked, ())
    assert other.needs is not None
    assert other.needs.instant == "optimizer's step"
    assert other.needs.parts["optimizer"] == pytest.approx(states * 8_030_261_248)
    assert other.needs.parts.get("step", 0) == besides * 8_030_261_248


def test_adapters_have_gradients_and_moments_of_their_own_alone() -> None:
    fp32 = {"technique": "precision", "dtype": "fp32"}
    lora = {"technique": "lora", "rank": 8}
    stacks = {
        "lora": [fp32, lora],
        "of attention": [fp32, lora | {"targets": "attention"}],
        "short": [{"technique": "precision", "dtype": "bf16"}, lora],
    }
    _, found, attention, short = predicted.variants(
        study(variants=[{"name": name, "stack": stack} for name, stack in stacks.items()]), ()
    )
    assert found.needs is not None
    attending, gated = 2 * (4_096 + 4_096) + 2 * (4_096 + 1_024), 3 * (4_096 + 14_336)
    assert found.needs.parts["optimizer"] == 8 * 32 * 8 * (attending + gated)
    assert "all linear layers" in str(attention.reason)
    assert "whatever the weights are in" in str(short.reason)


def test_a_chunked_loss_holds_no_logits_and_selective_checkpoints_are_not_in_the_formulas() -> None:
    fp32 = {"technique": "precision", "dtype": "fp32"}
    chunked, selective = (
        [fp32, {"technique": "chunked_loss"}],
        [fp32, {"technique": "gradient_checkpointing", "selective": True}],
    )
    variants = [{"name": "chunked", "stack": chunked}, {"name": "selective", "stack": selective}]
    whole, pieces, kept = predicted.variants(study(variants=variants), ())
    assert whole.needs is not None
    assert pieces.needs is not None
    assert "logits" in whole.needs.parts
    assert "logits" not in pieces.needs.parts
    assert "nothing of a checkpointed layer kept" in str(kept.reason)


def test_what_cannot_fit_with_a_devices_context_does_not() -> None:
    """A memory between what tensors take at least and what the device takes with them is too small, not tight."""
    spec = study(device="cuda")
    needs = predicted.arm(spec.model, spec.workload, spec.baseline.stack, "cuda")
    assert needs.low < needs.on_device_low < needs.on_device
    between = (needs.low + needs.on_device_low) / 2
    machine = machines.of_title("H100 SXM")
    machine = machine.model_copy(update={"memory": round(machine.memory * between / machine.free)})
    assert needs.low < machine.free < needs.on_device_low
    assert predicted.variants(spec, (machine,))[0].verdict == "no"
