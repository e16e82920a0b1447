"""Formats that weights are kept in, with everything that has to be kept beside them: scales, zeros, second levels of scales."""

from collections.abc import Sequence

from app.frozen import Frozen
from app.planner.memory import mixtures
from app.planner.memory.mixtures import MIXTURES, Mixture
from app.planner.models.anatomy import Anatomy, Matrix
from app.planner.models.tensor_types import BY_WORD as TENSOR_TYPES


class Format(Frozen):
    """One way to keep a matrix.

    A row of ``inputs`` elements takes ``bits`` an element, and ``block_bits`` for each block of ``block`` elements.
    """

    word: str
    title: str
    bits: float
    block: int | None = None
    """Elements along the inputs that share a scale; None for one scale a row."""
    block_bits: float = 0.0
    """Of scale and zero, for each block, or for each row."""
    mixture: Mixture | None = None
    """Of the tensor types of a GGUF file, of which ``bits`` are those that most elements have."""
    at_loading: bool = False
    """Whether files are of 16 bits and each matrix is quantised on the device while it is loaded."""
    unpacked: bool = False
    """Whether a matrix has to be whole in the computing format while many tokens are multiplied with it."""
    source: str

    @property
    def is_quantised(self) -> bool:
        """Whether it is for the layers' matrices alone; embedding, head, norms and biases then keep the computing format.

        In a GGUF file they have types of their own, whatever is computed in.
        """
        return self.block_bits > 0 or self.mixture is not None

    def bytes(self, matrix: Matrix) -> float:
        """Of all copies of a matrix, their biases apart."""
        blocks = 1 if self.block is None else -(-matrix.inputs // self.block)
        row = matrix.inputs * self.bits + blocks * self.block_bits
        return matrix.count * matrix.outputs * row / 8


def _of_file(mixture: Mixture) -> Format:
    most = TENSOR_TYPES[mixture.most]
    return Format(
        word=mixture.word, title=f"GGUF {mixture.title}", bits=most.bits, mixture=mixture, source=mixtures.SOURCE
    )  # fmt: skip


FORMATS: Sequence[Format] = (
    Format(word="fp32", title="FP32", bits=32, source="IEEE 754 binary32"),
    Format(word="bf16", title="BF16", bits=16, source="bfloat16: the upper half of binary32"),
    Format(word="fp16", title="FP16", bits=16, source="IEEE 754 binary16"),
    Format(word="fp8", title="FP8, a scale a row", bits=8, block_bits=32, source="OCP FP8 E4M3 with an FP32 scale for each output"),
    Format(word="int8", title="INT8, a scale a row", bits=8, block_bits=16, source="symmetric, an FP16 scale for each output"),
    Format(word="int4", title="INT4, groups of 128 with zero", bits=4, block=128, block_bits=16 + 4, source="GPTQ and AWQ: FP16 scale and 4-bit zero for each group"),
    Format(word="int4_64", title="INT4, groups of 64", bits=4, block=64, block_bits=32, source="tinygemm: BF16 scale and BF16 zero for each group"),
    Format(word="int4_32", title="INT4, groups of 32", bits=4, block=32, block_bits=32, source="tinygemm: BF16 scale and BF16 zero for each group"),
    Format(word="nf4", title="NF4", bits=4, block=64, block_bits=32, at_loading=True, unpacked=True, source="QLoRA, arXiv 2305.14314: FP32 absmax for each block of 64"),
    Format(word="nf4_double", title="NF4, double quantisation", bits=4, block=64, block_bits=8 + 32 / 256, at_loading=True, unpacked=True, source="QLoRA, arXiv 2305.14314: 8-bit absmax, FP32 for 256 of them"),
    Format(word="mxfp4", title="MXFP4", bits=4, block=32, block_bits=8, source="OCP Microscaling: E8M0 scale for each 32"),
    Format(word="nvfp4", title="NVFP4", bits=4, block=16, block_bits=8, source="FP8 scale for each 16, one FP32 for the tensor"),
    *(_of_file(each) for each in MIXTURES),
)  # fmt: skip
BY_WORD: dict[str, Format] = {each.word: each for each in FORMATS}


def quantised(anatomy: Anatomy, head: bool = False) -> tuple[Matrix, ...]:
    """Matrices that quantisation takes: the layers', and the head where it is asked for and has memory of its own."""
    ends = [each for each in anatomy.stored if head and each.role == "head"]
    return (*anatomy.linear(), *ends)


def matrix_bytes(anatomy: Anatomy, kept: Format, computing: Format, *, head: bool = False) -> dict[Matrix, float]:
    """Bytes of each matrix that has memory of its own, all its copies together, biases apart.

    Args:
        anatomy: the model.
        kept: format of the layers' matrices.
        computing: format of everything that quantisation leaves alone.
        head: whether the head is quantised as the layers' matrices are; in a GGUF file it always is.
    """
    if kept.mixture is not None:
        return mixtures.matrix_bytes(anatomy, kept.mixture)
    taken = set(quantised(anatomy, head)) if kept.is_quantised else set(anatomy.stored)
    return {each: (kept if each in taken else computing).bytes(each) for each in anatomy.stored}


def weight_bytes(anatomy: Anatomy, kept: Format, computing: Format, *, head: bool = False) -> float:
    """All weights of a model; arguments as for ``matrix_bytes``."""
    if kept.mixture is not None:
        return mixtures.weight_bytes(anatomy, kept.mixture)
    matrices = sum(matrix_bytes(anatomy, kept, computing, head=head).values())
    rest = anatomy.vectors + sum(each.biases for each in anatomy.stored)
    return matrices + rest * (computing if kept.is_quantised else kept).bits / 8
