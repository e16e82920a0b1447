"""What training keeps between steps: weights, gradients, states of the optimizer, adapters; and over how many devices."""

from collections.abc import Sequence
from typing import Literal

from app.frozen import Frozen
from app.planner.models.anatomy import Anatomy, Matrix

Sharding = Literal["none", "ddp", "zero1", "zero2", "zero3"]


class Optimizer(Frozen):
    """States of an optimizer."""

    word: str
    title: str
    bytes: float
    """For each trained parameter."""
    factored: bool = False
    """Whether a matrix has states for its rows and columns alone."""
    temporary: float = 0.0
    """Bytes for each trained parameter while a step takes all tensors together (``foreach``, torch's default on a GPU)."""
    largest: float = 0.0
    """Bytes for each element of the largest tensor while a step takes one after the other (torch's default on a CPU)."""
    source: str


OPTIMIZERS: Sequence[Optimizer] = (
    Optimizer(word="adamw", title="AdamW, FP32 moments", bytes=8, temporary=4, largest=8, source="two float32 moments: torch.optim.AdamW on float32 weights, DeepSpeed and Megatron on any"),
    Optimizer(word="adamw_bf16", title="AdamW, BF16 moments", bytes=4, temporary=2, largest=4, source="moments in the weights' format, torch.optim.AdamW on BF16 weights"),
    Optimizer(word="adamw_8bit", title="AdamW, 8-bit", bytes=2 + 2 * 4 / 256, source="block-wise 8-bit moments, an FP32 scale for each 256, arXiv 2110.02861"),
    Optimizer(word="lion", title="Lion", bytes=4, temporary=4, source="one float32 momentum, arXiv 2302.06675"),
    Optimizer(word="sgd_momentum", title="SGD with momentum", bytes=4, source="one float32 momentum, torch.optim.SGD, which works in place"),
    Optimizer(word="sgd_momentum_bf16", title="SGD with BF16 momentum", bytes=2, source="momentum in the weights' format, torch.optim.SGD on BF16 weights"),
    Optimizer(word="sgd", title="SGD", bytes=0, source="no states, torch.optim.SGD"),
    Optimizer(word="adafactor", title="Adafactor", bytes=0, factored=True, largest=8, source="rows and columns of the second moment, of vectors all of it, arXiv 1804.04235; transformers.Adafactor takes one tensor after the other"),
)  # fmt: skip
BY_WORD: dict[str, Optimizer] = {each.word: each for each in OPTIMIZERS}


def adapter_parameters(anatomy: Anatomy, rank: int, targets: Sequence[Matrix] | None = None) -> int:
    """Parameters of low-rank adapters: ``rank × (inputs + outputs)`` for each matrix that has them; None for all linear ones."""
    chosen = anatomy.linear() if targets is None else targets
    return sum(matrix.count * rank * (matrix.inputs + matrix.outputs) for matrix in chosen)


def optimizer_bytes(optimizer: Optimizer, trained: int, matrices: Sequence[Matrix], vectors: int = 0) -> float:
    """States of an optimizer.

    Args:
        optimizer: which.
        trained: parameters that are trained.
        matrices: of those, the matrices; counts for factored states alone.
        vectors: elements of all else, which has no rows and columns; counts for factored states alone.
    """
    if not optimizer.factored:
        return optimizer.bytes * trained
    return float(4 * vectors + sum(4 * matrix.count * (matrix.inputs + matrix.outputs) for matrix in matrices))


def shares(sharding: Sharding, devices: int) -> tuple[float, float, float]:
    """Shares of weights, gradients and optimizer states that each device of a data-parallel group keeps (ZeRO, arXiv 1910.02054)."""
    whole, part = 1.0, 1.0 / devices
    return {
        "none": (whole, whole, whole),
        "ddp": (whole, whole, whole),
        "zero1": (whole, whole, part),
        "zero2": (whole, part, part),
        "zero3": (part, part, part),
    }[sharding]
