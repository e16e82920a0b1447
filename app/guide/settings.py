"""What a stack makes of a situation: formats, what is kept, what is split, how it is executed. Techniques set it field by field."""

from collections.abc import Sequence
from typing import Any, Literal

from app.frozen import Frozen
from app.guide.situation import Situation
from app.guide.techniques import Technique
from app.planner.memory.activations import Loss
from app.planner.memory.inference import Loading
from app.planner.memory.states import Sharding

Execution = Literal["eager", "compiled", "graphs", "engine"]
TORCH_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


class Settings(Frozen):
    """Everything memory and time depend on; words of formats are the planner's."""

    weights: str = "fp32"
    computing: str = "fp32"
    loading: Loading | None = None
    """How weights come to have their format; None loads as is usual for it."""
    arithmetic: str | None = None
    """Format of the factors of products, as torch names it; None for the computing one."""
    activations: str | None = None
    """Format of activations that are moved; None for the computing one."""
    cache: str | None = None
    """Format of the KV cache; None for the computing one."""
    optimizer: str = "adamw"
    checkpointing: bool = False
    flash: bool = False
    loss: Loss = "naive"
    rank: int | None = None
    sharding: Sharding = "none"
    tensor_parallel: bool = False
    parts: int | None = 1
    """Parts that a batch is taken in, one after the other; None for one sequence or image at a time."""
    reuse: bool = False
    """Whether keys and values of earlier tokens are kept."""
    execution: Execution = "eager"
    opaque: bool = False
    """Whether its operators stay calls of their own, because no compiler sees through them."""
    draft_tokens: int = 1
    """Tokens that a decoding step checks together."""
    share: float = 1.0
    """Of the layers' weights that remain."""
    efficiency: float = 1.0
    """Of products while arithmetic binds, against plain ones."""
    linear_operators: float = 0.0
    """Operators that each matrix costs beyond its product, unless execution is compiled or an engine."""

    @property
    def products(self) -> str:
        """Format of the factors of products, as torch names it."""
        return self.arithmetic or TORCH_NAMES[self.computing]

    @property
    def tiled(self) -> bool:
        """Whether scores of attention are never whole: engines have such kernels, or take a prompt in pieces."""
        return self.flash or self.execution == "engine"


def plain(situation: Situation) -> tuple[str, ...]:
    """Words of the stack that somebody has who chose nothing: inference in the published format if the device computes in it."""
    words = []
    if situation.phase == "inference":
        published = situation.model.published
        if published != "fp32" and situation.device.computes(TORCH_NAMES[published]):
            words.append(published)
    if situation.task == "chat":
        words.append("kv_cache")
    return tuple(words)


def applied(stack: Sequence[Technique]) -> Settings:
    """Settings of a stack whose techniques stand in the order in which they act."""
    values: dict[str, Any] = {}
    for technique in stack:
        for name, value in technique.sets.items():
            if value == "@computing":
                value = values.get("computing", "fp32")
            values[name] = value
        for name, factor in technique.times.items():
            if name == "linear_operators":
                values[name] = values.get(name, 0.0) + factor
            else:
                values[name] = values.get(name, 1.0) * factor
    return Settings.model_validate(values)
