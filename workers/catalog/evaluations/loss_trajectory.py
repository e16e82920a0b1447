"""Loss trajectory: both arms train from the same start on the same batches, and their losses are compared step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.evaluation import Evaluation, Outputs, Scores, Scoring
from workers.catalog.evaluations import data
from workers.catalog.metrics import QUALITY_FINAL_LOSS, QUALITY_LOSS, QUALITY_LOSS_DEVIATION
from workers.catalog.model import Model
from workers.catalog.workload import Bench, Workload, unmarked
from workers.catalog.workloads.train_step import TrainStep

if TYPE_CHECKING:
    import torch

SEED = 2_000_003
"""Keeps its batches apart from the workload's and those of other evaluations."""
CYCLE = 4
"""Batches that a training goes through again and again where there is no real data: random ones can only be memorised."""
LEAST_LOSS = 1e-6
"""Losses below are as good as nought; their ratios would say nothing."""


class LossTrajectory(Evaluation):
    name: Literal["loss_trajectory"] = "loss_trajectory"
    title = "Loss trajectory"
    summary = (
        "Whether losses of variant and baseline stay together in short trainings from one start on the same batches."
    )
    scorings = (
        Scoring(QUALITY_LOSS, "log", 0.01, "By convention, a hundredth of the value."),
        Scoring(QUALITY_FINAL_LOSS, "log", 0.01, "By convention, a hundredth of the value."),
        Scoring(
            QUALITY_LOSS_DEVIATION,
            "deviation",
            0.01,
            "By convention, a hundredth of the value, whichever way the losses part.",
        ),
    )

    steps: int = Field(20, ge=8, le=10_000, description="Optimiser steps of one training.")
    trainings: int = Field(
        4, ge=3, le=64, description="Trainings on other batches each; how far they lie apart makes the interval."
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Of the workload's optimiser.")

    def misfit(self, model: Model, workload: Workload) -> str | None:
        if isinstance(workload, TrainStep):
            return None
        return f"{workload.title} does not train, so there is no loss to follow; the workload train_step does."

    def outputs(self, bench: Bench, workload: Workload) -> Outputs:
        """``losses`` [R, S], float64: of every training and step."""
        import numpy as np
        import torch

        assert isinstance(workload, TrainStep)
        parameters = [(each, each.detach().clone()) for each in bench.model.parameters() if each.requires_grad]
        buffers = [(each, each.detach().clone()) for each in bench.model.buffers()]
        training = bench.model.training
        losses = np.empty((self.trainings, self.steps))
        for run in range(self.trainings):
            # Anything random in the model (dropout) draws the same in both arms.
            torch.manual_seed(bench.seed + SEED + run)
            session = workload.training(bench, self.learning_rate)
            for step, batch in enumerate(self._batches(bench, workload, run)):
                session.feed(batch)
                session.step(unmarked)
                losses[run, step] = float(session.loss)
            with torch.no_grad():
                for tensor, value in (*parameters, *buffers):
                    tensor.copy_(value)
        bench.model.train(training)
        return {"losses": losses}

    def score(self, baseline: Outputs, candidate: Outputs) -> Mapping[str, Scores]:
        import numpy as np

        old, new = (np.maximum(each["losses"], LEAST_LOSS) for each in (baseline, candidate))
        trainings = np.repeat(np.arange(len(old)), old.shape[1])
        last = max(1, old.shape[1] // 4)
        ends = [np.log(each[:, -last:].mean(1)) for each in (old, new)]
        return {
            QUALITY_LOSS.name: Scores(np.log(new).ravel(), np.log(old).ravel(), clusters=trainings),
            QUALITY_FINAL_LOSS.name: Scores(ends[1], ends[0]),
            QUALITY_LOSS_DEVIATION.name: Scores(np.abs(new / old - 1).ravel(), clusters=trainings),
        }

    def _batches(self, bench: Bench, workload: TrainStep, run: int) -> Iterator[dict[str, torch.Tensor]]:
        """The batches of one training, from the model's training data where it has some."""
        import numpy as np

        seed = bench.seed + SEED + run * self.steps
        real = bench.declared.labelled("train")
        generator = np.random.default_rng(seed)
        for step in range(self.steps):
            if real is None:
                yield bench.declared.inputs(
                    bench.model,
                    batch_size=workload.batch_size,
                    length=workload.sequence_length,
                    seed=seed + step % CYCLE,
                )
            elif bench.declared.kind == "decoder":
                length = workload.sequence_length
                starts = generator.integers(0, len(real.inputs) - length + 1, workload.batch_size)
                yield data.tokens(bench, real.inputs[starts[:, None] + np.arange(length)])
            else:
                chosen = generator.integers(0, len(real.inputs), workload.batch_size)
                assert real.labels is not None
                yield data.samples(bench, real.inputs[chosen], real.labels[chosen])
