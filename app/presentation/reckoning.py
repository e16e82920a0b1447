"""Claims worked out: what arithmetic and datasheets say to them, by the formulas of the planner, and how it was reckoned.

A claim is right when any reading of it comes to what was said, to within half of the last digit that was given. What weights
take is the least that a model takes: a claim of less is wrong, a claim of as much or more is right as far as arithmetic goes.
"""

from collections.abc import Callable
from math import inf
from typing import Any, Literal, assert_never

from app.charts.units import digits, readable
from app.devices.datasheets import Datasheet, datasheets
from app.frozen import Frozen
from app.knowledge import reckoned
from app.knowledge.reckoned import Bound, Reckoned, Unit
from app.planner.memory import formats, states
from app.planner.models import known
from app.presentation.number_formats import BY_WORD as NUMBERS

Verdict = Literal["right", "wrong"]
GRADIENT = 4
"""Bytes of a gradient, or of a weight, in fp32."""
HALF = 2
"""Bytes of a weight in 16 bits."""
BINARY = 2**30 / 10**9
"""A gigabyte as many tools count it, over one; where an article does not say which it means, either will do."""
MIXED = {"weights": 2.0, "gradients": 2.0, "states": 12.0}
"""Bytes a parameter in mixed precision with Adam, whose states are fp32 weights and two moments (ZeRO, arXiv 1910.02054)."""
ZERO = "ZeRO, arXiv 1910.02054: model states alone"
GROUPS = (8, 64)
"""Sizes of groups of devices that show how a limit is approached."""
NEARLY_ALL = 0.9
"""Share of the datasheets from which on something holds on nearly all hardware."""


class Reading(Frozen):
    """One way to understand a claim, worked out."""

    low: float
    """In the claim's unit."""
    high: float | None
    """None where it may be any more."""
    shown: str
    """The figure for a reader."""
    formula: str
    """With the numbers of this claim in it."""
    source: str


class Worked(Frozen):
    """What was reckoned beside what was said."""

    verdict: Verdict
    said: str
    readings: tuple[Reading, ...]


def work_out(claim: Reckoned) -> Worked:
    """What arithmetic says to a claim."""
    readings = _readings(claim)
    meets = any(
        claim.said + claim.within >= one.low and claim.said - claim.within <= (inf if one.high is None else one.high)
        for one in readings
    )
    said = shown(claim.said, claim.unit)
    return Worked(verdict="right" if meets else "wrong", said=said, readings=readings)


def binds(claim: Bound) -> Worked:
    """On what share of the datasheets a workload lies on the claimed side of the ridge, counting weights of 16 bits alone.

    A step multiplies every weight with each of its tokens: two operations a token for the bytes of one weight.
    """
    intensity = 2 * claim.tokens / HALF
    ridges = {sheet.title: found for sheet in datasheets() if (found := _ridge(sheet)) is not None}
    held = [title for title, ridge in ridges.items() if (intensity < ridge) == (claim.bound == "bandwidth")]
    share = len(held) / len(ridges)
    low, high = min(ridges.values()), max(ridges.values())
    tokens = "1 token" if claim.tokens == 1 else f"{claim.tokens:,} tokens"
    reading = Reading(
        low=share,
        high=share,
        shown=f"{len(held)} of {len(ridges)} devices",
        formula=f"{tokens} × 2 operations / {HALF} bytes of a weight = {intensity:,.0f} FLOP/B, against ridges of "
        f"{digits(low)} to {digits(high)}; caches of earlier tokens and activations move bytes besides",
        source="16-bit peak over bandwidth of each GPU among the datasheets",
    )
    return Worked(
        verdict="right" if share >= NEARLY_ALL else "wrong", said=f"bound by {claim.bound}", readings=(reading,)
    )


