"""How much units matter: by the size of their weights, or by what they add to the answers on real data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workers.catalog.compression.blocks import FeedForward, Heads, Side, axis, size

if TYPE_CHECKING:
    import torch
    from torch import nn

Run = Callable[[], None]
"""Runs the model over its data once, without gradients."""


def strongest(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Numbers of the ``count`` units with the highest scores [N], in their order."""
    kept: torch.Tensor = scores.topk(count).indices.sort().values
    return kept


def by_weights(layer: FeedForward | Heads) -> torch.Tensor:
    """Squared sums of all weights of each unit or group [N]."""
    makes = layer.makes if isinstance(layer, FeedForward) else (layer.queries, layer.keys, layer.values)
    scores = _squares(layer.reads, "inputs", layer.units)
    for each in makes:
        scores = scores + _squares(each, "outputs", layer.units)
    return scores


def by_activations(layers: Sequence[FeedForward | Heads], run: Run) -> list[torch.Tensor]:
    """What each unit or group adds to the stream on average [N]: mean square of its activations times its squared weights.

    As Wanda scores single weights (Sun et al. 2023, https://arxiv.org/abs/2306.11695), summed over what reads the unit.
    """
    import torch

    powers: list[Any] = [0.0] * len(layers)

    def watch(number: int) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            powers[number] = powers[number] + inputs[0].detach().float().square().flatten(0, -2).mean(0)

        return keep

    hooks = [layer.reads.register_forward_pre_hook(watch(number)) for number, layer in enumerate(layers)]
    run()
    for hook in hooks:
        hook.remove()
    found: list[torch.Tensor] = []
    for layer, power in zip(layers, powers, strict=True):
        inputs = size(layer.reads, "inputs")
        added = power * _squares(layer.reads, "inputs", inputs)
        found.append(torch.as_tensor(added).view(layer.units, -1).sum(1))
    return found


def of_blocks_by_weights(blocks: Sequence[nn.Module]) -> torch.Tensor:
    """Mean squared weight of each block [N]."""
    import torch

    return torch.stack(
        [
            torch.cat(
                [weight.detach().float().square().flatten() for weight in block.parameters() if weight.ndim > 1]
            ).mean()
            for block in blocks
        ]
    )


def of_blocks_by_activations(blocks: Sequence[nn.Module], run: Run) -> torch.Tensor:
    """How far each block turns the stream [N]: 1 less the cosine of what goes in and comes out.

    Men et al. 2024, ShortGPT: Block Influence, https://arxiv.org/abs/2403.03853.
    """
    import torch
    from torch.nn import functional

    turned = [0.0] * len(blocks)

    def watch(number: int) -> Callable[[nn.Module, tuple[torch.Tensor, ...], Any], None]:
        def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
            after = output[0] if isinstance(output, tuple) else output
            cosine = functional.cosine_similarity(inputs[0].float(), after.float(), dim=-1)
            turned[number] += 1 - float(cosine.mean())

        return keep

    hooks = [block.register_forward_hook(watch(number)) for number, block in enumerate(blocks)]
    run()
    for hook in hooks:
        hook.remove()
    return torch.tensor(turned)


def _squares(layer: Any, side: Side, units: int) -> torch.Tensor:
    """Squared weights of each unit [N] on one side of a linear layer, all of a group together."""
    squared: torch.Tensor = layer.weight.detach().float().square()
    return squared.sum(1 - axis(layer, side)).view(units, -1).sum(1)
