"""KV cache: keys and values of earlier tokens are kept instead of being computed again for every new token."""

from typing import Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY
from workers.catalog.technique import DECODERS, INFERENCE, Evidence, Expectation, Requires, Technique, Verified

# GPT-2 of 124 M parameters, 200 new tokens on an Apple M4: 27 tokens/s without, 110 tokens/s with a cache.
RASCHKA = Reference(
    "Raschka, LLMs from scratch: KV cache",
    "https://github.com/rasbt/LLMs-from-scratch/tree/main/ch04/03_kv-cache",
)

CLASSES = {"off": "none", "dynamic": "DynamicCache", "static": "StaticCache"}
"""What a workload's facts call the cache that was in use."""


class KvCache(Technique):
    technique: Literal["kv_cache"] = "kv_cache"
    title = "KV cache"
    summary = "Keeps keys and values of earlier tokens, so that a new token costs one token's work; takes memory that grows with the context."
    family = "cache"
    order = 60
    requires = Requires(phases=INFERENCE, models=DECODERS, workloads=frozenset({"decode", "generate"}))
    expected = (Expectation(LATENCY, 0.20, 0.25, RASCHKA),)

    implementation: Literal["off", "dynamic", "static"] = Field(
        "dynamic",
        description="off computes the whole context again for every token; dynamic grows with each token and is what "
        "runs when nothing is chosen; static is allocated once at full length, which suits torch.compile.",
    )

    def generation_options(self) -> dict[str, Any]:
        if self.implementation == "off":
            return {"use_cache": False}
        if self.implementation == "static":
            return {"use_cache": True, "cache_implementation": "static"}
        return {"use_cache": True}

    def proof(self, evidence: Evidence) -> Verified:
        seen = evidence.facts.get("cache", "unknown")
        wanted = CLASSES[self.implementation]
        if seen != wanted:
            return Verified("fell_back", f"The cache in use was {seen}, not {wanted}.")
        if self.implementation == "off":
            return Verified("as_asked", "The model returned no cache; every token computed the whole context again.")
        return Verified("as_asked", f"The cache in use was {seen}.")
