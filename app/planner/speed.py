"""How fast: a step under the roofs of its device, with an interval as wide as what was published of such steps.

Ceilings are a datasheet's. What of them is reached differs between programs more than between devices, and that is the interval.
"""

from typing import Literal

from app.frozen import Frozen
from app.planner.calibration import Calibration
from app.planner.machines import Machine
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.formats import matrix_bytes, weight_bytes
from app.planner.memory.inference import CACHE_BITS
from app.planner.models.anatomy import Anatomy, Matrix
from app.planner.question import Question

Binds = Literal["compute", "bandwidth", "overhead"]
PEAKS = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
"""Peaks of a datasheet by the format that is computed in."""

ARITHMETIC = (0.68, 0.45, 0.19)
"""Share of the peak that large products reach in a whole step: compiled with flash attention, eager with it, plain."""
ARITHMETIC_SOURCE = (
    "torchtune's README: 2,413 tokens a second of an 8B QLoRA on an RTX 4090 are 67 % of its peak, compiled; arXiv 2509.12229: "
    "19 % on an RTX 4060, plain"
)
DEQUANTISING = (1.0, 0.78, 0.64)
"""Speed of QLoRA over LoRA: weights are dequantised in every layer (torchtune's README; Lightning-AI/litgpt's tables)."""
BANDWIDTH = (1.0, 0.85, 0.6)
"""Share of the bandwidth that reading weights reaches."""
BANDWIDTH_SOURCE = (
    "meta-pytorch/gpt-fast on A100: 2,041 of 2,039 GB/s after what each layer costs; copies reach 79 to 90 %; eager "
    "programs less"
)
A_LAYER = (60e-6, 110e-6, 700e-6)
"""Seconds that each layer of a decoding step costs besides: with CUDA graphs, compiled, eager."""
A_LAYER_SOURCE = (
    "meta-pytorch/gpt-fast 95 µs, pytorch/ao 112 µs, llama.cpp 178 µs a layer, fitted to their tables; eager: about 35 "
    "operators of 20 µs"
)


class Speed(Frozen):
    """Time of one step, between the best and the plainest of what was published."""

    what: str
    """What a step is."""
    seconds: float
    low: float
    high: float
    tokens: float
    """Tokens of a step."""
    binds: Binds
    operations: float
    """Floating-point operations of a step; multiply and add are two, attention is causal."""
    bytes: float
    """That must be read of weights and caches."""
    formula: str
    source: str

    @property
    def per_second(self) -> tuple[float, float, float]:
        """Tokens a second: likely, at least, at most."""
        return self.tokens / self.seconds, self.tokens / self.high, self.tokens / self.low


def forward_operations(anatomy: Anatomy, sequences: int, tokens: int) -> float:
    """Operations of a forward pass over whole sequences, attention causal: half of its square."""
    products = 2 * anatomy.active_parameters * sequences * tokens
    return products + sequences * 2.0 * tokens**2 * anatomy.widths.queries * anatomy.layers


def training_operations(anatomy: Anatomy, question: Question) -> float:
    """Operations of a training step: twice the forward pass backward, once where weights are frozen; again where recomputed."""
    forward = forward_operations(anatomy, question.batch, question.sequence)
    backward = 1.0 if question.phase in ("lora", "qlora") else 2.0
    return forward * (1.0 + backward + (1.0 if question.recomputes else 0.0))


def speeds(anatomy: Anatomy, question: Question, machine: Machine) -> tuple[Speed, ...]:
    """The steps of a question on a device; none where it has no peak of the format."""
    peak = machine.peaks.get(PEAKS[question.computing])
    if peak is None:
        return ()
    if question.phase != "inference":
        return (_training(anatomy, question, peak),)
    prompt = _prompt(anatomy, question, peak, machine.bandwidth)
    if not question.generated:
        return (prompt,)
    token = _token(anatomy, question, peak, machine.bandwidth)
    learnt = machine.calibrations.get(question.computing)
    plain = (
        question.devices == 1
        and question.stored_bytes is None
        and question.kept_weights == question.computing == question.kept_cache
    )
    return prompt, _learnt(token, anatomy, learnt) if learnt and plain else token


def _training(anatomy: Anatomy, question: Question, peak: float) -> Speed:
    work = training_operations(anatomy, question)
    shares = ARITHMETIC
    if question.phase == "qlora":
        shares = tuple(share * slower for share, slower in zip(ARITHMETIC, DEQUANTISING, strict=True))  # type: ignore[assignment]
    best, usual, plain = (work / (peak * share) for share in shares)
    slower = f", QLoRA {DEQUANTISING[2]:.0%} to 100 % of that" if question.phase == "qlora" else ""
    return Speed(
        what="training step",
        seconds=usual,
        low=best,
        high=plain,
        tokens=float(question.batch * question.sequence),
        binds="compute",
        operations=work,
        bytes=weight_bytes(anatomy, FORMATS[question.kept_weights], FORMATS[question.computing]),
        formula=f"{work:.3g} operations / ({peak:.3g} a second × {ARITHMETIC[2]:.0%} to {ARITHMETIC[0]:.0%}{slower})",
        source=ARITHMETIC_SOURCE,
    )


