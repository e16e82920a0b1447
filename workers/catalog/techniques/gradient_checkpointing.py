"""Gradient checkpointing: activations inside a block are thrown away and computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY, MEMORY_PEAK_ALLOCATED
from workers.catalog.model import Unsupported
from workers.catalog.technique import TRAINING, Evidence, Expectation, Requires, Technique, Verified

if TYPE_CHECKING:
    from torch import nn

SUBLINEAR = Reference(
    "Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost", "https://arxiv.org/abs/1604.06174"
)

CHECKPOINTED = "checkpointed_blocks"
"""Attribute of the model that says how many blocks are to be computed again."""
RECOMPUTED = "recomputed_calls"
"""Attribute of the model that counts how often a checkpointed block was computed again."""


class GradientCheckpointing(Technique):
    technique: Literal["gradient_checkpointing"] = "gradient_checkpointing"
    title = "Gradient checkpointing"
    summary = "Keeps only the inputs of blocks and computes their activations again in the backward pass: less memory, up to a third more work."
    family = "training"
    order = 40
    requires = Requires(phases=TRAINING, workloads=frozenset({"train_step"}))
    expected = (
        # A residual network of 1,000 layers: 7 instead of 48 GB for 30 % more time.
        Expectation(MEMORY_PEAK_ALLOCATED, 0.14, 0.15, SUBLINEAR),
        Expectation(LATENCY, 1.30, 1.30, SUBLINEAR),
    )

    every: int = Field(1, ge=1, le=100, description="Checkpoint every n-th block; 1 checkpoints all of them.")
    reentrant: bool = Field(
        False, description="torch's older implementation, which runs the block again inside its own backward pass."
    )

    def transform(self, model: nn.Module) -> nn.Module:
        setattr(model, RECOMPUTED, 0)
        run = partial(_checkpointed, model, self.reentrant)
        if getattr(model, "supports_gradient_checkpointing", False):
            blocks = _switch_on(model, run, self.every)
        else:
            chosen = _blocks(model, self.title)[:: self.every]
            for block in chosen:
                block.forward = partial(run, block.forward)
            blocks = len(chosen)
        setattr(model, CHECKPOINTED, blocks)
        return model

    def proof(self, evidence: Evidence) -> Verified:
        calls = int(evidence.facts.get(RECOMPUTED, 0))
        blocks = int(evidence.facts.get(CHECKPOINTED, 0))
        # The reentrant kind cannot checkpoint a first block whose input carries no gradient.
        due = (blocks - self.reentrant) * int(evidence.facts.get("micro_batches", 1))
        if calls < max(1, due):
            return Verified(
                "fell_back", f"{calls} times a block was computed again in the backward pass; {due} times were due."
            )
        detail = f"Blocks were computed again {calls} times in the backward passes of one{' eager' if evidence.graphs else ''} step."
        if any("BatchNorm" in name for name in evidence.modules):
            detail += " Batch norm's running statistics move twice in a step; gradients are not touched by that."
        return Verified("as_asked", detail)


def _checkpointed(model: nn.Module, reentrant: bool, function: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
    """Run ``function`` under torch's checkpoint, counting on the model each time it is computed again."""
    import torch
    from torch.utils.checkpoint import checkpoint

    carries = any(isinstance(value, torch.Tensor) and value.requires_grad for value in inputs)
    if not torch.is_grad_enabled() or (reentrant and not carries):
        # The reentrant kind would leave the block without gradients when none of its inputs carries one.
        return function(*inputs, **named)
    if torch.compiler.is_compiling():
        # Counting would break the graph.
        return checkpoint(partial(function, **named), *inputs, use_reentrant=reentrant)
    first = True

    def counted(*inputs: Any) -> Any:
        nonlocal first
        if not first:
            setattr(model, RECOMPUTED, getattr(model, RECOMPUTED) + 1)
        first = False
        return function(*inputs, **named)

    return checkpoint(counted, *inputs, use_reentrant=reentrant)


def _switch_on(model: Any, run: Callable[..., Any], every: int) -> int:
    """The model's own switch chooses the blocks; its checkpoint function is then replaced by the one that counts.

    Returns:
        How many blocks it chose.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    model.activation_checkpointing_enable(every_n_layers=every)
    blocks = 0
    for module in model.modules():
        if hasattr(module, "_gradient_checkpointing_func"):
            module._gradient_checkpointing_func = run
            blocks += isinstance(module, GradientCheckpointingLayer) and bool(module.gradient_checkpointing)
    return blocks


def _blocks(model: nn.Module, title: str) -> list[nn.Module]:
    """Outermost members of the model's lists of modules that hold more than one layer.

    Raises:
        Unsupported: there are none.
    """
    from torch import nn

    def members(parent: nn.Module) -> Iterator[nn.Module]:
        for module in parent.children():
            if not any(True for _ in module.children()):
                continue
            if isinstance(parent, (nn.Sequential, nn.ModuleList)):
                yield module
            else:
                yield from members(module)

    found = list(members(model))
    if not found:
        raise Unsupported(f"{title} acts on repeated blocks, and {type(model).__name__} has none.")
    return found
