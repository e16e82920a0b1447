"""What an arm does with its model, in this process: hooks in order, phases of memory, and results that cannot be right."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workers.catalog.observed import forget_graphs
from tests.workers.measurement.program import FP32, SPEC
from workers.catalog.spec import RunSpec
from workers.catalog.technique import Technique
from workers.measurement.failures import Invalid
from workers.measurement.messages import Answer, Order
from workers.measurement.subject import Subject

TRAINING: dict[str, Any] = SPEC | {"workload": {"name": "train_step", "batch_size": 8}, "evaluation": None}
ANY = Order(deed="load")


def ready(spec: dict[str, Any]) -> Subject:
    """The variant's model, through its first call."""
    order = Order(deed="begin", spec=RunSpec.model_validate(spec), arm="variant")
    subject = Subject(order)
    for deed in (subject.begin, subject.load, subject.convert, subject.first_call):
        deed(order)
    return subject


def readings(answer: Answer) -> dict[tuple[str, str], float]:
    return {(each.metric, each.phase): each.value for each in answer.readings}


def test_hooks_act_in_the_order_of_techniques_whatever_the_stack_says(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, str]] = []
    for hook in ("load_options", "compile"):

        def noted(self: Technique, argument: Any, hook: str = hook) -> Any:
            called.append((hook, self.word))
            return argument

        monkeypatch.setattr(Technique, hook, noted)
    stack = [{"technique": "gradient_accumulation", "steps": 2}, {"technique": "gradient_checkpointing"}]
    subject = ready(TRAINING | {"variant": {"name": "v", "stack": stack}})
    assert called == [(hook, t.word) for hook in ("load_options", "compile") for t in subject.stack]
    assert [t.word for t in subject.stack] == ["gradient_checkpointing", "gradient_accumulation"]


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """What an arm finds: nothing compiled so far, and no objects put out of the collector's sight."""
    from torch._dynamo.utils import counters, cumulative_time_spent_ns

    counters.clear()
    cumulative_time_spent_ns.clear()
    forget_graphs()
    yield
    gc.unfreeze()


def test_training_trains_and_inference_does_not() -> None:
    assert ready(TRAINING).model.training
    assert not ready(SPEC).model.training


def test_checkpointing_lowers_the_activations_of_a_training_step() -> None:
    llama = {"name": "llama", "preset": "tiny"}
    workload = {"name": "train_step", "batch_size": 4, "sequence_length": 128}
    peaks = []
    for stack in ([FP32], [FP32, {"technique": "gradient_checkpointing"}]):
        spec = TRAINING | {"model": llama, "workload": workload, "variant": {"name": "v", "stack": stack}}
        answer = ready(spec).memory(ANY)
        found = readings(answer)
        assert {phase for _, phase in found} == {"step", "forward", "backward", "optimizer"}
        for part in ("step", "forward", "backward", "optimizer"):
            parts = [value for (name, of), value in found.items() if of == part and name.startswith("memory.peak.")]
            assert sum(parts) == found["memory.peak_allocated", part]
        (timeline,) = answer.timelines
        assert (timeline.metric, timeline.phase, timeline.arm) == ("memory.allocated", "step", "variant")
        assert max(timeline.values) == found["memory.peak_allocated", "step"]
        assert list(timeline.at_s) == sorted(set(timeline.at_s))
        assert answer.notes == ()
        assert found["memory.peak_allocated", "step"] == max(
            found["memory.peak_allocated", part] for part in ("forward", "backward", "optimizer")
        )
        peaks.append(found)
    # The optimiser's own peak is the same in both.
    eager, checkpointed = peaks
    assert checkpointed["memory.activations", "forward"] < 0.5 * eager["memory.activations", "forward"]
    assert checkpointed["memory.activations", "step"] < eager["memory.activations", "step"]
    assert checkpointed["memory.peak_allocated", "backward"] < eager["memory.peak_allocated", "backward"]
    assert checkpointed["memory.peak_allocated", "optimizer"] == eager["memory.peak_allocated", "optimizer"]


def test_outputs_that_are_not_numbers_make_the_run_invalid(tmp_path: Path) -> None:
    subject = ready(SPEC)
    with torch.no_grad():
        next(subject.model.parameters()).fill_(torch.nan)
    with pytest.raises(Invalid, match="not finite numbers"):
        subject.outputs(Order(deed="outputs", path=str(tmp_path / "outputs.npy")))
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_not_a_number_makes_the_run_invalid() -> None:
    subject = ready(TRAINING)
    with torch.no_grad():
        next(subject.model.parameters()).fill_(torch.nan)
    subject.memory(ANY)
    subject.count(ANY)
    with pytest.raises(Invalid, match="loss of a step of the variant is nan"):
        subject.observe(ANY)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler imports what torch deprecates.
def test_a_compiled_arm_counts_its_work_eagerly_and_tells_compile_time_apart() -> None:
    order = Order(
        deed="begin",
        spec=RunSpec.model_validate(SPEC | {"variant": {"name": "v", "stack": [FP32, {"technique": "torch_compile"}]}}),
        arm="variant",
    )
    subject = Subject(order)
    for deed in (subject.begin, subject.load, subject.convert):
        deed(order)
    first = readings(subject.first_call(order))["cold_start.first_call", "first_call"]
    assert 0 < readings(subject.memory(order))["cold_start.compile", "compile"] <= first
    flops = readings(subject.count(order))["compute.flops", "classify"]
    assert flops == 2 * 32 * (3 * 256 * 256 + 256 * 16)
    proofs = {proof.technique: proof.ran for proof in subject.observe(order).proofs}
    assert proofs == {"precision": "as_asked", "torch_compile": "as_asked"}
