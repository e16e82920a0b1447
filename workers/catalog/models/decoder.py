"""How any transformers decoder is fed and read; shared by the presets and by models from a folder or hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.catalog.model import Unsupported

if TYPE_CHECKING:
    import torch
    from torch import nn


def inputs(model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
    """Random prompts, unique for the seed. Returns ``input_ids`` [B, S].

    Raises:
        Unsupported: the prompts are longer than the model's positions reach.
    """
    import torch

    check_length(model, length or 1)
    vocabulary: int = getattr(model.config, "vocab_size")  # noqa: B009
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, vocabulary, (batch_size, length or 1), generator=generator)
    return {"input_ids": ids.to(next(model.parameters()).device)}


def check_length(model: nn.Module, length: int) -> None:
    """Refuse more tokens than the model has positions for.

    Raises:
        Unsupported: the sequence does not fit.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and length > positions:
        raise Unsupported(
            f"{length:,} tokens are asked for, and {type(model).__name__} has positions for {positions:,}."
        )


def logits(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Scores over the vocabulary for every position [B, S, V]."""
    scores: torch.Tensor = model(**batch, use_cache=False).logits
    return scores


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Next-token cross-entropy, a scalar."""
    from torch.nn import functional

    scores = logits(model, batch)[:, :-1]
    targets = batch["input_ids"][:, 1:]
    return functional.cross_entropy(scores.flatten(0, 1).float(), targets.flatten())