def _prompt(anatomy: Anatomy, question: Question, peak: float, bandwidth: float) -> Speed:
    peak, bandwidth = peak * question.devices, bandwidth * question.devices
    tokens = float(question.batch * question.sequence)
    work = forward_operations(anatomy, question.batch, question.sequence)
    held = _held(anatomy, question)
    times = [
        max(work / (peak * share), held / (bandwidth * read)) + anatomy.layers * layer
        for share, read, layer in zip(ARITHMETIC, BANDWIDTH, A_LAYER, strict=True)
    ]
    at = {"compute": work / (peak * ARITHMETIC[1]), "bandwidth": held / (bandwidth * BANDWIDTH[1])}
    return Speed(
        what="prompt",
        seconds=times[1],
        low=times[0],
        high=times[2],
        tokens=tokens,
        binds=_largest(at, anatomy.layers * A_LAYER[1]),
        operations=work,
        bytes=held,
        formula=(
            f"the longer of {work:.3g} operations / ({peak:.3g} a second × {ARITHMETIC[2]:.0%} to {ARITHMETIC[0]:.0%}) and "
            f"{held:.3g} B / ({bandwidth:.3g} B/s × {BANDWIDTH[2]:.0%} to {BANDWIDTH[0]:.0%}), + {anatomy.layers} layers"
        ),
        source=f"{ARITHMETIC_SOURCE}; {BANDWIDTH_SOURCE}",
    )


def _token(anatomy: Anatomy, question: Question, peak: float, bandwidth: float) -> Speed:
    """One token of every sequence, in the middle of the answers."""
    peak, bandwidth = peak * question.devices, bandwidth * question.devices
    length = question.sequence + question.generated // 2
    if question.stored_bytes is not None:
        # Of a file only the sum is known here: elements stand for bytes.
        whole = sum(each.weights for each in anatomy.stored)
        share = sum(each.weights * touched(each, anatomy, question.batch) for each in anatomy.stored) / whole
        held = question.stored_bytes * share + _cached(anatomy, question.kept_cache, question.batch, length)
    else:
        held = read_bytes(
            anatomy, question.kept_weights, question.computing, question.kept_cache, question.batch, length
        )
    work = question.batch * (2 * anatomy.active_parameters + 4.0 * length * anatomy.widths.queries * anatomy.layers)
    times = [
        max(work / (peak * share), held / (bandwidth * read)) + anatomy.layers * layer
        for share, read, layer in zip(ARITHMETIC, BANDWIDTH, A_LAYER, strict=True)
    ]
    at = {"compute": work / (peak * ARITHMETIC[1]), "bandwidth": held / (bandwidth * BANDWIDTH[1])}
    return Speed(
        what="token of every answer",
        seconds=times[1],
        low=times[0],
        high=times[2],
        tokens=float(question.batch),
        binds=_largest(at, anatomy.layers * A_LAYER[1]),
        operations=work,
        bytes=held,
        formula=(
            f"{held:.3g} B / ({bandwidth:.3g} B/s × {BANDWIDTH[2]:.0%} to {BANDWIDTH[0]:.0%}) + {anatomy.layers} layers × "
            f"{A_LAYER[0] * 1e6:.0f} to {A_LAYER[2] * 1e6:.0f} µs"
        ),
        source=f"{BANDWIDTH_SOURCE}; {A_LAYER_SOURCE}",
    )


def _learnt(token: Speed, anatomy: Anatomy, learnt: Calibration) -> Speed:
    """The same by what was measured on the device."""
    seconds = learnt.seconds(anatomy.layers, token.bytes)
    overhead = anatomy.layers * learnt.layer_s
    return token.model_copy(
        update={
            "seconds": seconds,
            "low": seconds / (1 + learnt.error),
            "high": seconds * (1 + learnt.error),
            "binds": "overhead" if overhead > seconds / 2 else "bandwidth",
            "formula": (
                f"{token.bytes:.3g} B / {learnt.bandwidth:.3g} B/s + {anatomy.layers} layers × {learnt.layer_s * 1e6:.0f} µs"
            ),
            "source": f"learnt from {learnt.points} decoding steps that were measured on this device",
        }
    )


def _held(anatomy: Anatomy, question: Question) -> float:
    """Bytes of all weights."""
    if question.stored_bytes is not None:
        return float(question.stored_bytes)
    return weight_bytes(anatomy, FORMATS[question.kept_weights], FORMATS[question.computing])


def read_bytes(anatomy: Anatomy, weights: str, computing: str, cache: str, batch: int, length: int) -> float:
    """What a decoding step reads: weights, and the caches of all sequences.

    Args:
        anatomy: the model.
        weights: format of the layers' weights.
        computing: format of what is not quantised.
        cache: format of the cache.
        batch: sequences.
        length: tokens that each has.
    """
    sizes = matrix_bytes(anatomy, FORMATS[weights], FORMATS[computing])
    read = sum(size * touched(each, anatomy, batch) for each, size in sizes.items())
    return read + _cached(anatomy, cache, batch, length)


def _cached(anatomy: Anatomy, cache: str, batch: int, length: int) -> float:
    return batch * anatomy.cache_elements(length) * CACHE_BITS[cache] / 8


def touched(matrix: Matrix, anatomy: Anatomy, batch: int) -> float:
    """Share of a matrix that a step reads: of experts, those that any sequence chose, were they chosen evenly; of an embedding
    that is not the head too, some rows.
    """
    if matrix.role == "embedding" and not anatomy.tied:
        return 0.0
    if matrix.name == "positions":
        return 0.0
    return 1 - (1 - matrix.active) ** batch


def _largest(at: dict[str, float], overhead: float) -> Binds:
    if overhead > max(at.values()):
        return "overhead"
    return "compute" if at["compute"] >= at["bandwidth"] else "bandwidth"
