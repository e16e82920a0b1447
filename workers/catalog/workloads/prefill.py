"""Prefill: the forward pass over a whole prompt, up to the first token's scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.technique import DECODERS
from workers.catalog.workload import Bench, Holding, Mark, Session, Workload
from workers.catalog.workloads import caching

if TYPE_CHECKING:
    import torch


class Prefill(Workload):
    name: Literal["prefill"] = "prefill"
    title = "Prefill"
    summary = "Reads a prompt and scores the next token; what a user waits for before the first word."
    phase = "inference"
    models = DECODERS
    sweepable = ("batch_size", "sequence_length")

    batch_size: int = Field(1, ge=1, le=4_096, description="Prompts in one step.")
    sequence_length: int = Field(128, ge=1, le=131_072, description="Tokens of each prompt.")

    @property
    def main_phase(self) -> str:
        return "prefill"

    @property
    def tokens(self) -> int:
        return self.batch_size * self.sequence_length

    @property
    def samples(self) -> int:
        return self.batch_size

    def prepare(self, bench: Bench) -> Session:
        return _Session(self, bench)


class _Session(Session):
    def __init__(self, workload: Prefill, bench: Bench) -> None:
        self.bench = bench
        self.batch = bench.declared.inputs(
            bench.model, batch_size=workload.batch_size, length=workload.sequence_length, seed=bench.seed
        )
        self.run: Callable[..., Any] = bench.model
        self.cache: Any = None
        """The cache of a watched step, while it is looked at."""
        self.use_cache = bool(bench.options("generation_options").get("use_cache", True))

    def step(self, mark: Mark) -> None:
        import torch

        with torch.inference_mode(), self.bench.step_context():
            self.run(**self.batch, use_cache=self.use_cache, logits_to_keep=1)

    def holdings(self) -> Mapping[Holding, Iterable[torch.Tensor]]:
        return {"kv_cache": caching.tensors(self.cache)}

    @contextmanager
    def watched(self, look: Callable[[], None]) -> Iterator[None]:
        """Look when the model has answered: the step itself drops the cache at once."""

        def looked(**inputs: Any) -> None:
            answer = self.bench.model(**inputs)
            self.cache = answer.past_key_values
            look()
            self.cache = None

        self.run = looked
        try:
            yield
        finally:
            self.run = self.bench.model
