"""Where a step stands under the roofs of its device, and which one binds it. Pure decisions, no clock.

A roof says what the least time for some work is. That alone proves nothing: a step far below every roof may wait for its
host, or run bad kernels. So the work is changed too: every class predicts by how much the time must grow when the batch is
doubled, or each product done twice, and one is claimed only if it alone predicts what was measured.

The roofline model: Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model" (CACM 2009).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from workers.catalog.ceilings import Ceilings
from workers.catalog.report import BottleneckClass
from workers.measurement.statistics import Estimate

Resource = Literal["compute", "bandwidth", "communication", "overhead"]
Trial = Literal["batch", "products"]
"""What was changed. Twice the batch is more of everything but weights; yet from one row to two libraries may go over to another
kernel, and then the time says something about that. Products done twice are the same kernels on the same data."""
RESOURCES: tuple[Resource, ...] = get_args(Resource)

DOMINANT = 0.5
"""Share of the time that a class must be able to explain."""
NEAR_ROOF = 0.25
"""Least share of the time that the roof itself must explain: kernels at a quarter of their roof are still bound by it, as
triangular shapes and small tiles are; at less, the kernel is what limits."""
CLEARLY = 2.0
"""How much nearer its own roof the one of two classes must be that predict the same."""
AGREES = 0.15
"""How far, as a logarithm, measured and predicted growth may lie apart: the noise of a few short repeats."""
BUSY = 0.25
"""Share of the processors that others keep busy from which on a step's reaction says more about them."""
THREADED = 1.3
"""A step that takes this much longer with half the threads is busy working, not waiting for its host."""
ISSUING = 0.7
"""Share of the time the host must be busy issuing work for its device, if calling is what binds."""


class Operator(NamedTuple):
    """What one operator of an eager step does."""

    flops: int
    dtype: str | None
    """Format of the factors of a product; None for an operator without one."""
    kept: int
    """Bytes it reads of what was there before the step: weights, caches, inputs."""
    fresh: int
    """Bytes it reads of what the step made itself, and all that it writes."""

    @property
    def bytes(self) -> int:
        """All it moves."""
        return self.kept + self.fresh


class Stretch(NamedTuple):
    """The work of a step, or of one part of it."""

    operators: Sequence[Operator]
    """Those that move bytes or multiply."""
    calls: int
    """How often the host calls an operator, those that only look at a tensor in another way included."""
    compulsory: int
    """The least bytes that must be moved."""
    transferred: int = 0
    """Bytes between host and device."""
    opaque: tuple[str, ...] = ()
    """Operators with products that nobody can count."""

    @property
    def flops(self) -> int | None:
        """Floating-point operations; None when there are some that nobody can count."""
        return None if self.opaque else sum(each.flops for each in self.operators)

    @property
    def traffic(self) -> int:
        """Bytes that all operators read and write, each on its own."""
        return sum(each.bytes for each in self.operators)

    @property
    def by_format(self) -> Mapping[str, int]:
        """Floating-point operations by the format of the factors."""
        found: Counter[str] = Counter()
        for each in self.operators:
            if each.flops:
                found[each.dtype or "unknown"] += each.flops
        return found


class Roof(NamedTuple):
    """The least seconds a stretch can take, by what each of its operators would wait for."""

    compute: float
    bandwidth: float
    communication: float
    overhead: float
    """What calling the operators takes on the host: the calling alone, without Python around it."""
    at_peak: float
    """What its products alone would take at the peak of their format; over the latency it is the MFU."""
    unknown: tuple[str, ...] = ()
    """What has no measured ceiling."""

    @property
    def work(self) -> float:
        """Seconds that every operator at its roof would take, one after the other."""
        return self.compute + self.bandwidth + self.communication


class Growth(NamedTuple):
    """What more work did."""

    time: Estimate
    """Latency with more work over that with the work as it is."""
    roof: Roof
    """Of the step with more work."""
    trial: Trial = "batch"


TRIALS: dict[Trial, str] = {"batch": "twice the batch", "products": "every product done twice"}


class Finding(NamedTuple):
    """What binds, and why one may say so."""

    kind: BottleneckClass
    headroom: float | None
    """Latency over the time with every operator called and at its roof; None when a roof is not known."""
    sentence: str
    evidence: dict[str, float]


