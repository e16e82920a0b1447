"""Chunked loss: cross-entropy over a decoder's vocabulary for some tokens at a time, so that all logits are never there at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.model import Unsupported
from workers.catalog.technique import (
    DECODERS,
    NOTED,
    TRAINING,
    Evidence,
    Requires,
    Technique,
    Verified,
    told,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

    from workers.catalog.model import Model

OPERATORS = (
    "torch_nn::_linear_cross_entropy_batch_chunked",
    "torch_nn::_linear_cross_entropy_batch_chunked_no_reduction",
)
"""torch's own, of which each call goes through all chunks."""
READERS = ("aten::log_softmax", "aten::_log_softmax", "aten::amax", "aten::exp", "aten::exp_", "aten::logsumexp")
"""Operators whose first input are logits, in torch's plain cross-entropy or in its chunked one."""
SCALED = ("final_logit_softcapping", "logits_scaling", "logit_scale", "lm_head_multiplier")
"""Fields of transformers' configurations by which a model changes its logits after the head."""


class ChunkedLoss(Technique):
    technique: Literal["chunked_loss"] = "chunked_loss"
    title = "Chunked loss"
    summary = "Computes the logits and the loss for some tokens at a time and never holds all logits; the gradient stays the same."
    family = "training"
    order = 44
    on_fake_tensors = False
    requires = Requires(phases=TRAINING, models=DECODERS, workloads=frozenset({"train_step"}))

    tokens: int | None = Field(
        None,
        ge=1,
        le=1_048_576,
        description="Tokens whose logits are there at once. Without a number torch takes as many as make logits no larger than what "
        "goes into the head.",
    )

    def transform(self, model: nn.Module) -> nn.Module:
        from torch import nn

        head = getattr(model, "get_output_embeddings", lambda: None)()
        if type(head) is not nn.Linear:
            raise Unsupported(f"{self.title} takes the place of a linear head, and {type(model).__name__} has none.")
        for name in SCALED:
            if getattr(getattr(model, "config", None), name, None) not in (None, 1, 1.0):
                raise Unsupported(
                    f"{type(model).__name__} changes its logits after the head ({name}), which the chunks would miss."
                )
        head.passes = False  # type: ignore[assignment]
        head.forward = partial(_head, head)  # type: ignore[method-assign]
        setattr(model, NOTED, {**getattr(model, NOTED, {}), "vocabulary": head.out_features})
        return model

    def loss(self, declared: Model, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        import torch
        from torch.nn import functional

        head: Any = model.get_output_embeddings()  # type: ignore[operator]
        head.passes = True
        try:
            hidden = declared.logits(model, batch)[:, :-1].flatten(0, 1)
        finally:
            head.passes = False
        targets, weight, bias = batch["input_ids"][:, 1:].flatten(), head.weight, head.bias
        if torch.is_autocast_enabled(hidden.device.type):
            dtype = torch.get_autocast_dtype(hidden.device.type)
            hidden, weight = hidden.to(dtype), weight.to(dtype)
            bias = None if bias is None else bias.to(dtype)
        getattr(model, NOTED)["tokens"] = len(targets)
        options = torch.nn.LinearCrossEntropyOptions()
        if self.tokens is not None:
            options = torch.nn.LinearCrossEntropyOptions(chunking_method=None, batch_chunk_size=self.tokens)
        # torch adds the chunks' losses up in the format of the logits, which in 16 bits is a percent off; each token's own is not.
        reduction = "mean" if hidden.dtype == torch.float32 else "none"
        loss = functional.linear_cross_entropy(
            hidden, weight, targets, linear_bias=bias, reduction=reduction, options=options
        )
        return loss.float().mean()

    def product_dtypes(self) -> frozenset[str]:
        # On a CPU torch computes the chunks of 16-bit inputs through fp32.
        return frozenset({"float32"})

    def proof(self, evidence: Evidence) -> Verified:
        calls = sum(evidence.operators.get(name, 0) for name in OPERATORS)
        due = int(evidence.facts.get("micro_batches", 1))
        if calls < due:
            return Verified("fell_back", f"torch's chunked loss was called {calls} times in a step; {due} were due.")
        vocabulary, tokens = (int(evidence.facts.get(name, 0)) for name in ("vocabulary", "tokens"))
        seen = {name: evidence.largest[name] for name in READERS if name in evidence.largest}
        most = max(seen.values(), default=0)
        rows = min(tokens, self.tokens or max(1, tokens - 1))
        if not 0 < most <= rows * vocabulary:
            return Verified(
                "fell_back",
                f"The most logits at once were {most:,}, all of a micro-batch are {tokens * vocabulary:,}; by operator: {told(seen)}.",
            )
        return Verified("as_asked", f"At most {most:,} of {tokens * vocabulary:,} logits were there at once.")


def _head(head: Any, hidden: torch.Tensor) -> torch.Tensor:
    """The scores of a linear head; what goes into it while it lets that pass."""
    from torch.nn import functional

    return hidden if head.passes else functional.linear(hidden, head.weight, head.bias)
