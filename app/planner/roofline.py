"""Seconds of counted work on a device: each product takes the longer of its operations over the peak and its weights over the
bandwidth; what is moved besides comes on top (Williams et al. 2009, Roofline).

On a GPU calls run ahead of the kernels, so that the longer of both counts; on a CPU they add up. What plain decoding takes on a
device whose steps were measured is known (``calibration.py``), and what formulas are off there they are taken to be off beside
it. Constants are fits to published tables, told where they stand.
"""

from collections.abc import Sequence
from typing import Literal

from app.frozen import Frozen
from app.planner.machines import Machine
from app.planner.models.anatomy import Anatomy
from app.planner.work import SUMS, TORCH_NAMES, Step, Work, forward
from workers.catalog.technique import DeviceKind

Class = Literal["compute", "bandwidth", "overhead", "communication"]
OPERATOR_S = {"cuda": 20e-6, "cpu": 25e-6}
"""Seconds of calling one operator from transformers' modules. With a GPU about 20 µs on older hosts: 23 ms of a token of an 8B
model, where 25.8 ms were measured (derekl35/quantization-benchmarks). On a CPU from 4.1 ms a token of four layers in
``demo/decoder-quantisation``; a token of eight layers then takes 13.7 ms, where ``demo/llama-memory`` has 14.6."""
SHORT_PRODUCT_S = 70e-6
"""Seconds that a CPU needs besides for each product in a 16-bit format, in which oneDNN orders the weights anew: 1.97 ms of a token
with 28 products (``demo/decoder-quantisation``). With it four other ratios of the demo are met within 0.06."""
LAUNCH_S = {"cuda": 5e-6, "cpu": 40e-6}
"""Seconds of calling one compiled kernel. Of one launch on a GPU 4 to 6 µs; on a CPU, where its threads begin and end with each, from
one token in ``docs/results/guide`` (0.60 times the eager time; one prompt is then foretold at 0.61 for 0.59)."""
LAYER_S = 95e-6
"""Seconds that a layer of a decoded token costs on a GPU besides bytes, with CUDA graphs: fit to gpt-fast's table on A100."""
FUSED_TRAFFIC = 0.5
"""Of the bytes moved between kernels, what remains once element-wise ones are fused: every second write and read."""
ATTENTION_SHARE: dict[tuple[int, int] | None, float] = {(9, 0): 0.44}
"""Rate of attention against that of products, by compute capability, where the kernel that torch takes falls behind:
FlashAttention-2 reaches 35 % of an H100's peak (arXiv 2407.08608), products 80 %."""
NEARLY = 0.5
"""Share of the longest class from which on another binds beside it: halving the first would make the second the longest."""
BEST_SHARE, PLAINEST_SHARE = 0.85, 0.24
"""Of the rate of large products, what whole steps reach at best and as they come: 68 and 19 % of the peak, of which products reach
80 %."""
SHARES_SOURCE = (
    "torchtune's README: 2,413 tokens a second of an 8B QLoRA on an RTX 4090 are 67 % of its peak, compiled; arXiv 2509.12229: "
    "19 % on an RTX 4060, plain"
)
BEST_READS, PLAINEST_READS = 1.0, 0.6
"""Share of the wire's rate that reading reaches."""
BEST_LAYER_S = 60e-6
"""Seconds that a layer costs besides at best, with CUDA graphs."""
READS_SOURCE = "meta-pytorch/gpt-fast on A100: 2,041 of 2,039 GB/s after what each layer costs; copies reach 79 to 90 %; eager programs less"
CALLS_SOURCE: dict[DeviceKind, str] = {
    "cuda": "a layer: meta-pytorch/gpt-fast 95 µs, pytorch/ao 112 µs, llama.cpp 178 µs, fitted to their tables; eager: 36 operators of 20 µs",
    "cpu": "eager: 36 operators a layer of 25 µs, and 70 µs for each product in a 16-bit format, fitted to demo/decoder-quantisation; at best 60 µs a layer",
}


