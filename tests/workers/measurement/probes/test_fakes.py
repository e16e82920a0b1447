"""Memory counted on fake tensors, against torch's allocation events of the same step on real ones and against torch's tracker."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from workers.catalog.model import Unsupported
from workers.catalog.spec import RunSpec
from workers.catalog.technique import LoadOptions, Technique
from workers.catalog.workload import Bench, Session, unmarked
from workers.measurement.probes import anatomy, fakes, memory, workspaces
from workers.measurement.probes.anatomy import Anatomy

MIB = 2**20
DECODER = {"name": "reference_decoder"}
BF16 = {"technique": "precision", "dtype": "bf16"}
CHECKPOINTING = {"technique": "gradient_checkpointing"}


def train(batch: int, length: int = 2) -> dict[str, Any]:
    return {"name": "train_step", "batch_size": batch, "sequence_length": length}


def ordered(model: dict[str, Any], workload: dict[str, Any], *stack: dict[str, Any]) -> RunSpec:
    arm = {"name": "arm", "stack": stack}
    return RunSpec.model_validate(
        {"model": model, "workload": workload, "baseline": arm, "variant": arm, "effort": "exact"}
    )


def techniques(spec: RunSpec) -> tuple[Technique, ...]:
    return tuple(sorted(spec.variant.stack, key=lambda technique: technique.order))


def counted(spec: RunSpec) -> Anatomy:
    return fakes.of_step(spec, techniques(spec))


def prepared(spec: RunSpec, stack: Sequence[Technique]) -> tuple[torch.nn.Module, Session]:
    options = LoadOptions(seed=spec.seed)
    for technique in stack:
        options = technique.load_options(options)
    model = spec.model.build(options)
    for technique in stack:
        model = technique.convert(spec.model, model, spec.seed)
    model.train(spec.workload.phase == "training")
    return model, spec.workload.prepare(Bench(model, spec.model, stack, "cpu", spec.seed))


def measured(spec: RunSpec) -> Anatomy:
    """The same step computed, under the probe that every measured run uses; without what other tests have left behind."""
    before = sum(memory.held(torch.device("cpu")).values())
    model, session = prepared(spec, techniques(spec))
    session.step(unmarked)
    session.between()
    gc.collect()
    found = anatomy.of_step(model, session, torch.device("cpu"), spec.workload.main_phase)
    return found._replace(peaks=tuple(peak._replace(allocated=peak.allocated - before) for peak in found.peaks))


@pytest.mark.parametrize(
    "spec",
    [
        ordered(DECODER, train(2, 256)),
        ordered(DECODER, train(2, 256), CHECKPOINTING),
        ordered(DECODER, train(4, 64), {"technique": "gradient_accumulation", "steps": 2}),
        ordered(DECODER, train(2, 128), {"technique": "attention", "backend": "eager"}),
        ordered(DECODER, train(1, 48), BF16),
        ordered(DECODER, train(2, 48), {"technique": "autocast", "dtype": "bf16"}),
        ordered(DECODER, {"name": "prefill", "batch_size": 2, "sequence_length": 512}),
        ordered(DECODER, {"name": "decode", "batch_size": 2, "context_length": 256}),
        ordered(
            DECODER,
            {"name": "decode", "batch_size": 2, "context_length": 256},
            {"technique": "kv_cache", "implementation": "static"},
        ),
        ordered(DECODER, {"name": "attention", "batch_size": 2, "sequence_length": 900}),
        ordered({"name": "llama", "preset": "tiny"}, train(2, 64)),
        ordered({"name": "mlp", "width": 64, "layers": 2}, train(32)),
        ordered({"name": "reference_vit"}, train(16)),
        ordered({"name": "reference_vit"}, {"name": "classify", "batch_size": 16}),
    ],
    ids=lambda spec: " ".join((spec.model.label, spec.workload.word, *(each.label() for each in spec.variant.stack))),
)
def test_what_is_counted_is_what_the_allocator_hands_out(spec: RunSpec) -> None:
    count, events = counted(spec), measured(spec)
    assert [peak.phase for peak in count.peaks] == [peak.phase for peak in events.peaks]
    for fake, real in zip(count.peaks, events.peaks, strict=True):
        # A checkpoint also keeps the state of the random numbers, 5 KB a block, which no operator makes.
        assert abs(fake.allocated - real.allocated) < 0.05 * MIB
        assert sum(fake.parts.values()) == fake.allocated


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_torchs_tracker_counts_the_same(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows of no workspaces, and it cannot follow a second step unless it forgets the modules."""
    monkeypatch.setattr(workspaces, "of", lambda name, arguments: 0)
    spec = ordered(
        DECODER,
        train(2, 64),
        {"technique": "precision", "dtype": dtype},
        {"technique": "attention", "backend": "eager"},
    )
    tracker = MemTracker()
    with FakeTensorMode(allow_non_fake_inputs=True), tracker:
        model, session = prepared(RunSpec.model_validate(spec.model_dump() | {"model": LLAMA}), techniques(spec))
        tracker.track_external(model)
        session.step(unmarked)
        session.between()
        tracker.reset_mod_stats()
        gc.collect()
        tracker._peak_mem.clear()
        session.step(unmarked)
    theirs = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    ours = counted(RunSpec.model_validate(spec.model_dump() | {"model": LLAMA})).peaks[0].allocated
    assert abs(theirs - ours) < 0.05 * MIB


LLAMA = {"name": "llama", "preset": "tiny"}


def test_what_follows_the_largest_model_takes_no_memory() -> None:
    """Llama 3.1 70B has weights of 131 GiB in bf16; this process has a few."""
    peak = counted(
        ordered({"name": "llama", "preset": "70b"}, {"name": "decode", "batch_size": 1, "context_length": 64}, BF16)
    ).peaks[0]
    weights = {part.name: held for part, held in peak.parts.items()}["memory.peak.weights"]
    assert weights == pytest.approx(2 * 70.55e9, rel=1e-3)


def test_a_saved_model_is_counted_without_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(tmp_path / "small")
    monkeypatch.setenv("TRADESPACE_MODELS", str(tmp_path))
    spec = ordered({"name": "folder", "folder": "small"}, train(2, 32))
    events = measured(spec).peaks[0].allocated
    for file in (tmp_path / "small").glob("*.safetensors"):
        file.write_bytes(b"")
    assert abs(counted(spec).peaks[0].allocated - events) < 0.05 * MIB


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (ordered(LLAMA, {"name": "generate"}), "a value"),
        (ordered(LLAMA, train(2, 16), {"technique": "autocast", "dtype": "fp16"}), "a value"),
        (ordered(LLAMA, train(2, 16), {"technique": "torch_compile"}), "torch.compile needs tensors that have values"),
        (ordered({"name": "resnet"}, train(2)), "Convolutions"),
    ],
    ids=["generate", "scaled gradients", "compiler", "convolutions"],
)
def test_what_cannot_be_counted_is_refused_in_a_sentence(spec: RunSpec, says: str) -> None:
    with pytest.raises(Unsupported, match=says):
        counted(spec)


def test_nothing_of_it_stays_behind() -> None:
    from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

    before = len(_global_optimizer_pre_hooks), len(_global_optimizer_post_hooks)
    counted(ordered(DECODER, {"name": "attention", "batch_size": 1, "sequence_length": 8}))
    assert (len(_global_optimizer_pre_hooks), len(_global_optimizer_post_hooks)) == before


def test_another_transformers_is_not_counted_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fakes, "PACKED", "no_such_function")
    with pytest.raises(Unsupported, match="follows the code of transformers 5"):
        counted(ordered({"name": "mlp"}, train(2)))
