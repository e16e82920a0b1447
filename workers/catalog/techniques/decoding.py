"""Decoding: how the next tokens are chosen, one for each forward pass or several that are proposed and then checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY
from workers.catalog.technique import (
    DECODERS,
    INFERENCE,
    DeviceKind,
    Evidence,
    Expectation,
    Requires,
    Technique,
    Verified,
)
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.workload import Workload

if TYPE_CHECKING:
    from torch import nn

# Around 2.4 times as fast where answers repeat parts of the prompt.
PROMPT_LOOKUP = Reference(
    "Saxena 2023, Prompt lookup decoding, as told by Willison",
    "https://simonwillison.net/2024/Jan/23/prompt-lookup-decoding/",
)

PROPOSING = ("prompt_lookup", "draft")
PARAMETERS = {
    "temperature": ("sampling",),
    "top_k": ("sampling",),
    "top_p": ("sampling",),
    "seed": ("sampling",),
    "beams": ("beam",),
    "proposed": PROPOSING,
    "layers": ("draft",),
}
"""Methods that a parameter is for."""
BEAMS, PROPOSED = 4, 5


class Decoding(Technique):
    technique: Literal["decoding"] = "decoding"
    title = "Decoding"
    summary = "Chooses how new tokens are found: the likeliest each time, by chance, over several beams, or several at once that were proposed before."
    family = "cache"
    order = 60
    on_fake_tensors = False
    requires = Requires(phases=INFERENCE, models=DECODERS, workloads=frozenset({"generate"}))
    expected = (Expectation(LATENCY, 0.42, 0.42, PROMPT_LOOKUP),)

    method: Literal["greedy", "sampling", "beam", "prompt_lookup", "draft"] = Field(
        "prompt_lookup",
        description="greedy takes the likeliest token and is what runs when nothing is chosen; sampling draws one; beam "
        "follows several answers; prompt_lookup proposes what followed the same words before, draft what the model's own "
        "first layers would say. Both check all proposals in one forward pass and write what greedy writes.",
    )
    temperature: float | None = Field(
        None, gt=0, le=10, description="Scores are divided by this before one is drawn; 1 where nothing is given."
    )
    top_k: int | None = Field(
        None, ge=1, le=1_000_000, description="Draw among so many of the likeliest; all where nothing is given."
    )
    top_p: float | None = Field(
        None, gt=0, le=1, description="Draw among the likeliest that make up this share; all where nothing is given."
    )
    seed: int | None = Field(
        None, ge=0, le=2**31 - 1, description="Of what is drawn, the same at every step; 0 where nothing is given."
    )
    beams: int | None = Field(
        None, ge=2, le=64, description=f"Answers followed at a time; {BEAMS} where nothing is given."
    )
    proposed: int | None = Field(
        None, ge=1, le=64, description=f"Tokens proposed at a time; {PROPOSED} where nothing is given."
    )
    layers: int | None = Field(
        None, ge=1, le=512, description="Layers of the draft; half of the model's where nothing is given."
    )

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        for name, methods in PARAMETERS.items():
            if getattr(self, name) is not None and self.method not in methods:
                said = "{name} is for {those}, and method is {this}"
                raise PydanticCustomError(
                    "parameter", said, {"name": name, "those": " and ".join(methods), "this": self.method}
                )
        return self

    def misfit(self, workload: Workload) -> str | None:
        if self.method in PROPOSING and workload.parameters["batch_size"] > 1:
            return "Proposals are checked for one prompt at a time; batch_size has to be 1."
        return None

    def clashes(self, other: Technique) -> str | None:
        if self.method in PROPOSING and isinstance(other, KvCache) and other.implementation != "dynamic":
            return "Proposals that turn out wrong are taken out of the cache again, which only the dynamic one allows."
        return None

    def generation_options(self) -> dict[str, Any]:
        if self.method == "sampling":
            # transformers would draw among the likeliest 50 by itself.
            return {
                "do_sample": True,
                "temperature": self.temperature or 1.0,
                "top_k": self.top_k or 0,
                "top_p": self.top_p or 1.0,
            }
        if self.method == "beam":
            return {"num_beams": self.beams or BEAMS}
        if self.method == "prompt_lookup":
            return {"prompt_lookup_num_tokens": self.proposed or PROPOSED}
        return {}

    def step_context(self, device: DeviceKind) -> AbstractContextManager[Any]:
        return _seeded(self.seed or 0) if self.method == "sampling" else nullcontext()

    def draft(self, model: nn.Module) -> nn.Module | None:
        if self.method != "draft":
            return None
        from workers.catalog.compression.blocks import blocks

        return _shallow(model, blocks(model, self.title), self.layers, self.proposed or PROPOSED)

    def proof(self, evidence: Evidence) -> Verified:
        facts, seen = evidence.facts, evidence.operators
        passes, written = facts.get("forward_passes", 0), facts.get("new_tokens", 0)
        detail = f"{written} tokens in {passes} forward passes."
        drawn, found = seen.get("aten::multinomial", 0), facts.get("answer", "unknown")
        asked = {
            "greedy": passes == written and not drawn and not seen.get("aten::unfold") and "Beam" not in found,
            "sampling": drawn >= passes > 0,
            "beam": "Beam" in found,
            # Looks for the last words among all before them; nothing else in a step does.
            "prompt_lookup": seen.get("aten::unfold", 0) > 0,
            # Every pass, of the draft too, begins with the tokens' embeddings.
            "draft": seen.get("aten::embedding", 0) > passes > 0,
        }[self.method]
        if not asked:
            return Verified("fell_back", f"{detail} Nothing shows that the method was {self.method}; it was {found}.")
        if self.method in PROPOSING:
            detail += f" {written - passes} of them were proposed and found right."
        return Verified("as_asked", detail)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    import torch

    torch.manual_seed(seed)
    yield


def _shallow(model: Any, layers: nn.ModuleList, kept: int | None, proposed: int) -> nn.Module:
    """The model's first layers as a model of its own, with the same weights.

    Args:
        model: a decoder of transformers.
        layers: its layers.
        kept: how many of them; None for a half.
        proposed: tokens that are generated with it at a time.

    Raises:
        Unsupported: the model has not more layers than that.
    """
    import copy

    from transformers import GenerationConfig

    from workers.catalog.model import Unsupported

    many = kept or max(1, len(layers) // 2)
    if many >= len(layers):
        raise Unsupported(f"A draft of {many} layers is none: the model has {len(layers)}.")
    path = next(name for name, module in model.named_modules() if module is layers)
    config = copy.deepcopy(model.config)
    config.num_hidden_layers = many
    draft: nn.Module = copy.copy(model)
    outer: Any = draft
    for name in path.split("."):
        outer._modules = dict(outer._modules)
        outer.config = config
        inner = outer._modules[name]
        outer._modules[name] = layers[:many] if inner is layers else copy.copy(inner)
        outer = outer._modules[name]
    # Always so many tokens: transformers would propose fewer when it is unsure.
    draft.generation_config = GenerationConfig(  # type: ignore[no-untyped-call, assignment]
        num_assistant_tokens=proposed, num_assistant_tokens_schedule="constant", assistant_confidence_threshold=0.0
    )
    return draft