def shown(value: float, unit: Unit) -> str:
    """A figure of a claim for a reader."""
    if unit == "B":
        # Decimal, as articles have it, so that both stand side by side.
        return f"{value / 1e9:.3g} GB"
    if unit == "FLOP/s":
        return readable(value, unit)
    if unit == "1":
        return f"{value:.0%}"
    if unit == "number":
        text = f"{value:,.0f}" if 1 <= abs(value) < 1e6 else f"{value:.2e}".replace("e+", "e").replace("e-0", "e-")
        return text.replace("-", "−")
    if unit == "×":
        return f"{value:.3g} times"
    if unit == "1/s":
        return f"{value:.0f} a second"
    return f"{value:.3g} {unit}"


def _ridge(sheet: Datasheet) -> float | None:
    return sheet.ridge("bfloat16") or sheet.ridge("float16")


def _readings(claim: Reckoned) -> tuple[Reading, ...]:
    rule = claim.rule

    def reading(value: float, formula: str, source: str, **changed: Any) -> Reading:
        found = {"low": value, "high": value, "shown": shown(value, claim.unit), **changed}
        return Reading(formula=formula, source=source, **found)

    match rule:
        case reckoned.Weights():
            return (_weights(rule, reading),)
        case reckoned.ModelWeights():
            return (_model(rule, reading),)
        case reckoned.OptimizerStates():
            return _optimizer(rule, reading)
        case reckoned.Sharded():
            return (_sharded(rule, reading),)
        case reckoned.NumberRange():
            return tuple(_number(word, rule, reading) for word in rule.formats)
        case reckoned.Ridge():
            return (_device_ridge(rule, reading),)
        case reckoned.Peak():
            sheet = _sheet(rule.device)
            source = "; ".join(one.title for one in sheet.sources)
            return tuple(
                reading(sheet.peaks[dtype], f"dense peak of the {sheet.title} in {dtype}", source)
                for dtype in rule.formats
            )
        case reckoned.ItemRate():
            low, high = rule.items / (rule.seconds + rule.within), rule.items / (rule.seconds - rule.within)
            value = rule.items / rule.seconds
            return (reading(value, f"{rule.items} / {readable(rule.seconds, 's')}", "arithmetic", low=low, high=high),)
        case reckoned.AttentionMemory():
            return (_attention(rule, reading),)
        case reckoned.AttentionOperations():
            return (
                reading(
                    2, "scores: a multiply and an add for each of t² pairs and each of d_model elements", "arithmetic"
                ),
                reading(4, "scores, and their product with the values, which costs as much again", "arithmetic"),
            )
        case _:
            assert_never(rule)


Make = Callable[..., Reading]


def _weights(rule: reckoned.Weights, reading: Make) -> Reading:
    formula = f"{_billions(rule.parameters)} × {rule.bits} bits / 8"
    grouped = [one.bits + one.block_bits / one.block for one in formats.FORMATS if one.bits == rule.bits and one.block]
    if grouped:
        low, high = (rule.parameters * bits / 8 for bits in (min(grouped), max(grouped)))
        formula += (
            f"; the bits alone: with scales, {min(grouped):.4g} to {max(grouped):.4g} bits a weight, it is "
            f"{shown(low, 'B')} to {shown(high, 'B')}, and embedding and head usually stay in 16 bits"
        )
    return reading(rule.parameters * rule.bits / 8, formula, "the planner’s formats")


def _model(rule: reckoned.ModelWeights, reading: Make) -> Reading:
    anatomy, kept, computing = known.anatomy(rule.model), formats.BY_WORD[rule.format], formats.BY_WORD["bf16"]
    size = formats.weight_bytes(anatomy, kept, computing)
    linear = sum(matrix.weights for matrix in anatomy.linear())
    if kept.mixture is not None:
        formula = f"{_billions(anatomy.parameters)} parameters, each tensor in the type that {kept.title} gives it"
    elif kept.is_quantised:
        rest = anatomy.parameters - linear
        formula = f"{_billions(linear)} weights of layers in {kept.title}, {_billions(rest)} others × 2 bytes"
    else:
        formula = f"{_billions(anatomy.parameters)} parameters × {kept.bits / 8:g} bytes"
    formula = f"weights alone: {formula}; caches and activations come on top; in units of 2³⁰ bytes it is {readable(size, 'B')}"
    least = f"at least {shown(size, 'B')}"
    return reading(size, formula, kept.source, low=size / BINARY, high=None, shown=least)


