"""Claims that need no measurement: each names the rule by which it can be reckoned, from formulas and facts of other rooms.

Here are the claims and what their rules read; ``app.presentation.reckoning`` works them out, above the planner and the datasheets.
"""

from typing import Annotated, Literal

from pydantic import Field

from app.frozen import Frozen
from app.knowledge.sources import Grade, Source

Unit = Literal["B", "FLOP/s", "FLOP/B", "1/s", "1", "×", "number", "× b·n_layers·d_model·t²"]
"""Of what is said: ``1`` is a share, ``×`` a factor."""


class Weights(Frozen):
    """Bytes of weights: parameters × bits."""

    kind: Literal["weights"]
    parameters: int
    bits: int


class ModelWeights(Frozen):
    """Least bytes of a published model: its weights, with everything that a format keeps beside them."""

    kind: Literal["model_weights"]
    model: str
    format: str
    """As the planner names it."""


class OptimizerStates(Frozen):
    """Bytes that training keeps between steps."""

    kind: Literal["optimizer"]
    parameters: int
    optimizer: str
    """As the planner names it."""
    part: Literal["states", "all", "saved"]
    """``saved`` is the share of ``all`` that AdamW would take more."""


class Sharded(Frozen):
    """How many times less each device of a group keeps."""

    kind: Literal["sharding"]
    strategy: Literal["ddp", "zero1", "zero2", "zero3"]
    devices: int | None
    """None for as many as one likes."""


class NumberRange(Frozen):
    """Ends of number formats."""

    kind: Literal["number"]
    formats: tuple[str, ...]
    """What is meant may be any of them."""
    end: Literal["largest", "smallest", "lowest"]
    """``smallest`` is the smallest normal number above zero."""


class Ridge(Frozen):
    """Operations per byte from which on arithmetic binds a device."""

    kind: Literal["ridge"]
    device: str
    format: str


class Peak(Frozen):
    """Operations a second of a device."""

    kind: Literal["peak"]
    device: str
    formats: tuple[str, ...]
    """What is meant may be any of them."""


class ItemRate(Frozen):
    """Items a second of a step that takes so long."""

    kind: Literal["rate"]
    items: int
    seconds: float
    within: float
    """Half of the last digit that was given of ``seconds``."""


class AttentionMemory(Frozen):
    """Bytes of one layer's attention."""

    kind: Literal["attention_memory"]
    kernel: Literal["standard", "flash"]
    batch: int
    heads: int
    head_dim: int
    length: int
    bytes: int
    """Of an element."""


class AttentionOperations(Frozen):
    """Floating-point operations of attention's products, over b·n_layers·d_model·t²."""

    kind: Literal["attention_operations"]


Rule = Annotated[
    Weights
    | ModelWeights
    | OptimizerStates
    | Sharded
    | NumberRange
    | Ridge
    | Peak
    | ItemRate
    | AttentionMemory
    | AttentionOperations,
    Field(discriminator="kind"),
]


class Reckoned(Frozen):
    """A claim that follows from arithmetic or a datasheet, or does not."""

    word: str
    topic: str
    says: str
    said: float
    """In base units."""
    within: float
    """Half of the last digit that was given."""
    unit: Unit
    rule: Rule
    techniques: tuple[str, ...] = ()
    """Words of the catalogue's techniques whose pages say more."""
    source: Source
    grade: Grade
    beside: str | None = None


class Bound(Frozen):
    """A claim about what binds a workload: measured by what bound runs here, and reckoned from datasheets."""

    word: str
    topic: str
    says: str
    workloads: tuple[str, ...]
    bound: Literal["compute", "bandwidth"]
    tokens: int
    """That a step takes through the weights at once, for what is reckoned."""
    source: Source
    grade: Grade
    beside: str | None = None