class Time(Frozen):
    """Seconds, and what they are spent on."""

    seconds: float
    compute: float
    """At arithmetic."""
    bandwidth: float
    """At moving bytes."""
    overhead: float
    """At calls and launches that nothing hides."""
    communication: float = 0.0
    """At exchange between devices that nothing hides; within a step of tensor parallelism all of it."""

    @property
    def shares(self) -> dict[Class, float]:
        """Seconds by class."""
        return {
            "compute": self.compute,
            "bandwidth": self.bandwidth,
            "overhead": self.overhead,
            "communication": self.communication,
        }

    @property
    def binds(self) -> Class:
        """What most of it is spent on."""
        return max(self.shares, key=lambda word: self.shares[word])

    @property
    def binding(self) -> tuple[Class, ...]:
        """Every class that takes at least half as long as the one that takes longest, that one first."""
        longest = max(self.shares.values())
        ordered = sorted(self.shares.items(), key=lambda one: -one[1])
        return tuple(word for word, seconds in ordered if seconds >= NEARLY * longest)

    @property
    def margin(self) -> float:
        """How many times the second largest class the largest one is; infinite where it stands alone."""
        first, second = sorted(self.shares.values(), reverse=True)[:2]
        return first / second if second > 0 else float("inf")

    def times(self, factor: float) -> "Time":
        """So many of it, one after the other."""
        return Time(
            seconds=factor * self.seconds,
            compute=factor * self.compute,
            bandwidth=factor * self.bandwidth,
            overhead=factor * self.overhead,
            communication=factor * self.communication,
        )


def spent(work: Work, step: Step, machine: Machine, devices: int = 1) -> Time:
    """Seconds of some work.

    Args:
        work: what is to be done, by all devices together.
        step: how it is computed.
        machine: on what; with a peak of float32.
        devices: that have an equal share of operations and bytes each, and call everything.
    """
    arithmetic = work.products / (machine.peak(step.products) * step.rate * devices)
    reading = work.weights / (machine.reads * devices)
    fused = 1.0 if step.execution == "eager" else FUSED_TRAFFIC
    moved = (work.activations * fused + work.others) / devices + work.cached(devices)
    by_arithmetic = arithmetic >= reading
    compute = (arithmetic if by_arithmetic else 0.0) + _attention(work, step, machine) / devices
    bandwidth = (0.0 if by_arithmetic else reading) + moved / machine.reads
    calls, gaps = _calling(work, step, machine), LAYER_S * work.layers if machine.gpu else 0.0
    waiting = max(calls - compute - bandwidth, gaps) if machine.gpu else calls
    sent = _sent(work, machine, devices)
    return Time(
        seconds=compute + bandwidth + waiting + sent,
        compute=compute, bandwidth=bandwidth, overhead=waiting, communication=sent,
    )  # fmt: skip


def token(
    anatomy: Anatomy, step: Step, machine: Machine, work: Work, batch: int, length: int, devices: int = 1
) -> Time:
    """One token more of every sequence, by what was learnt of decoding on the device where anything was.

    Args:
        anatomy: the model.
        step: how it is computed.
        machine: on what.
        work: of the token.
        batch: sequences.
        length: tokens that each has.
        devices: as for ``spent``.
    """
    found = spent(work, step, machine, devices)
    learnt = machine.calibrations.get(step.computing)
    if learnt is None or devices > 1:
        return found
    plain = Step(weights=step.computing, computing=step.computing)
    usual = forward(anatomy, plain, batch, 1, length)
    return found.times(learnt.seconds(anatomy.layers, usual.bytes) / spent(usual, plain, machine).seconds)


def formula(work: Work, step: Step, machine: Machine, devices: int = 1) -> str:
    """What ``spent`` does, with its numbers; arguments are the same."""
    reads, peak = machine.reads, machine.peak(step.products) * step.rate
    fused = 1.0 if step.execution == "eager" else FUSED_TRAFFIC
    each = f"for each of {devices} devices " if devices > 1 else ""
    besides = (fused * work.activations + work.others) / devices + work.cached(devices)
    said = (
        f"{each}the longer of {work.products / devices:.4g} operations of products at {peak:.4g} a second and "
        f"{work.weights / devices:.4g} B of weights at {reads:.4g} B/s; {work.scores / devices:.4g} operations of attention at "
        f"{_attention_rate(step, machine):.4g} a second; {besides:.4g} B of caches and besides at {reads:.4g} B/s"
    )
    calls = _calls_said(work, step, machine)
    if machine.gpu:
        gaps = f"{work.layers:,.0f} layers × {LAYER_S * 1e6:g} µs"
        said += f"; what these do not hide of {calls}, at least {gaps}" if calls else f"; {gaps}"
    elif calls:
        said += f"; {calls}"
    sent = _sent(work, machine, devices)
    return f"{said}; {sent:.4g} s of sums between devices" if sent else said


