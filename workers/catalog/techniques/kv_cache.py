"""KV cache: keys and values of earlier tokens are kept instead of being computed again for every new token."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workers.catalog.declared import Reference
from workers.catalog.evaluation import Evaluation
from workers.catalog.metrics import LATENCY
from workers.catalog.technique import DECODERS, INFERENCE, Evidence, Expectation, Requires, Technique, Verified, told
from workers.catalog.workload import Workload

# GPT-2 of 124 M parameters, 200 new tokens on an Apple M4: 27 tokens/s without, 110 tokens/s with a cache.
RASCHKA = Reference(
    "Raschka, LLMs from scratch: KV cache",
    "https://github.com/rasbt/LLMs-from-scratch/tree/main/ch04/03_kv-cache",
)

CLASSES = {"off": "none", "dynamic": "DynamicCache", "static": "StaticCache", "window": "Cache"}
"""What a workload's facts call the cache that was in use; the others are quantised."""
LAYERS = {"int8": "HQQQuantizedLayer", "int4": "HQQQuantizedLayer", "fp8": "Fp8QuantizedLayer", "window": "SinkLayer"}
BITS = {"int8": 8, "int4": 4, "fp8": 8}
PARAMETERS = {"group": ("int8", "int4"), "residual": ("int8", "int4"), "window": ("window",), "sinks": ("window",)}
"""Implementations that a parameter is for."""
GROUP, RESIDUAL, WINDOW, SINKS = 64, 128, 64, 4


class KvCache(Technique):
    technique: Literal["kv_cache"] = "kv_cache"
    title = "KV cache"
    summary = "Keeps keys and values of earlier tokens, so that a new token costs one token's work; takes memory that grows with the context."
    family = "cache"
    order = 60
    requires = Requires(phases=INFERENCE, models=DECODERS, workloads=frozenset({"decode", "generate"}))
    expected = (Expectation(LATENCY, 0.20, 0.25, RASCHKA),)

    implementation: Literal["off", "dynamic", "static", "int8", "int4", "fp8", "window"] = Field(
        "dynamic",
        description="off computes the whole context again for every token; dynamic grows with each token and is what "
        "runs when nothing is chosen; static is allocated once at full length, which suits torch.compile; int8 and int4 "
        "are quantised in groups (HQQ), fp8 by one scale for each layer; window drops all but the first and last tokens.",
    )
    group: int | None = Field(
        None, ge=8, le=256, description=f"Values that share a scale, for int8 and int4; {GROUP} where nothing is given."
    )
    residual: int | None = Field(
        None,
        ge=2,
        le=4_096,
        description=f"Newest tokens that stay as they are until so many have come, for int8 and int4; {RESIDUAL} where "
        "nothing is given.",
    )
    window: int | None = Field(
        None,
        ge=8,
        le=131_072,
        description=f"Tokens a new one sees, itself among them, for window; {WINDOW} where nothing is given.",
    )
    sinks: int | None = Field(
        None,
        ge=0,
        le=64,
        description=f"Tokens of the beginning that are never dropped, for window; {SINKS} where nothing is given.",
    )

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        for name, implementations in PARAMETERS.items():
            if getattr(self, name) is not None and self.implementation not in implementations:
                said = "{name} is for {those}, and implementation is {this}"
                raise PydanticCustomError(
                    "parameter",
                    said,
                    {"name": name, "those": " and ".join(implementations), "this": self.implementation},
                )
        if self._sinks > self._window - 2:
            raise PydanticCustomError(
                "sinks",
                "sinks are {sinks}, and a window of {window} has to see a token before the new one too",
                {"sinks": self._sinks, "window": self._window},
            )
        return self

    @property
    def _window(self) -> int:
        return self.window or WINDOW

    @property
    def _sinks(self) -> int:
        return SINKS if self.sinks is None else self.sinks

    @property
    def grows(self) -> bool:
        """Whether it lies at another address after each token."""
        return self.implementation not in ("off", "static")

    @property
    def packages(self) -> tuple[str, ...]:
        return ("hqq.core.quantize",) if self.implementation in ("int8", "int4") else ()

    def misfit(self, workload: Workload) -> str | None:
        if self.implementation in ("int8", "int4") and workload.word == "decode":
            return (
                "An integer cache is quantised anew each time its newest tokens fill the residual, and a single token of "
                "decode would not show what that costs; generate does."
            )
        sizes = workload.parameters
        tokens = sizes.get("context_length", 0) + 1
        if workload.word == "generate":
            tokens = sizes["prompt_length"] + sizes["new_tokens"] - 1
        if self.implementation == "window" and tokens <= self._window:
            return f"A window of {self._window:,} tokens would drop none of {tokens:,}."
        return None

    def unseen(self, evaluation: Evaluation) -> str | None:
        if self.implementation not in LAYERS:
            return None
        reach = evaluation.reach
        if reach is None:
            return f"{evaluation.title} does not read through the cache, so it would not see what this one loses."
        if self.implementation == "window" and reach <= self._window:
            return (
                f"{evaluation.title} reads {reach:,} tokens at once, of which a window of {self._window:,} drops none."
            )
        return None

    def generation_options(self) -> dict[str, Any]:
        if self.implementation == "off":
            return {"use_cache": False}
        if self.implementation == "dynamic":
            return {"use_cache": True}
        if self.implementation == "static":
            return {"use_cache": True, "cache_implementation": "static"}
        if self.implementation == "window":
            kept = {"window": self._window, "sinks": self._sinks}
            return {"use_cache": True, "cache_implementation": "window", "cache_config": kept}
        config: dict[str, Any] = {"backend": "fp8"}
        if self.implementation != "fp8":
            config = {
                "backend": "hqq",
                "nbits": BITS[self.implementation],
                # Along a token's own values; the other axis takes values of tokens far apart together.
                "axis_key": 1,
                "axis_value": 1,
                "q_group_size": self.group or GROUP,
                "residual_length": self.residual or RESIDUAL,
            }
        return {"use_cache": True, "cache_implementation": "quantized", "cache_config": config}

    def proof(self, evidence: Evidence) -> Verified:
        facts = evidence.facts
        seen = facts.get("cache", "unknown")
        wanted = CLASSES.get(self.implementation, "QuantizedCache")
        if seen != wanted:
            return Verified("fell_back", f"The cache in use was {seen}, not {wanted}.")
        if self.implementation == "off":
            return Verified("as_asked", "The model returned no cache; every token computed the whole context again.")
        if self.implementation not in LAYERS:
            return Verified("as_asked", f"The cache in use was {seen}.")
        layer, stored = facts.get("cache_layer", "unknown"), told(facts.get("cache_bytes", {}))
        if layer != LAYERS[self.implementation]:
            return Verified("fell_back", f"The cache's layers were {layer}, not {LAYERS[self.implementation]}.")
        if self.implementation == "window":
            there = facts.get("cache_tokens", 0)
            ran = there == self._window - 1
            return Verified("as_asked" if ran else "fell_back", f"The cache kept {there:,} tokens; bytes: {stored}.")
        bits = facts.get("cache_bits")
        if bits != BITS[self.implementation]:
            return Verified("fell_back", f"Values were kept in {bits} bits; bytes: {stored}.")
        return Verified("as_asked", f"{seen} of {layer}: values in {bits:g} bits; bytes by format: {stored}.")
