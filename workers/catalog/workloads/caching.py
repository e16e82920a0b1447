"""How workloads look at the KV cache a model really used: its name for the proof, its tensors for the memory probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def name_of(cache: Any, tokens: int) -> str:
    """Class name of the cache a model returned; "none" when it does not hold the tokens it has to.

    generate returns the cache it has made even when the model has put nothing into it.
    """
    return "none" if cache is None or int(cache.get_seq_length()) < tokens else type(cache).__name__


def tensors(cache: Any) -> Iterator[torch.Tensor]:
    """Keys and values of all layers of a cache; nothing of none."""
    for layer in getattr(cache, "layers", ()):
        yield from _inside(vars(layer))


def _inside(value: Any) -> Iterator[torch.Tensor]:
    """Tensors in a value, be they in tuples, lists or dictionaries: quantised caches keep scales beside."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _inside(each)
