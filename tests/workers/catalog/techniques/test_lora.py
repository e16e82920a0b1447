"""LoRA: adapters alone are trained, start as nothing, and end as part of the model."""

import numpy as np
import pytest
import torch

from tests.workers.catalog.observed import bench, evidence, proven, steps, verdicts, without
from workers.catalog.evaluations.loss_trajectory import LossTrajectory
from workers.catalog.model import Model, Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.models.vit import Vit
from workers.catalog.spec import RunSpec, Variant
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.lora import Lora
from workers.catalog.techniques.optimizer import Optimizer
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.train_step import TrainStep
from workers.measurement.probes import anatomy, fakes, memory

WORKLOAD = TrainStep(batch_size=4, sequence_length=16)


@pytest.mark.parametrize("model", [Llama(), Mlp(width=64), Vit(image_size=32)], ids=lambda model: model.word)
def test_it_runs_as_asked(model: Model) -> None:
    assert proven(Lora(), WORKLOAD, model).ran == "as_asked"


def test_it_runs_as_asked_beside_others() -> None:
    for stack in (
        (Lora(targets="attention"), Precision(dtype="bf16"), GradientCheckpointing(reentrant=True)),
        (Lora(rank=4), Autocast(), GradientCheckpointing(), GradientAccumulation(steps=2)),
        (Lora(), Optimizer(algorithm="adamw", in_backward=True)),
    ):
        assert set(verdicts(WORKLOAD, Llama(), *stack).values()) == {"as_asked"}


def test_adapters_start_as_nothing_and_stay_in_fp32() -> None:
    batch = Llama().inputs(bench(Llama()).model, batch_size=1, length=8, seed=1)
    plain, adapted = (Llama().logits(bench(Llama(), stack).model, batch) for stack in ((), (Lora(),)))
    torch.testing.assert_close(adapted, plain)
    short = bench(Llama(), (Precision(dtype="bf16"), Lora())).model
    assert {each.dtype for each in short.parameters() if each.requires_grad} == {torch.float32}


@pytest.mark.parametrize(("targets", "matrices"), [("all", 7), ("attention", 4)])
def test_parameters_are_those_of_the_formula(targets: str, matrices: int) -> None:
    technique = Lora.model_validate({"rank": 8, "targets": targets})
    trained = evidence(WORKLOAD, bench(Llama(), (technique,))).facts["trained"]
    attention = 8 * (2 * (256 + 256) + 2 * (256 + 128))
    gated = 8 * 3 * (256 + 688)
    assert trained == 6 * (attention if matrices == 4 else attention + gated)


def test_it_trains() -> None:
    evaluation = LossTrajectory(steps=12, trainings=3, learning_rate=3e-3)
    ready = bench(Mlp(width=64), (Lora(),))
    before = {name: value.clone() for name, value in ready.model.state_dict().items()}
    losses = evaluation.outputs(ready, WORKLOAD)["losses"]
    assert (losses[:, -4:].mean(1) < losses[:, :4].mean(1)).all()
    for name, value in ready.model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert np.isfinite(losses).all()


def test_gradients_and_states_are_of_the_adapters_alone_counted_as_measured() -> None:
    technique = Lora()
    # What other tests have left behind is none of its own.
    before = sum(memory.held(torch.device("cpu")).values())
    ready = bench(ReferenceDecoder(), (technique,))
    session = WORKLOAD.prepare(ready)
    steps(session)
    found = anatomy.of_step(ready.model, session, torch.device("cpu"), "step")
    trained = evidence(WORKLOAD, ready).facts["trained"]
    spec = RunSpec(
        model=ReferenceDecoder(),
        workload=WORKLOAD,
        baseline=Variant(name="plain", stack=()),
        variant=Variant(name="lora", stack=(technique,)),
    )
    counted = fakes.of_step(spec, (technique,))
    for each in (found, counted):
        parts = {metric.name: size for metric, size in each.peaks[0].parts.items()}
        assert parts["memory.peak.optimizer_states"] == pytest.approx(8 * trained, rel=0.01)
        of_optimizer = next(peak for peak in each.peaks if peak.phase == "optimizer")
        assert {m.name: size for m, size in of_optimizer.parts.items()}["memory.peak.gradients"] == 4 * trained
    assert counted.peaks[0].allocated == pytest.approx(found.peaks[0].allocated - before, rel=0.03)


def test_another_thing_that_is_trained_is_a_fall_back() -> None:
    plain, seen = (evidence(WORKLOAD, bench(Mlp(width=64), stack)) for stack in ((), (Lora(),)))
    assert Lora().proof(plain).ran == "fell_back"
    everything = {**seen.facts, "trained": plain.facts["trained"]}
    assert Lora().proof(without(seen, facts=everything)).ran == "fell_back"
    assert Lora().proof(without(seen, facts={**seen.facts, "gradient_bytes": 4})).ran == "fell_back"


def test_a_model_without_attention_has_no_such_targets() -> None:
    with pytest.raises(Unsupported, match="no attention layer"):
        bench(Mlp(width=64), (Lora(targets="attention"),))
