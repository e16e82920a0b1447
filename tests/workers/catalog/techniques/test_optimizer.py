"""Optimizer: what was asked for updates the weights, in the formats it promises; in the backward pass no gradient stays."""

from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.workers.catalog.observed import bench, evidence, proven, steps, without
from workers.catalog.evaluations.loss_trajectory import LossTrajectory
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.technique import DeviceFacts
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.optimizer import KINDS, Optimizer
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.workloads.train_step import TrainStep
from workers.measurement.probes import anatomy

WORKLOAD = TrainStep(batch_size=4, sequence_length=8)
MODEL = Mlp(width=64)
TRAJECTORY = LossTrajectory(steps=12, trainings=3, learning_rate=3e-3)
ON_CPU = [name for name in KINDS if name != "adamw_paged_8bit"]
OWN_CODE = [name for name in ON_CPU if KINDS[name].package != "torchao.optim"]
"""Those whose step need not be compiled first."""


def chosen(algorithm: str, **more: Any) -> Optimizer:
    return Optimizer.model_validate({"algorithm": algorithm, **more})


def losses(*stack: Any) -> np.ndarray:
    return TRAJECTORY.outputs(bench(MODEL, stack), WORKLOAD)["losses"]


@pytest.mark.parametrize("algorithm", ON_CPU)
@pytest.mark.filterwarnings("ignore:.*_stable_hash_for_caching")
def test_it_runs_as_asked_and_its_states_are_in_its_format(algorithm: str) -> None:
    verified = proven(chosen(algorithm), WORKLOAD, MODEL)
    assert verified.ran == "as_asked", verified.detail


@pytest.mark.parametrize("algorithm", OWN_CODE)
def test_it_trains(algorithm: str) -> None:
    found = losses(chosen(algorithm))
    assert (found[:, -4:].mean(1) < found[:, :4].mean(1)).all()


def test_eight_bits_take_a_quarter_of_the_states() -> None:
    plain, short = (
        evidence(WORKLOAD, bench(Llama(), (chosen(name),))).facts["optimizer_bytes"] for name in ("adamw", "adamw_8bit")
    )
    assert 0.25 <= sum(short.values()) / sum(plain.values()) < 0.26


@pytest.mark.parametrize("implementation", ["plain", "foreach", "fused"])
def test_implementations_of_adamw_compute_the_same(implementation: str) -> None:
    asked = chosen("adamw", implementation=implementation)
    seen = evidence(WORKLOAD, bench(MODEL, (asked,)))
    assert asked.proof(seen).ran == "as_asked"
    others = {"plain", "foreach", "fused"} - {implementation}
    assert {chosen("adamw", implementation=other).proof(seen).ran for other in others} == {"fell_back"}
    np.testing.assert_allclose(losses(asked), losses(), rtol=1e-4)


@pytest.mark.parametrize("algorithm", OWN_CODE)
def test_in_the_backward_pass_it_is_the_same_training(algorithm: str) -> None:
    np.testing.assert_allclose(losses(chosen(algorithm, in_backward=True)), losses(chosen(algorithm)), rtol=1e-5)


@pytest.mark.parametrize("model", [Llama(), MODEL], ids=lambda model: model.word)
def test_in_the_backward_pass_gradients_are_never_all_there(model: Any) -> None:
    technique = chosen("adamw", in_backward=True)
    ready = bench(model, (technique, GradientCheckpointing()))
    seen = evidence(WORKLOAD, ready)
    assert technique.proof(seen).ran == "as_asked"
    assert GradientCheckpointing().proof(seen).ran == "as_asked"
    peaks = {}
    for name, made in (("freed", ready), ("kept", bench(model, (GradientCheckpointing(),)))):
        session = WORKLOAD.prepare(made)
        steps(session)
        (step, *_) = anatomy.of_step(made.model, session, torch.device("cpu"), "step").peaks
        peaks[name] = {metric.name: size for metric, size in step.parts.items()}
    weights = peaks["freed"]["memory.peak.weights"]
    assert peaks["kept"]["memory.peak.gradients"] == pytest.approx(weights, rel=0.05)
    assert peaks["freed"]["memory.peak.gradients"] < peaks["kept"]["memory.peak.gradients"]
    assert peaks["freed"]["memory.peak.optimizer_states"] == pytest.approx(2 * weights, rel=0.05)


def test_another_optimizer_another_format_or_gradients_left_are_a_fall_back() -> None:
    technique = chosen("adamw_8bit", in_backward=True)
    seen = evidence(WORKLOAD, bench(MODEL, (technique,)))
    assert technique.proof(seen).ran == "as_asked"
    plain = evidence(WORKLOAD, bench(MODEL))
    assert technique.proof(plain).ran == "fell_back"
    in_fp32 = {**seen.facts, "optimizer_bytes": plain.facts["optimizer_bytes"]}
    assert technique.proof(without(seen, facts=in_fp32)).ran == "fell_back"
    assert technique.proof(without(seen, facts={**seen.facts, "gradient_bytes": 4})).ran == "fell_back"
    assert chosen("adamw_paged_8bit").proof(without(seen, facts={**seen.facts, "optimizer": "PagedAdamW8bit"})).ran == (
        "fell_back"
    ), "states that are not paged"
    moments = {**seen.facts, "optimizer": "Adafactor", "optimizer_bytes": plain.facts["optimizer_bytes"]}
    assert chosen("adafactor").proof(without(seen, facts=moments)).ran == "fell_back"


def test_what_cannot_run_is_refused() -> None:
    cpu = DeviceFacts("cpu", "a CPU")
    assert "nowhere to move" in str(chosen("adamw_paged_8bit").refuses(cpu))
    assert chosen("adamw_paged_8bit").refuses(DeviceFacts("cuda", "a GPU")) is None
    assert chosen("adamw_8bit").refuses(cpu) is None
    assert "one alone" in str(chosen("lion", implementation="fused").misfit(WORKLOAD))
    assert chosen("adamw", implementation="fused").misfit(WORKLOAD) is None
    assert "compiles its own step" in str(chosen("adamw_4bit").clashes(TorchCompile()))
    in_backward = chosen("adamw", in_backward=True)
    assert "micro-batches" in str(in_backward.clashes(GradientAccumulation()))
    assert "scaler" in str(in_backward.clashes(Autocast(dtype="fp16")))
    assert "norm" in str(in_backward.clashes(Autocast(clip=1.0)))
    assert in_backward.clashes(Autocast()) is None
    assert chosen("adamw").clashes(GradientAccumulation()) is None


def test_packages_are_those_of_the_algorithm() -> None:
    assert chosen("sgd").packages == ()
    assert chosen("adamw_8bit").packages == ("bitsandbytes",)
    assert chosen("adamw_fp8").packages == ("torchao",)


def test_a_step_that_is_not_torchs_is_not_counted() -> None:
    with FakeTensorMode():
        weight = torch.nn.Parameter(torch.empty(4, 4))
        with pytest.raises(Unsupported, match="only be measured"):
            chosen("adamw_8bit").optimizer([weight], 0.0)
        assert chosen("adamw").optimizer([weight], 0.0).param_groups