def bounds(work: Work, step: Step, machine: Machine, devices: int = 1) -> tuple[float, float]:
    """Seconds at best and at plainest: what was published of such steps, or what formulas give compiled and plain, where that is
    further out.

    Args:
        work: what is to be done, by all devices together.
        step: how it is computed.
        machine: on what.
        devices: as for ``spent``.
    """
    peak, rate = machine.peak(step.products) * devices, machine.bandwidth * devices
    compiled = step.model_copy(update={"execution": "graphs"})
    plain = step if step.execution == "engine" else step.model_copy(update={"execution": "eager"})
    # Shares of the peak are of whole steps, with everything that is called; shares of the wire's rate are of reading alone.
    read = work.weights + devices * work.cached(devices)
    reading = read / (rate * BEST_READS) + work.layers * BEST_LAYER_S
    best = max(work.operations / (peak * BEST_SHARE), reading)
    reading = read / (rate * PLAINEST_READS) + _calling(work, plain, machine)
    plainest = max(work.operations / (peak * step.rate * PLAINEST_SHARE), reading)
    return (
        min(best, spent(work, compiled, machine, devices).seconds),
        max(plainest, spent(work, plain, machine, devices).seconds),
    )


def summed(parts: Sequence[Time], exchanged: float = 0.0) -> Time:
    """All parts one after the other; of exchange that goes on beside arithmetic and bytes, what these do not hide.

    Args:
        parts: in any order; what devices exchange within them, waiting for it, is theirs.
        exchanged: seconds of exchange between devices beside them, as of gradients in the backward pass.
    """
    compute = sum(one.compute for one in parts)
    bandwidth = sum(one.bandwidth for one in parts)
    overhead = sum(one.overhead for one in parts)
    sent = sum(one.communication for one in parts) + max(0.0, exchanged - compute - bandwidth)
    return Time(
        seconds=compute + bandwidth + overhead + sent,
        compute=compute, bandwidth=bandwidth, overhead=overhead, communication=sent,
    )  # fmt: skip


def _sent(work: Work, machine: Machine, devices: int) -> float:
    """Seconds in which devices that share every matrix sum up what they have of results, in rings, while all else waits.

    0 where nothing is known of the link between them.
    """
    if devices == 1 or machine.link is None:
        return 0.0
    return 2 * (devices - 1) / devices * work.results / machine.link + SUMS * work.layers * 2 * LAUNCH_S[machine.kind]


def _attention(work: Work, step: Step, machine: Machine) -> float:
    """Seconds of attention between tokens; engines bring kernels of their own that keep up."""
    return work.scores / _attention_rate(step, machine)


def _attention_rate(step: Step, machine: Machine) -> float:
    """Operations a second."""
    share = 1.0 if step.execution == "engine" else ATTENTION_SHARE.get(machine.capability, 1.0)
    return machine.peak(TORCH_NAMES[step.computing]) * min(1.0, share * step.attention_rate)


def _calling(work: Work, step: Step, machine: Machine) -> float:
    """Seconds in which the host calls everything once."""
    if step.execution in ("graphs", "engine"):
        return 0.0
    each = OPERATOR_S[machine.kind]
    short = work.matrices * SHORT_PRODUCT_S if _orders_anew(step, machine) else 0.0
    if step.execution == "compiled":
        return (
            work.kernels * LAUNCH_S[machine.kind]
            + short
            + (work.matrices * step.unpacking * each if step.opaque else 0.0)
        )
    return (work.operators + work.matrices * step.unpacking) * each + short


def _orders_anew(step: Step, machine: Machine) -> bool:
    """Whether each product orders its weights anew."""
    return not machine.gpu and step.computing != "fp32"


def _calls_said(work: Work, step: Step, machine: Machine) -> str:
    """The calls of plain code in numbers; empty where nothing is called from it."""
    if step.execution != "eager":
        return ""
    calls = work.operators + work.matrices * step.unpacking
    said = f"{calls:,.0f} calls × {OPERATOR_S[machine.kind] * 1e6:g} µs"
    short = f" + {work.matrices:,.0f} products × {SHORT_PRODUCT_S * 1e6:g} µs"
    return said + short * _orders_anew(step, machine)
