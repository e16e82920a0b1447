"""Train step: a whole step of AdamW, parts marked, the model as it was afterwards."""

from typing import Any

import pytest
import torch

from tests.workers.catalog.observed import bench, steps
from workers.catalog.model import Model, Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.workloads.train_step import TrainStep

WORKLOAD = TrainStep(batch_size=4, sequence_length=8)
MODELS = (Llama(), Mlp(width=64), Vit(image_size=32), Resnet(preset="tiny", image_size=32))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_steps_leave_the_model_as_it_was(model: Model) -> None:
    ready = bench(model)
    before = {name: tensor.clone() for name, tensor in ready.model.state_dict().items()}
    session = WORKLOAD.prepare(ready)
    assert ready.model.training
    assert steps(session, 2) == ["forward", "backward", "optimizer"] * 2
    for name, tensor in ready.model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0, msg=name)
    assert all(weight.grad is None for weight in ready.model.parameters())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.word)
def test_the_optimizer_really_runs_on_real_gradients(model: Model) -> None:
    session: Any = WORKLOAD.prepare(bench(model))
    steps(session, 2)
    (optimizer,) = session.optimizers
    for weight, state in optimizer.state.items():
        assert int(state["step"]) == 2
        assert state["exp_avg"].shape == weight.shape
    moved = [float(state["exp_avg_sq"].sum()) for state in optimizer.state.values()]
    assert sum(moved) > 0
    assert len(optimizer.state) == len(list(session.model.parameters()))


def test_micro_batches_mark_their_parts_each_time() -> None:
    session = WORKLOAD.prepare(bench(Mlp(width=64), (GradientAccumulation(steps=2),)))
    assert steps(session) == ["forward", "backward", "forward", "backward", "optimizer"]
    assert session.facts()["micro_batches"] == 2


def test_the_loss_does_not_hang_on_micro_batches() -> None:
    losses = []
    for stack in ((), (GradientAccumulation(steps=3),)):
        session = WORKLOAD.prepare(bench(Mlp(width=64), stack))
        steps(session)
        losses.append(session.facts()["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_an_overflowing_scale_leaves_updates_out() -> None:
    session: Any = WORKLOAD.prepare(bench(Mlp(width=64), (Autocast(dtype="fp16"),)))
    session.scaler._init_scale = 2.0**40
    steps(session)
    facts = session.facts()
    assert facts["scaler"] is True
    assert facts["skipped_updates"] == 1


def test_a_batch_that_cannot_be_split_is_refused() -> None:
    with pytest.raises(Unsupported, match="5 micro-batches"):
        WORKLOAD.prepare(bench(Mlp(width=64), (GradientAccumulation(steps=5),)))


def test_parts_and_counts() -> None:
    assert [part.phase for part in WORKLOAD.parts] == ["forward", "backward", "optimizer"]
    assert (WORKLOAD.main_phase, WORKLOAD.samples, WORKLOAD.tokens) == ("step", 4, None)
