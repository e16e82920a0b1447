"""Types of the tensors of GGUF files: how many bytes a block of so many elements takes, scales included.

A row is whole blocks; scales and minima lie inside the blocks, so that a tensor's size follows from its shape and type alone.
"""

from collections.abc import Sequence

from app.frozen import Frozen

SOURCE = "ggml-org/llama.cpp, ggml/src/ggml-common.h: one struct a block; gguf-py/gguf/constants.py: GGML_QUANT_SIZES"


class TensorType(Frozen):
    """One type."""

    number: int
    """In a file."""
    word: str
    elements: int
    """Of a block."""
    bytes: int
    """Of a block."""

    @property
    def bits(self) -> float:
        """Of an element, scales included."""
        return 8 * self.bytes / self.elements

    def fits(self, row: int) -> bool:
        """Whether a row of so many elements is whole blocks."""
        return row % self.elements == 0

    def size(self, row: int, rows: int) -> int:
        """Bytes of a tensor of so many rows, each of whole blocks."""
        return rows * (row // self.elements) * self.bytes


def _type(number: int, word: str, elements: int, size: int) -> TensorType:
    return TensorType(number=number, word=word, elements=elements, bytes=size)


# What exists between two kernels alone (Q8_1, Q8_K) is in no file. 256 elements share a super-block: d and dmin are 2 bytes each, followed by scales, high bits and low bits.
TYPES: Sequence[TensorType] = (
    _type(0, "f32", 1, 4),
    _type(1, "f16", 1, 2),
    _type(2, "q4_0", 32, 2 + 16),
    _type(3, "q4_1", 32, 2 + 2 + 16),
    _type(6, "q5_0", 32, 2 + 4 + 16),
    _type(7, "q5_1", 32, 2 + 2 + 4 + 16),
    _type(8, "q8_0", 32, 2 + 32),
    _type(10, "q2_k", 256, 2 + 2 + 16 + 64),
    _type(11, "q3_k", 256, 2 + 12 + 32 + 64),
    _type(12, "q4_k", 256, 2 + 2 + 12 + 128),
    _type(13, "q5_k", 256, 2 + 2 + 12 + 32 + 128),
    _type(14, "q6_k", 256, 2 + 16 + 64 + 128),
    _type(16, "iq2_xxs", 256, 2 + 64),
    _type(17, "iq2_xs", 256, 2 + 64 + 8),
    _type(18, "iq3_xxs", 256, 2 + 96),
    _type(19, "iq1_s", 256, 2 + 32 + 16),
    _type(20, "iq4_nl", 32, 2 + 16),
    _type(21, "iq3_s", 256, 2 + 64 + 8 + 32 + 4),
    _type(22, "iq2_s", 256, 2 + 64 + 16),
    _type(23, "iq4_xs", 256, 2 + 2 + 4 + 128),
    _type(24, "i8", 1, 1),
    _type(25, "i16", 1, 2),
    _type(26, "i32", 1, 4),
    _type(27, "i64", 1, 8),
    _type(28, "f64", 1, 8),
    _type(29, "iq1_m", 256, 32 + 16 + 8),
    _type(30, "bf16", 1, 2),
    _type(34, "tq1_0", 256, 2 + 4 + 48),
    _type(35, "tq2_0", 256, 2 + 64),
    _type(39, "mxfp4", 32, 1 + 16),
    _type(40, "nvfp4", 64, 4 + 32),
    _type(41, "q1_0", 128, 2 + 16),
)
"""Numbers that are missing were given up."""
BY_NUMBER: dict[int, TensorType] = {each.number: each for each in TYPES}
BY_WORD: dict[str, TensorType] = {each.word: each for each in TYPES}
