"""Cuts the blocks of transformers' models: units of feed-forward layers, heads of attention, or whole blocks are taken out.

What is left are smaller tensors in the same modules, and a configuration that says so: generation sizes its caches by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from workers.catalog.model import Unsupported

if TYPE_CHECKING:
    import torch
    from torch import nn

Side = Literal["inputs", "outputs"]

FEED_FORWARD: tuple[tuple[tuple[str, ...], str], ...] = (
    (("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"),
    (("mlp.fc1",), "mlp.fc2"),
    (("mlp.c_fc",), "mlp.c_proj"),
    (("intermediate.dense",), "output.dense"),
)
"""What the layers of a feed-forward block are called: those that make its units, and the one that reads them."""
ATTENTION: tuple[tuple[str, str, str, str], ...] = (
    ("q_proj", "k_proj", "v_proj", "o_proj"),
    ("self.query", "self.key", "self.value", "output.dense"),
)
"""What the layers of an attention block are called: queries, keys, values, and what reads its heads."""
HEAD_COUNTS = ("num_attention_heads", "num_heads")
WIDTHS = ("intermediate_size", "n_inner")
"""Fields of a configuration."""
BY_LAYER = ("layer_types", "no_rope_layers", "mlp_layer_types")
"""Fields of a configuration that have an entry for each block."""


class FeedForward(NamedTuple):
    """One feed-forward block."""

    makes: tuple[Any, ...]
    reads: Any

    @property
    def units(self) -> int:
        return size(self.reads, "inputs")


class Heads(NamedTuple):
    """One attention block; its queries come in groups that share a head of keys and values, and are taken out together."""

    queries: Any
    keys: Any
    values: Any
    reads: Any
    head_dim: int

    @property
    def units(self) -> int:
        """Groups: heads of keys and values."""
        return size(self.keys, "outputs") // self.head_dim

    @property
    def shared(self) -> int:
        """Heads of queries in a group."""
        return size(self.queries, "outputs") // size(self.keys, "outputs")


def blocks(model: Any, title: str) -> nn.ModuleList:
    """The repeated blocks of a model built by transformers.

    Raises:
        Unsupported: it has none whose layers are known.
    """
    from torch import nn

    layers = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers and _feed_forward(module[0]) is not None:
            return module
    raise Unsupported(
        f"{title} knows the layers of Llama-style, GPT-2, BERT and ViT blocks, and {type(model).__name__} is built otherwise."
    )


def feed_forward(model: Any, title: str) -> list[FeedForward]:
    """The feed-forward block of each block.

    Raises:
        Unsupported: the names of their layers are not known.
    """
    found = [_feed_forward(block) for block in blocks(model, title)]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        raise Unsupported(
            f"Not every block of {type(model).__name__} has a feed-forward layer that {title.lower()} knows."
        )
    return known


def heads(model: Any, title: str) -> list[Heads]:
    """The attention of each block.

    Raises:
        Unsupported: the names of its layers are not known, or its heads have weights besides them.
    """
    from torch import nn

    config = model.config
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    found: list[Heads] = []
    for block in blocks(model, title):
        for module in block.modules():
            names = next((each for each in ATTENTION if all(_has(module, name) for name in each)), None)
            if names is not None and not isinstance(getattr(module, "sinks", None), nn.Parameter):
                queries, keys, values, reads = (module.get_submodule(name) for name in names)
                found.append(Heads(queries, keys, values, reads, head_dim))
                break
        else:
            raise Unsupported(f"{title} cannot take heads out of the attention of {type(model).__name__}.")
    return found


def cut_units(layers: list[FeedForward], kept: list[torch.Tensor], model: Any) -> None:
    """Keep these units [K] of each feed-forward block; as many everywhere."""
    for layer, units in zip(layers, kept, strict=True):
        for each in layer.makes:
            _cut(each, units, "outputs")
        _cut(layer.reads, units, "inputs")
    for name in WIDTHS:
        if getattr(model.config, name, None) is not None:
            setattr(model.config, name, layers[0].units)


def cut_heads(layers: list[Heads], kept: list[torch.Tensor], model: Any) -> None:
    """Keep these groups of heads [K] of each attention block; as many everywhere."""
    import torch

    config, before = model.config, layers[0]
    grouped = getattr(config, "num_key_value_heads", None) is not None
    shared, head_dim = before.shared, before.head_dim
    for layer, groups in zip(layers, kept, strict=True):
        values = torch.arange(head_dim, device=groups.device)
        keys = (groups[:, None] * head_dim + values).flatten()
        queries = (
            groups[:, None] * shared * head_dim + torch.arange(shared * head_dim, device=groups.device)
        ).flatten()
        _cut(layer.queries, queries, "outputs")
        _cut(layer.keys, keys, "outputs")
        _cut(layer.values, keys, "outputs")
        _cut(layer.reads, queries, "inputs")
    left = layers[0].units
    # Without it, it would be worked out from the number of heads.
    config.head_dim = head_dim
    for module in (config, *model.modules()):
        for name in HEAD_COUNTS:
            if isinstance(getattr(module, name, None), int):
                setattr(module, name, left * shared)
        if isinstance(getattr(module, "all_head_size", None), int):
            module.all_head_size = left * shared * head_dim
        if grouped and isinstance(getattr(module, "num_key_value_heads", None), int):
            module.num_key_value_heads = left


def cut_blocks(layers: nn.ModuleList, kept: torch.Tensor, model: Any) -> None:
    """Keep these blocks [K], in their order."""
    numbers = kept.tolist()
    before = len(layers)
    for name in BY_LAYER:
        listed = getattr(model.config, name, None)
        if isinstance(listed, (list, tuple)) and len(listed) == before:
            setattr(model.config, name, [listed[number] for number in numbers])
    chosen = [layers[number] for number in numbers]
    del layers[:]
    layers.extend(chosen)
    model.config.num_hidden_layers = len(chosen)
    for place, block in enumerate(chosen):
        for module in block.modules():
            # The cache has a place for each block.
            if isinstance(getattr(module, "layer_idx", None), int):
                module.layer_idx = place


def size(layer: Any, side: Side) -> int:
    """Inputs or outputs of a linear layer, by its weight; packed weights have another shape, and the layer says its own."""
    if layer.weight.ndim == 2 and layer.weight.is_floating_point():
        return int(layer.weight.shape[axis(layer, side)])
    return int(layer.in_features if side == "inputs" else layer.out_features)


def axis(layer: Any, side: Side) -> int:
    """Which axis of its weight a side is; transformers' Conv1D keeps it transposed."""
    return int(side == "inputs") ^ int(type(layer).__name__ == "Conv1D")


def _cut(layer: Any, kept: torch.Tensor, side: Side) -> None:
    from torch import nn

    def left(old: nn.Parameter, along: int) -> nn.Parameter:
        return nn.Parameter(old.detach().index_select(along, kept).contiguous(), requires_grad=old.requires_grad)

    layer.weight = left(layer.weight, axis(layer, side))
    if side == "outputs" and layer.bias is not None:
        layer.bias = left(layer.bias, 0)
    if hasattr(layer, "nf"):
        layer.nx, layer.nf = size(layer, "inputs"), size(layer, "outputs")
    else:
        layer.in_features, layer.out_features = size(layer, "inputs"), size(layer, "outputs")


def _feed_forward(block: nn.Module) -> FeedForward | None:
    for makes, reads in FEED_FORWARD:
        if all(_has(block, name) for name in (*makes, reads)):
            return FeedForward(tuple(block.get_submodule(name) for name in makes), block.get_submodule(reads))
    return None


def _has(module: nn.Module, name: str) -> bool:
    try:
        found: Any = module.get_submodule(name)
    except AttributeError:
        return False
    return hasattr(found, "weight")
