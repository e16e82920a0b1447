"""Classify: the forward pass of a classifier over a batch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workers.catalog.technique import ModelKind
from workers.catalog.workload import Bench, Mark, Session, Workload

CLASSIFIERS: frozenset[ModelKind] = frozenset({"image", "vector"})


class Classify(Workload):
    name: Literal["classify"] = "classify"
    title = "Classify"
    summary = "One forward pass over a batch of samples."
    phase = "inference"
    models = CLASSIFIERS
    sweepable = ("batch_size",)

    batch_size: int = Field(8, ge=1, le=65_536, description="Samples in one step.")

    @property
    def main_phase(self) -> str:
        return "classify"

    @property
    def samples(self) -> int:
        return self.batch_size

    def prepare(self, bench: Bench) -> Session:
        return _Session(self, bench)


class _Session(Session):
    def __init__(self, workload: Classify, bench: Bench) -> None:
        self.bench = bench
        self.batch = bench.declared.inputs(bench.model, batch_size=workload.batch_size, length=None, seed=bench.seed)

    def step(self, mark: Mark) -> None:
        import torch

        with torch.inference_mode(), self.bench.step_context():
            self.bench.declared.logits(self.bench.model, self.batch)
