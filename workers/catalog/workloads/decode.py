"""Decode: one further token on a context that has been read already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.metrics import LATENCY_TPOT
from workers.catalog.technique import DECODERS
from workers.catalog.workload import Bench, Holding, Mark, Part, Session, Workload
from workers.catalog.workloads import caching

if TYPE_CHECKING:
    import torch


class Decode(Workload):
    name: Literal["decode"] = "decode"
    title = "Decode"
    summary = "Writes one token after a context of given length; the steady pace of a long answer."
    phase = "inference"
    models = DECODERS
    sweepable = ("batch_size", "context_length")

    batch_size: int = Field(1, ge=1, le=4_096, description="Sequences that get one token each in a step.")
    context_length: int = Field(128, ge=1, le=131_071, description="Tokens before the new one.")

    @property
    def main_phase(self) -> str:
        return "decode"

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part("tpot", LATENCY_TPOT),)

    @property
    def tokens(self) -> int:
        return self.batch_size

    @property
    def samples(self) -> int:
        return self.batch_size

    def prepare(self, bench: Bench) -> Session:
        return _Session(self, bench)


class _Session(Session):
    def __init__(self, workload: Decode, bench: Bench) -> None:
        import torch

        self.bench = bench
        self.context_length = workload.context_length
        ids = bench.declared.inputs(
            bench.model, batch_size=workload.batch_size, length=workload.context_length + 1, seed=bench.seed
        )["input_ids"]
        options = bench.options("generation_options")
        self.use_cache = bool(options.get("use_cache", True))
        self.seen = "unknown"
        self.kept: dict[str, Any] = {}
        self.answered: Any = None
        self.cache: Any = None
        if not self.use_cache:
            self.ids = ids
            return
        self.ids = ids[:, -1:]
        self.cache = caching.empty(bench.model.config, options, self.context_length + 1)
        # Reading the context is not measured, so it need not be compiled either.
        with torch.inference_mode(), torch.compiler.set_stance("force_eager"), bench.step_context():
            bench.model(input_ids=ids[:, :-1], past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        self.window = options.get("cache_implementation") == "window"
        self.lossy = caching.lossy(options)
        self.before = self._snapshot()

    def step(self, mark: Mark) -> None:
        import torch

        with torch.inference_mode(), self.bench.step_context():
            answer = self.bench.model(
                input_ids=self.ids, past_key_values=self.cache, use_cache=self.use_cache, logits_to_keep=1
            )
        mark("tpot")
        self.answered = answer.past_key_values

    def between(self) -> None:
        """See what the cache holds, and take the new token out of it again."""
        import torch

        self.seen = caching.name_of(self.answered, self.context_length + 1)
        if self.cache is None:
            return
        if self.lossy:
            self.kept = caching.kept(self.cache)
        with torch.inference_mode():
            if self.window:
                for layer, values in zip(self.cache.layers, self.before, strict=True):
                    vars(layer).update(values)
                return
            for layer in self.cache.layers:
                if isinstance(getattr(layer, "cumulative_length", None), torch.Tensor):
                    # A static layer: what lies past its length is masked, and the next token overwrites it.
                    layer.cumulative_length.fill_(self.context_length)
                else:
                    caching.forget(layer, layer.get_seq_length() - self.context_length)

    def _snapshot(self) -> list[dict[str, Any]]:
        """What the layers of a window hold: the token that a step drops cannot be had back otherwise."""
        return [dict(vars(layer)) for layer in self.cache.layers] if self.window else []

    def holdings(self) -> Mapping[Holding, Iterable[torch.Tensor]]:
        return {"kv_cache": caching.tensors(self.cache)}

    def facts(self) -> Mapping[str, Any]:
        return {"cache": self.seen, "tokens_computed": self.ids.shape[1], **self.kept}
