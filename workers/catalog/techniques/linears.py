"""Which linear layers a quantisation replaces: all but the one that gives the scores.

transformers leaves the output layer alone in the same way when it loads a quantised model: it is the most sensitive one
and often shares its weight with the embedding, so that quantising it would add a copy instead of saving one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.catalog.model import Unsupported

if TYPE_CHECKING:
    from torch import nn


def inner(model: nn.Module, title: str) -> dict[str, nn.Linear]:
    """Linear layers by dotted name, without the last one, which gives the scores.

    Raises:
        Unsupported: the model has no other linear layer; ``title`` names the technique that finds nothing to do.
    """
    from torch import nn

    linears = {name: module for name, module in model.named_modules() if type(module) is nn.Linear}
    if len(linears) < 2:
        raise Unsupported(
            f"{title} acts on linear layers, and {type(model).__name__} has none besides the one that gives its scores."
        )
    linears.pop(list(linears)[-1])
    return linears
