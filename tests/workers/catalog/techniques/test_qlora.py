"""QLoRA: adapters are trained beside weights in 4 bits, which take part in every product."""

import numpy as np
import pytest

from tests.workers.catalog.observed import bench, evidence, proven, verdicts, without
from workers.catalog.evaluations.loss_trajectory import LossTrajectory
from workers.catalog.models.llama import Llama
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.lora import Lora
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.qlora import Qlora
from workers.catalog.workloads.train_step import TrainStep

WORKLOAD = TrainStep(batch_size=4, sequence_length=16)


@pytest.mark.parametrize("double", [False, True])
def test_it_runs_as_asked(double: bool) -> None:
    assert proven(Qlora(double_quantization=double), WORKLOAD, Llama()).ran == "as_asked"


def test_it_runs_as_asked_beside_others() -> None:
    for stack in (
        (Qlora(targets="attention"), Precision(dtype="bf16"), GradientCheckpointing()),
        (Qlora(), Autocast(), GradientAccumulation(steps=2)),
    ):
        assert set(verdicts(WORKLOAD, Llama(), *stack).values()) == {"as_asked"}


def test_it_trains_much_as_lora_does() -> None:
    evaluation = LossTrajectory(steps=8, trainings=3, learning_rate=1e-3)
    whole, short = (
        evaluation.outputs(bench(ReferenceDecoder(), (technique,)), WORKLOAD)["losses"]
        for technique in (Lora(), Qlora(compute_dtype="fp32"))
    )
    assert 0 < np.abs(short / whole - 1).mean() < 0.1
    again = evaluation.outputs(bench(ReferenceDecoder(), (Qlora(compute_dtype="fp32"),)), WORKLOAD)["losses"]
    np.testing.assert_allclose(again, short, rtol=1e-4)


def test_an_evaluation_between_steps_does_not_pack_the_weights() -> None:
    ready = bench(Llama(), (Qlora(),))
    batch = ready.declared.inputs(ready.model, batch_size=1, length=8, seed=1)
    ready.declared.logits(ready.model.eval(), batch)
    assert Qlora().proof(evidence(WORKLOAD, ready)).ran == "as_asked"


def test_whole_weights_or_products_left_out_are_a_fall_back() -> None:
    whole, seen = (evidence(WORKLOAD, bench(Llama(), (technique,))) for technique in (Lora(), Qlora()))
    assert Qlora().proof(whole).ran == "fell_back"
    fewer = {name: calls - 1 for name, calls in seen.foreign.items()}
    assert Qlora().proof(without(seen, foreign=fewer)).ran == "fell_back"
    assert Qlora().proof(without(seen, weight_dtypes={"float32": 1})).ran == "fell_back"


def test_weights_take_a_seventh_of_fp32() -> None:
    plain, short = (
        evidence(WORKLOAD, bench(ReferenceDecoder(), stack)).weight_dtypes for stack in ((), (Qlora(rank=1),))
    )
    inside = 4 * (4 * 192 * 192 + 3 * 192 * 512)
    assert short["uint8"] == pytest.approx(inside / 2, rel=0.05)
    assert short["float32"] < plain["float32"] - 3.8 * inside
