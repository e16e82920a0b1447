"""What operators allocate beside their results and release again before they return; fake tensors show results alone.

Read off torch's source (aten/src/ATen/native/cpu/FlashAttentionKernel.cpp): every thread has a block of scores of its own. Products
in bfloat16 add up in float32 where the CPU has no instructions for them. What
convolutions take hangs on the processor: oneDNN copies tensors into the order that suits its instructions. Of those only a bound
is known. All other operators that the catalogue's models and workloads call on a CPU allocate next to nothing beside their
results; tests hold the counts against the allocator's events.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

PRODUCTS = {"aten::mm": (0, 1), "aten::addmm": (1, 2), "aten::bmm": (0, 1)}
"""Where the factors of products stand among their arguments."""
FORWARD = "aten::_scaled_dot_product_flash_attention_for_cpu"
BACKWARD = "aten::_scaled_dot_product_flash_attention_for_cpu_backward"
CONVOLUTIONS = ("aten::convolution", "aten::mkldnn_convolution", "aten::conv")
KEYS = 512
"""Keys of one block of scores."""
QUERIES = ((768, 256), (192, 64), (0, 32))
"""From so many queries on, so many stand in one block."""
ACCUMULATED = 4
"""Bytes in which scores add up, whatever the format is below float64."""


def of(name: str, arguments: Sequence[Any]) -> int:
    """Bytes that one call of an operator takes beside its results.

    Args:
        name: the operator's, with its namespace.
        arguments: of the call.
    """
    if name in PRODUCTS:
        return _accumulated(*(arguments[place] for place in PRODUCTS[name]))
    if name == FORWARD:
        query, key = arguments[0], arguments[1]
        rows, columns = _block(query, key)
        scores, kept = rows * columns, 2 * rows + rows * query.shape[-1]
    elif name == BACKWARD:
        query, key = arguments[1], arguments[2]
        rows, columns = _block(query, key)
        scores, kept = 2 * rows * columns, rows
    else:
        return 0
    size: int = query.element_size()
    rounded = scores * size if size < ACCUMULATED else 0  # The scores once more, in the short format.
    threads: int = torch.get_num_threads()
    beside: int = max(size, ACCUMULATED) * (scores + kept) + rounded
    return threads * beside


def at_most(name: str, tensors: Sequence[torch.Tensor]) -> int:
    """Bytes that one call of an operator takes at the most where it cannot be said how many it takes.

    Args:
        name: the operator's, with its namespace.
        tensors: its arguments and results, each of which it may copy once.
    """
    if not name.startswith(CONVOLUTIONS):
        return 0
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _accumulated(left: torch.Tensor, right: torch.Tensor) -> int:
    """Bytes of the result in float32, which oneDNN adds up and rounds where a CPU has no instructions for bfloat16: read off the
    allocator's events on processors with AVX-512 with them and without, and without AVX-512, where oneDNN takes no bfloat16.

    Args:
        left: [M, K] or [B, M, K].
        right: [K, N] or [B, K, N].
    """
    if left.dtype != torch.bfloat16 or not _emulated():
        return 0
    rows, columns = left.shape[-2], right.shape[-1]
    if rows == 1:  # A vector's product is torch's own.
        return 0
    together: int = min(torch.get_num_threads(), left.shape[0]) if left.ndim == 3 else 1
    return together * rows * columns * ACCUMULATED


@cache
def _emulated() -> bool:
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported and not torch.cpu._is_avx512_bf16_supported()


def _block(query: torch.Tensor, key: torch.Tensor) -> tuple[int, int]:
    """Queries and keys of one block. Both tensors are [B, H, S, D]."""
    length = query.shape[2]
    rows = next(size for least, size in QUERIES if length >= least)
    return min(rows, length), min(KEYS, key.shape[2])
