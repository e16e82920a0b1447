"""Autocast: weights stay long, and factors of matrix products are short copies."""

from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.parts import Part, about
from app.planner.models.anatomy import Anatomy

STREAM_BYTES = 4
"""Of an element of the residual stream, of what norms return, and of what is rotated with float32 angles."""
SOURCE = "torch.autocast's cache of weights, dropped when its outermost context is left; products keep theirs for the backward pass"

NO_GRADIENTS = "torch.autocast's cache keeps every copy under torch.no_grad, and none under torch.inference_mode"


def acts(weights: str, computing: str) -> bool:
    """Whether products are computed in fewer bits than whole weights are kept in."""
    return not FORMATS[weights].is_quantised and FORMATS[computing].bits < FORMATS[weights].bits


def copies(anatomy: Anatomy, computing: str, *, sure: bool = True) -> Part:
    """Of all weights that multiply, in the computing format.

    Args:
        anatomy: the model.
        computing: that format.
        sure: whether they are there in any program; else only where everything runs within one context.
    """
    each, count = FORMATS[computing].bits / 8, _multiplied(anatomy)
    size = each * count
    said = f"{each:g} B × {count:,} of matrices that multiply"
    return about("autocast copies", size, size if sure else 0.0, size, said, SOURCE)


def copied(anatomy: Anatomy, computing: str, devices: int) -> Part:
    """Of the widest weight while it multiplies without gradients; of all of them where autocast keeps them."""
    each = FORMATS[computing].bits / 8 / devices
    widest = max(matrix.outputs * matrix.inputs for matrix in anatomy.matrices if matrix.role != "embedding")
    said = f"{each:g} B × {widest:,} of the widest matrix, up to {_multiplied(anatomy):,} of all"
    return about("autocast copies", each * widest, each * widest, each * _multiplied(anatomy), said, NO_GRADIENTS)


def _multiplied(anatomy: Anatomy) -> int:
    return sum(matrix.weights for matrix in anatomy.matrices if matrix.role != "embedding")
