"""Makes a model smaller: chooses which units go, cuts them out, and says afterwards how large it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from workers.catalog.compression import blocks, saliency
from workers.catalog.model import Model, Unsupported
from workers.catalog.quantizing import calibration

if TYPE_CHECKING:
    from torch import nn

Dimension = Literal["width", "heads", "depth"]
Saliency = Literal["weights", "activations"]

SAMPLES = 16
"""Samples by which activations are judged."""
SHRUNK = "shrunk"
"""Attribute of the model, and the fact that follows from it: its ``Sizes`` before."""
SIZES = "sizes"
"""Fact about a converted model: its ``Sizes`` now."""


UNITS: dict[Dimension, str] = {"width": "units", "heads": "groups of heads", "depth": "blocks"}


class Sizes(NamedTuple):
    """How large a model is."""

    parameters: int
    units: tuple[int, ...]
    """Units of each layer that is cut (width), groups of heads of each attention (heads), or the number of blocks (depth)."""


def unsuited(model: Model, dimension: Dimension, by: Saliency, title: str) -> str | None:
    """Why a catalogued model cannot be made smaller so; None when it can."""
    if model.attends:
        return None
    if dimension != "width":
        return f"{title} takes {dimension} out of transformers; {model.title} is none. Its layers can be made narrower (dimension width)."
    if by == "activations":
        return f"{title} judges by activations in transformers alone; {model.title} is none. Choose saliency weights."
    return None


def shrink(
    declared: Model, model: nn.Module, *, dimension: Dimension, amount: float, by: Saliency, seed: int, title: str
) -> nn.Module:
    """Take this share of units out of the model, those that matter least.

    Args:
        declared: what the catalogue knows of the model.
        model: the model; it is changed.
        dimension: what is taken out.
        amount: which share of it.
        by: how units are judged.
        seed: decides which samples activations come from.
        title: the technique, for what it refuses.

    Raises:
        Unsupported: the model's layers are not known, or the share is less than one unit.
    """
    before = sizes(model, dimension, title)
    if not _transformer(model):
        _cut_channels(declared, model, amount, seed)
    else:
        left = kept(before.units[0], amount)
        if left == before.units[0]:
            raise Unsupported(f"{amount:.0%} of {left} is less than one; {title.lower()} would take nothing out.")
        _cut(declared, model, dimension, left, by, seed, title)
    setattr(model, SHRUNK, before)
    return model


def kept(units: int, amount: float) -> int:
    """How many of these stay."""
    return max(1, round(units * (1 - amount)))


def sizes(model: nn.Module, dimension: Dimension, title: str) -> Sizes:
    """How large the model is now.

    Raises:
        Unsupported: its layers are not known.
    """
    parameters = sum(weight.numel() for weight in model.parameters())
    if not _transformer(model):
        return Sizes(parameters, tuple(_channels(model)))
    if dimension == "depth":
        return Sizes(parameters, (len(blocks.blocks(model, title)),))
    layers = blocks.feed_forward(model, title) if dimension == "width" else blocks.heads(model, title)
    return Sizes(parameters, tuple(layer.units for layer in layers))


def inspected(model: nn.Module, dimension: Dimension, title: str) -> dict[str, Any]:
    """What the model shows of having been made smaller."""
    before = getattr(model, SHRUNK, None)
    return {} if before is None else {SHRUNK: before, SIZES: sizes(model, dimension, title)}


def missed(facts: Any, dimension: Dimension, amount: float) -> str | None:
    """What of it has not happened, by these facts; None where all of it has."""
    before, now = facts.get(SHRUNK), facts.get(SIZES)
    if before is None or now is None:
        return "Nothing was taken out of the model."
    # Layers that are added up have to keep as many units as one another, so that some lose one more or less.
    due = [kept(units, amount) + 1 * (len(set(before.units)) > 1) for units in before.units]
    if len(now.units) != len(before.units) or any(units > most for units, most in zip(now.units, due, strict=True)):
        return f"{_left(before, now, dimension)}; {amount:.0%} were to go."
    if now.parameters >= before.parameters:
        return f"The model has {now.parameters:,} parameters and had {before.parameters:,}."
    return None


def told(facts: Any, dimension: Dimension) -> str:
    """What was taken out, in words."""
    before, now = facts[SHRUNK], facts[SIZES]
    return (
        f"{_left(before, now, dimension)}: {now.parameters:,} of {before.parameters:,} parameters "
        f"({now.parameters / before.parameters:.0%}), in smaller tensors."
    )


def _left(before: Sizes, now: Sizes, dimension: Dimension) -> str:
    return f"Of {sum(before.units):,} {UNITS[dimension]} {sum(now.units):,} are left"


def _transformer(model: Any) -> bool:
    return isinstance(getattr(getattr(model, "config", None), "num_hidden_layers", None), int)


def _cut(
    declared: Model, model: nn.Module, dimension: Dimension, left: int, by: Saliency, seed: int, title: str
) -> None:
    def run() -> None:
        import torch

        with torch.no_grad():
            for batch in calibration.draw(declared, model, True, SAMPLES, seed).batches:
                declared.logits(model, batch)

    if dimension == "depth":
        every = list(blocks.blocks(model, title))
        scores = (
            saliency.of_blocks_by_weights(every) if by == "weights" else saliency.of_blocks_by_activations(every, run)
        )
        blocks.cut_blocks(blocks.blocks(model, title), saliency.strongest(scores, left), model)
        return
    layers = blocks.feed_forward(model, title) if dimension == "width" else blocks.heads(model, title)
    of_layers = (
        [saliency.by_weights(layer) for layer in layers] if by == "weights" else saliency.by_activations(layers, run)
    )
    strongest = [saliency.strongest(scores, left) for scores in of_layers]
    if dimension == "width":
        blocks.cut_units(layers, strongest, model)  # type: ignore[arg-type]
    else:
        blocks.cut_heads(layers, strongest, model)  # type: ignore[arg-type]


def _cut_channels(declared: Model, model: nn.Module, amount: float, seed: int) -> None:
    """Channels and units of layers that follow one another, with all that hangs on them: torch-pruning traces what does."""
    import torch_pruning
    from torch import nn

    scores = [module for module in model.modules() if isinstance(module, nn.Linear)][-1:]
    pruner = torch_pruning.pruner.BasePruner(
        model,
        declared.inputs(model, batch_size=2, length=None, seed=seed),
        importance=torch_pruning.importance.MagnitudeImportance(p=2),
        pruning_ratio=amount,
        ignored_layers=scores,
        forward_fn=declared.logits,
    )
    pruner.step()


def _channels(model: nn.Module) -> list[int]:
    """Outputs of every layer but the one that gives the scores."""
    from torch import nn

    layers = [module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    return [layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels for layer in layers[:-1]]
