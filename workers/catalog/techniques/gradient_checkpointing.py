"""Gradient checkpointing: activations inside a block are thrown away and computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY, MEMORY_PEAK_ALLOCATED
from workers.catalog.model import Unsupported
from workers.catalog.technique import LOOKED, NOTED, TRAINING, Evidence, Expectation, Requires, Technique, Verified

if TYPE_CHECKING:
    from torch import nn

    from workers.catalog.workload import Workload

SUBLINEAR = Reference(
    "Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost", "https://arxiv.org/abs/1604.06174"
)

CHECKPOINTED = "checkpointed_blocks"
"""Attribute of the model that says how many blocks are to be computed again."""
RECOMPUTED = "recomputed_calls"
"""Attribute of the model that counts how often a checkpointed block was computed again."""
KEPT, AGAIN = "kept_products", "products_again"
"""Facts of training: results of matrix products and attention that were kept, and those that were computed again."""
PRODUCTS = (
    "mm", "addmm", "bmm", "baddbmm", "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention", "convolution",
)  # fmt: skip
"""torch's operators whose results selective checkpointing keeps: nearly all of the work, and few of the bytes."""


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
    selective: bool = Field(
        False, description="Keep results of matrix products and attention, and compute all else in the block again."
    )

    def misfit(self, workload: Workload) -> str | None:
        if self.selective and self.reentrant:
            return "torch's reentrant checkpoints compute everything in a block again; selective ones are of the other kind."
        return None

    def transform(self, model: nn.Module) -> nn.Module:
        setattr(model, RECOMPUTED, 0)
        setattr(model, NOTED, {**getattr(model, NOTED, {}), KEPT: 0, AGAIN: 0})
        run = partial(_checkpointed, model, self.reentrant, self.selective)
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
        kept, again = (int(evidence.facts.get(name, 0)) for name in (KEPT, AGAIN))
        if self.selective != (kept > 0) or (self.selective and again):
            return Verified(
                "fell_back",
                f"Of products, {kept} results were kept and {again} computed again; selective is {self.selective}.",
            )
        detail = f"Blocks were computed again {calls} times in the backward passes of one{' eager' if evidence.graphs else ''} step."
        if kept:
            detail += f" Of products, {kept:,} results were kept and none was computed again."
        if any("BatchNorm" in name for name in evidence.modules):
            detail += " Batch norm's running statistics move twice in a step; gradients are not touched by that."
        return Verified("as_asked", detail)


def _checkpointed(
    model: nn.Module, reentrant: bool, selective: bool, function: Callable[..., Any], *inputs: Any, **named: Any
) -> Any:
    """Run ``function`` under torch's checkpoint, counting on the model each time it is computed again."""
    import torch
    from torch.utils.checkpoint import checkpoint

    carries = any(isinstance(value, torch.Tensor) and value.requires_grad for value in inputs)
    if not torch.is_grad_enabled() or (reentrant and not carries):
        # The reentrant kind would leave the block without gradients when none of its inputs carries one.
        return function(*inputs, **named)
    more: dict[str, Any] = {"context_fn": partial(_contexts, model)} if selective else {}
    if torch.compiler.is_compiling():
        # Counting would break the graph.
        return checkpoint(partial(function, **named), *inputs, use_reentrant=reentrant, **more)
    first = True

    def counted(*inputs: Any) -> Any:
        nonlocal first
        if not first:
            setattr(model, RECOMPUTED, getattr(model, RECOMPUTED) + 1)
        first = False
        return function(*inputs, **named)

    return checkpoint(counted, *inputs, use_reentrant=reentrant, **more)


def _contexts(model: nn.Module) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Contexts of a block's first and second run between which results of products are handed on."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts

    operators = [getattr(torch.ops.aten, name).default for name in PRODUCTS]
    if torch.compiler.is_compiling():
        return create_selective_checkpoint_contexts(operators)  # type: ignore[no-any-return, no-untyped-call]

    looked = getattr(model, LOOKED, False)

    def policy(_: Any, operator: Any, *__: Any, **___: Any) -> Any:
        if operator not in operators:
            return CheckpointPolicy.PREFER_RECOMPUTE
        getattr(model, NOTED)[KEPT] += looked
        return CheckpointPolicy.MUST_SAVE

    class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, operator: Any, _: Any, inputs: Any = (), named: Any = None) -> Any:
            getattr(model, NOTED)[AGAIN] += operator in operators
            return operator(*inputs, **(named or {}))

    @contextmanager
    def counted() -> Iterator[None]:
        # What is taken from before does not come as far as the outer of the two.
        with Counting(), second:  # type: ignore[no-untyped-call]
            yield

    first, second = create_selective_checkpoint_contexts(policy)  # type: ignore[no-untyped-call]
    # Counting takes time at every operator, so that only a step that is looked at is counted.
    return first, counted() if looked else second


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
