"""Autocast: weights stay long, and factors of matrix products are short copies."""

from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.parts import Part, about
from app.planner.models.anatomy import Anatomy

STREAM_BYTES = 4
"""Of an element of the residual stream, of what norms return, and of what is rotated with float32 angles."""
SOURCE = "torch.autocast's cache of weights, dropped when its outermost context is left; products keep theirs for the backward pass"


def acts(weights: str, computing: str) -> bool:
    """Whether products are computed in fewer bits than whole weights are kept in."""
    return not FORMATS[weights].is_quantised and FORMATS[computing].bits < FORMATS[weights].bits


def copies(anatomy: Anatomy, computing: str, *, sure: bool = True, devices: int = 1) -> Part:
    """Of all weights that multiply, in the computing format.

    Args:
        anatomy: the model.
        computing: that format.
        sure: whether they are there in any program; else only where everything runs within one context.
        devices: that share every matrix.
    """
    each = FORMATS[computing].bits / 8
    count = sum(matrix.weights for matrix in anatomy.matrices if matrix.role != "embedding")
    size = each * count / devices
    said = f"{each:g} B × {count:,} of matrices that multiply"
    return about("autocast copies", size, size if sure else 0.0, size, said, SOURCE)
