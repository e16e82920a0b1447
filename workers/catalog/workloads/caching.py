"""KV caches: how a stack's own are made, what the one that was used has kept, and a decoder's scores as read through one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from workers.catalog.model import Unsupported

if TYPE_CHECKING:
    import torch

    from workers.catalog.workload import Bench

LOSSY = frozenset({"quantized", "window"})
"""Implementations that do not give back what was put in."""


def lossy(options: Mapping[str, Any]) -> bool:
    """Whether generation options name a cache that changes what the model answers."""
    return options.get("cache_implementation") in LOSSY


def empty(config: Any, options: Mapping[str, Any], tokens: int) -> Any:
    """An empty cache.

    Args:
        config: of the model.
        options: what ``generation_options`` of the stack say.
        tokens: it has to hold, at most.

    Raises:
        Unsupported: the model's layers are not all plain attention, and the cache is for those.
    """
    from transformers import DynamicCache, QuantizedCache, StaticCache

    implementation, given = options.get("cache_implementation", "dynamic"), options.get("cache_config", {})
    if implementation == "static":
        return StaticCache(config=config, max_cache_len=tokens)
    if implementation not in LOSSY:
        return DynamicCache(config=config)
    if kinds := set(getattr(config, "layer_types", None) or ()) - {"full_attention"}:
        raise Unsupported(
            f"This cache is for layers of full attention; the model has others: {', '.join(sorted(kinds))}."
        )
    if implementation == "window":
        return _windowed(config, **given)
    return QuantizedCache(config=config, **given)


def _windowed(config: Any, window: int, sinks: int) -> Any:
    """A cache that keeps the first and the last tokens, at the positions they had.

    StreamingLLM (https://arxiv.org/abs/2309.17453) also moves the last ones up to the first; within the length that a model was
    trained for, that is not needed.
    """
    from transformers.cache_utils import Cache, DynamicSlidingWindowLayer

    class SinkLayer(DynamicSlidingWindowLayer):  # type: ignore[no-untyped-call]
        def update(
            self, key_states: torch.Tensor, value_states: torch.Tensor, *arguments: Any, **options: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            import torch

            keys, values = super().update(key_states, value_states, *arguments, **options)
            kept = self.sliding_window - 1
            if sinks and keys.shape[-2] > kept:
                self.keys, self.values = (
                    torch.cat([each[..., :sinks, :], each[..., sinks - kept :, :]], dim=-2) for each in (keys, values)
                )
            return keys, values

    return Cache(layers=[SinkLayer(sliding_window=window) for _ in range(config.num_hidden_layers)])


def forget(layer: Any, tokens: int) -> None:
    """Take the last tokens out of a cache's layer that grows.

    Args:
        layer: a dynamic one, or one in FP8, of which transformers crops nothing.
        tokens: how many.
    """
    if not hasattr(layer, "_quantized_keys"):
        layer.crop(-tokens)
        return
    for name in ("_quantized_keys", "_quantized_values"):
        values, scale = getattr(layer, name)
        setattr(layer, name, (values[..., :-tokens, :], scale))
    layer.cumulative_length -= tokens


def name_of(cache: Any, tokens: int) -> str:
    """Class name of the cache a model returned; "none" when it does not hold the tokens it has to.

    generate returns the cache it has made even when the model has put nothing into it.
    """
    return "none" if cache is None or int(cache.get_seq_length()) < tokens else type(cache).__name__


def kept(cache: Any) -> dict[str, Any]:
    """What a cache that loses something has kept, for proofs.

    Returns:
        ``cache_layer``, the class of its layers; ``cache_bytes`` by format; ``cache_bits`` of a quantised value, without its scale;
        ``cache_tokens``, how many tokens are there in the format they came in.
    """
    import torch

    layer = cache.layers[0]
    found: Counter[str] = Counter()
    for tensor in tensors(cache):
        found[str(tensor.dtype).removeprefix("torch.")] += tensor.nbytes
    facts: dict[str, Any] = {"cache_layer": type(layer).__name__, "cache_bytes": dict(found)}
    if hasattr(layer, "_quantized_keys"):
        values, scale = layer._quantized_keys
        many = torch.Size(scale["shape"]).numel() if isinstance(scale, Mapping) else values.numel()
        facts["cache_bits"] = 8 * values.nbytes / many
    facts["cache_tokens"] = layer.keys.shape[-2] if layer.keys.dim() == 4 else 0
    return facts


def tensors(cache: Any) -> Iterator[torch.Tensor]:
    """Keys and values of all layers of a cache; nothing of none."""
    for layer in getattr(cache, "layers", ()):
        yield from _inside(vars(layer))


def logits(bench: Bench, ids: torch.Tensor, first: int) -> torch.Tensor:
    """Scores of a decoder that reads its own cache: what a cache loses is in them.

    Args:
        bench: its stack says which cache.
        ids: tokens [B, S].
        first: this many of them are read at once, the others one after the other.

    Returns:
        scores [B, S - first, V] of those that are read one after the other.
    """
    import torch

    cache = empty(bench.model.config, bench.options("generation_options"), ids.shape[1])
    if first:
        bench.model(input_ids=ids[:, :first], past_key_values=cache, use_cache=True, logits_to_keep=1)
    scores = [
        bench.model(input_ids=token, past_key_values=cache, use_cache=True).logits
        for token in torch.split(ids[:, first:], 1, dim=1)
    ]
    return torch.cat(scores, dim=1)


def _inside(value: Any) -> Iterator[torch.Tensor]:
    """Tensors in a value, be they in tuples, lists or dictionaries: quantised caches keep scales beside."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _inside(each)
