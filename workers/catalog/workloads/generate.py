"""Generate: a prompt is read and new tokens are written, the likeliest each time unless the stack says otherwise."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.metrics import LATENCY_TPOT, LATENCY_TTFT
from workers.catalog.models import decoder
from workers.catalog.technique import DECODERS
from workers.catalog.workload import Bench, Holding, Mark, Part, Session, Workload
from workers.catalog.workloads import caching

if TYPE_CHECKING:
    import torch

OWN = ("cache_implementation", "cache_config")
"""Generation options of a cache that is made here."""


class Generate(Workload):
    name: Literal["generate"] = "generate"
    title = "Generate"
    summary = (
        "Reads a prompt and writes new tokens greedily; the first token's time and the time of each further one apart."
    )
    phase = "inference"
    models = DECODERS
    on_fake_tensors = False
    sweepable = ("batch_size", "prompt_length", "new_tokens")

    batch_size: int = Field(1, ge=1, le=4_096, description="Prompts answered together.")
    prompt_length: int = Field(32, ge=1, le=131_072, description="Tokens of each prompt.")
    new_tokens: int = Field(
        16, ge=2, le=16_384, description="Tokens written after each prompt, always exactly this many."
    )

    @property
    def main_phase(self) -> str:
        return "generate"

    @property
    def parts(self) -> tuple[Part, ...]:
        return Part("ttft", LATENCY_TTFT), Part("tpot", LATENCY_TPOT, self.new_tokens - 1)

    @property
    def tokens(self) -> int:
        """New tokens; those of the prompt are read, not written."""
        return self.batch_size * self.new_tokens

    @property
    def samples(self) -> int:
        return self.batch_size

    def prepare(self, bench: Bench) -> Session:
        return _Session(self, bench)


class _Session(Session):
    def __init__(self, workload: Generate, bench: Bench) -> None:
        import torch
        from transformers import GenerationConfig

        decoder.check_length(bench.model, workload.prompt_length + workload.new_tokens)
        self.bench = bench
        self.new_tokens = workload.new_tokens
        self.batch = bench.declared.inputs(
            bench.model, batch_size=workload.batch_size, length=workload.prompt_length, seed=bench.seed
        )
        self.batch["attention_mask"] = torch.ones_like(self.batch["input_ids"])
        # A checkpoint's own settings may sample or stop early; without an end token the count is exact. generate would
        # also compile a model with a static cache by itself on a GPU: compiling is a technique of its own.
        self.model: Any = bench.model
        options = bench.options("generation_options")
        self.lossy = caching.lossy(options)
        # transformers knows no window of its own, and makes quantised caches with other refusals.
        self.cache_options = {name: options.pop(name) for name in OWN if name in options} if self.lossy else {}
        self.model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call, assignment]
            max_new_tokens=workload.new_tokens,
            pad_token_id=0,
            disable_compile=True,
            return_dict_in_generate=True,
            **{"do_sample": False, **options},
        )
        self.more: dict[str, Any] = {}
        for technique in bench.stack:
            if (draft := technique.draft(bench.model)) is not None:
                self.more["assistant_model"] = draft
        self.written = self.passes = 0
        self.answer = "unknown"
        self.cache = "unknown"
        self.kept: dict[str, Any] = {}
        self.writing: Callable[[], Any] = _nothing
        """The cache of the step that is watched, as long as there is one."""

    def step(self, mark: Mark) -> None:
        import torch

        more = dict(self.more)
        if self.lossy:
            most = self.batch["input_ids"].shape[1] + self.new_tokens
            more["past_key_values"] = caching.empty(self.model.config, self.cache_options, most)
        with torch.inference_mode(), self.bench.step_context():
            answer = self.model.generate(**self.batch, **more, stopping_criteria=[tokens := _Tokens(mark)])
        mark("tpot")
        # The last token that was written has not been read. The cache itself is not kept: it would count as memory in use.
        self.cache = caching.name_of(answer.past_key_values, answer.sequences.shape[1] - 1)
        if self.lossy:
            self.kept = caching.kept(answer.past_key_values)
        self.passes, self.answer = tokens.passes, type(answer).__name__
        self.written = answer.sequences.shape[1] - self.batch["input_ids"].shape[1]

    def holdings(self) -> Mapping[Holding, Iterable[torch.Tensor]]:
        return {"kv_cache": caching.tensors(self.writing())}

    @contextmanager
    def watched(self, look: Callable[[], None]) -> Iterator[None]:
        """Look before every token: generate asks the model to prepare its inputs then, and hands it the cache."""
        prepare = self.model.prepare_inputs_for_generation

        @wraps(prepare)  # generate asks for its signature.
        def looked(*arguments: Any, **options: Any) -> Any:
            if (cache := options.get("past_key_values")) is not None:
                # It has to go when generate lets it go.
                self.writing = weakref.ref(cache)
            look()
            return prepare(*arguments, **options)

        self.model.prepare_inputs_for_generation = looked
        try:
            yield
        finally:
            del self.model.prepare_inputs_for_generation
            self.writing = _nothing

    def facts(self) -> Mapping[str, Any]:
        return {
            "cache": self.cache,
            "new_tokens": self.written,
            "forward_passes": self.passes,
            "answer": self.answer,
            **self.kept,
        }


def _nothing() -> None:
    return None


class _Tokens:
    """Marks every forward pass; generate asks its stopping criteria after each one. Never stops."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.phase = "ttft"
        self.passes = 0

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        import torch

        self.mark(self.phase)
        self.passes += 1
        self.phase = "tpot"
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)