def roof(stretch: Stretch, ceilings: Ceilings, dispatch_s: float) -> Roof:
    """The least time for some work under measured ceilings.

    Every operator takes as long as its products at their format's peak or as its bytes at the memory's bandwidth, whichever
    is longer. What was there before the step comes from as far away as all of the step's data needs; what the step made
    comes from as near as the operator's own data fits.
    """
    unknown: set[str] = set()
    sums = dict.fromkeys(("compute", "bandwidth"), 0.0)
    at_peak = 0.0
    far = ceilings.bandwidth(max(1, stretch.compulsory))
    if far is None:
        unknown.add("memory bandwidth")
    for each in stretch.operators:
        products_s = bytes_s = 0.0
        if each.flops:
            peak = ceilings.peak(each.dtype or "unknown")
            if peak is None:
                unknown.add(f"products in {each.dtype}")
            else:
                products_s = each.flops / peak
        if far is not None and each.bytes:
            near = ceilings.bandwidth(each.bytes) or far
            bytes_s = each.kept / far + each.fresh / max(near, far)
        at_peak += products_s
        sums["compute" if products_s >= bytes_s else "bandwidth"] += max(products_s, bytes_s)
    communication = 0.0
    if stretch.transferred:
        rate = ceilings.transfer()
        if rate is None:
            unknown.add("transfers")
        else:
            communication = stretch.transferred / rate
    unknown |= {f"the products of {name}" for name in stretch.opaque}
    return Roof(
        **sums,
        communication=communication,
        overhead=dispatch_s * stretch.calls,
        at_peak=at_peak,
        unknown=tuple(sorted(unknown)),
    )


def repeated(stretch: Stretch) -> Stretch:
    """The same work with every product done twice; what the second one reads lies as near as it fits."""
    again = [Operator(each.flops, each.dtype, 0, each.bytes) for each in stretch.operators if each.flops]
    return stretch._replace(operators=(*stretch.operators, *again), calls=stretch.calls + len(again))


def find(
    what: str,
    seconds: float,
    now: Roof,
    growths: Sequence[Growth],
    why_not: str = "",
    threads: float | None = None,
    issuing: float | None = None,
) -> Finding:
    """What binds a step or a part of it.

    Args:
        what: What it is called in sentences ("the step", "backward").
        seconds: Its latency.
        now: Its roof.
        growths: What more work did, trial by trial; the first that lets a class be claimed counts.
        why_not: Why there is none.
        threads: Latency with half the threads over that with all; None where there is one thread, or on a GPU.
        issuing: Share of the latency in which the host was busy issuing; None on a CPU, where that is always.
    """
    # On a CPU the host calls and works by turns; beside a GPU it calls while the device works.
    least = now.work + now.overhead if issuing is None else max(now.work, now.overhead)
    headroom = seconds / least if least > 0 and not now.unknown else None
    own = _shares(now, seconds)
    evidence = {f"share.{name}": own[name] for name in RESOURCES}
    if threads is not None:
        evidence["threads.ratio"] = threads
    if issuing is not None:
        evidence["issuing.share"] = issuing

    reasons: list[str] = []
    if now.unknown:
        reasons.append(f"no ceiling is known for {', '.join(now.unknown)}.")
    elif not growths:
        reasons.append(why_not or "more work was not tried.")
    else:
        for growth in growths:
            name, said = _judge(what, own, now, growth, threads, issuing, evidence)
            if name is not None:
                return Finding(name, headroom, said, evidence)
            reasons.append(said)
    return Finding("unclear", headroom, f"What binds {what} is unclear: {' And '.join(reasons)}", evidence)