def _optimizer(rule: reckoned.OptimizerStates, reading: Make) -> tuple[Reading, ...]:
    chosen, adamw = states.BY_WORD[rule.optimizer], states.BY_WORD["adamw"]
    each = f"{chosen.bytes:.3g}"
    if rule.part == "states":
        size = states.optimizer_bytes(chosen, rule.parameters, ())
        return (reading(size, f"{_billions(rule.parameters)} × {each} bytes", chosen.source),)
    ways = (
        ("fp32 weights and gradients; or both in 16 bits beside fp32 weights", 2 * GRADIENT),
        ("fp32 weights without gradients; or weights and gradients in 16 bits", GRADIENT),
    )
    if rule.part == "all":
        return tuple(
            reading(
                rule.parameters * (rest + chosen.bytes),
                f"{what}: {_billions(rule.parameters)} × ({rest} + {each}) bytes",
                chosen.source,
            )
            for what, rest in ways
        )
    return tuple(
        reading(
            1 - (rest + chosen.bytes) / (rest + adamw.bytes),
            f"{what}: 1 − ({rest} + {each}) / ({rest} + {adamw.bytes:.3g}) bytes a parameter",
            chosen.source,
        )
        for what, rest in ways
    )


def _sharded(rule: reckoned.Sharded, reading: Make) -> Reading:
    whole = sum(MIXED.values())
    if rule.devices is not None:
        left = _left(rule, rule.devices)
        formula = f"{whole:g} bytes a parameter over the {left:.3g} that each of {rule.devices} devices keeps"
        return reading(whole / left, formula, ZERO)
    # What is not divided stays, however many devices there are.
    undivided = sum(
        size for size, share in zip(MIXED.values(), states.shares(rule.strategy, 2), strict=True) if share == 1
    )
    few = ", ".join(f"{whole / _left(rule, count):.3g} times at {count}" for count in GROUPS)
    formula = f"{whole:g} / {undivided:g} bytes a parameter, with as many devices as one likes; {few}"
    return reading(whole / undivided, formula, ZERO)


def _left(rule: reckoned.Sharded, devices: int) -> float:
    """Bytes a parameter that each of some devices keeps."""
    return sum(size * share for size, share in zip(MIXED.values(), states.shares(rule.strategy, devices), strict=True))


def _number(word: str, rule: reckoned.NumberRange, reading: Make) -> Reading:
    found = NUMBERS[word]
    value, formula = found.end(rule.end)
    return reading(value, f"{found.title}: {formula}", found.source)


def _device_ridge(rule: reckoned.Ridge, reading: Make) -> Reading:
    sheet = _sheet(rule.device)
    ridge = sheet.ridge(rule.format)
    if ridge is None:
        raise ValueError(f"{rule.device} has no peak in {rule.format}")
    formula = f"{readable(sheet.peaks[rule.format], 'FLOP/s')} in {rule.format} / {readable(sheet.bandwidth, 'B/s')}"
    return reading(ridge, formula, "; ".join(one.title for one in sheet.sources))


def _attention(rule: reckoned.AttentionMemory, reading: Make) -> Reading:
    pairs = rule.batch * rule.heads * rule.length**2 * rule.bytes
    rows = rule.batch * rule.heads * rule.length * rule.head_dim * rule.bytes
    shape = f"{rule.batch} × {rule.heads} × {rule.length:,}"
    size, formula = {
        "standard": (2 * pairs, f"scores and weights of one layer: 2 × {shape}² × {rule.bytes} bytes"),
        "flash": (4 * rows, f"queries, keys, values and result of one layer: 4 × {shape} × {rule.head_dim} × {rule.bytes} bytes"),
    }[rule.kernel]  # fmt: skip
    formula += "; what was given as MB is in units of 2²⁰, so it was reckoned and not measured"
    return reading(size, formula, "arithmetic", shown=f"{size / 2**20:,.0f} MiB")


def _sheet(title: str) -> Datasheet:
    return next(sheet for sheet in datasheets() if sheet.title == title)


def _billions(count: float) -> str:
    return f"{count / 1e9:.3g} billion"
