"""How decode and generate name the cache that a model really used; evidence for the KV cache's proof."""

from __future__ import annotations

from typing import Any


def name_of(cache: Any) -> str:
    """Class name of the cache a model returned, or "none"."""
    return "none" if cache is None else type(cache).__name__