def _judge(
    what: str,
    own: Mapping[Resource, float],
    now: Roof,
    growth: Growth,
    threads: float | None,
    issuing: float | None,
    evidence: dict[str, float],
) -> tuple[Resource | None, str]:
    """What one trial lets be claimed, and the sentence for it; notes the trial's figures."""
    if growth.roof.unknown:
        return None, f"no ceiling is known for {', '.join(growth.roof.unknown)}."
    measured, trial = growth.time, growth.trial
    evidence |= {f"{trial}.measured": measured.value, f"{trial}.low": measured.low, f"{trial}.high": measured.high}
    expected = {name: _expected(name, own, now, growth.roof) for name in RESOURCES}
    evidence |= {f"{trial}.if_{name}": value for name, value in expected.items()}
    slack = max(0.0, 1.0 - sum(own.values()))
    large = [name for name in RESOURCES if own[name] + slack >= DOMINANT]
    able = [name for name in large if _plausible(name, own, threads, issuing)]
    agreeing = [name for name in able if _agree(measured, expected[name])]
    grown = f"with {TRIALS[trial]} it takes {measured.value:.2f} times as long"
    if not agreeing:
        if any(_agree(measured, expected[name]) for name in large if name != "overhead" and name not in able):
            return None, f"{grown}, yet it is far from every roof ({_stand(own)}): its kernels are the limit."
        wanted = ", ".join(f"{expected[name]:.2f} if {name} bound it" for name in able)
        return None, f"{grown}, but {wanted}." if wanted else f"{grown}, and no roof explains that ({_stand(own)})."
    best = max(agreeing, key=lambda name: own[name])
    # Where more work tells two classes not apart, the roof has to: by explaining most of the time, and clearly more of it.
    near = own[best] >= DOMINANT
    rivals = [name for name in agreeing if name != best and (not near or own[name] * CLEARLY > own[best])]
    if rivals:
        return None, f"{grown}, which {' and '.join((best, *rivals))} both explain ({_stand(own)})."
    tried = f"{TRIALS[trial]} takes {measured.value:.2f} times as long, {expected[best]:.2f} expected"
    return best, _claim(what, best, own, tried)


def _shares(now: Roof, seconds: float) -> dict[Resource, float]:
    """Share of the time that each roof explains; scaled down where they explain more than there is."""
    shares: dict[Resource, float] = {name: getattr(now, name) / seconds for name in RESOURCES}
    total = sum(shares.values())
    return {name: share / max(1.0, total) for name, share in shares.items()}


def _expected(name: Resource, own: Mapping[Resource, float], now: Roof, more: Roof) -> float:
    """Growth of the time if what no roof explains belongs to this resource."""
    growth = {each: _ratio(getattr(more, each), getattr(now, each)) for each in RESOURCES}
    slack = max(0.0, 1.0 - sum(own.values()))
    return sum(own[each] * growth[each] for each in RESOURCES) + slack * growth[name]


def _ratio(more: float, now: float) -> float:
    return more / now if now > 0 else 1.0


def _plausible(name: Resource, own: Mapping[Resource, float], threads: float | None, issuing: float | None) -> bool:
    """Whether the other evidence lets it be this."""
    if name != "overhead":
        return own[name] >= NEAR_ROOF
    return (threads is None or threads < THREADED) and (issuing is None or issuing >= ISSUING)


def _agree(measured: Estimate, expected: float) -> bool:
    """Whether the measured growth is the expected one, as far as a few repeats can tell."""
    if measured.low <= 0 or expected <= 0:
        return False
    # An interval that is wider than the tolerance cannot tell one class from another.
    if math.log(measured.high / measured.low) / 2 > 2 * AGREES:
        return False
    return abs(math.log(measured.value / expected)) <= AGREES


def _stand(own: Mapping[Resource, float]) -> str:
    return ", ".join(f"{name} {own[name]:.0%}" for name in RESOURCES)


def _claim(what: str, name: Resource, own: Mapping[Resource, float], tried: str) -> str:
    if name == "overhead":
        work = sum(own[each] for each in RESOURCES if each != "overhead")
        return f"Calling operators binds {what}: its work explains {work:.0%} of the time at most; {tried}."
    words = {
        "compute": "Arithmetic binds {what}: products at their measured peak explain {share:.0%} of the time; {tried}.",
        "bandwidth": "Memory binds {what}: bytes at their measured bandwidth explain {share:.0%} of the time; {tried}.",
        "communication": "Transfers bind {what}: bytes between host and device explain {share:.0%} of the time; {tried}.",
    }
    return words[name].format(what=what, share=own[name], tried=tried)
