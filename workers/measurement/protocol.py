"""How often to repeat: warm-up, length of blocks, order of turns, when enough is enough. Pure decisions, no clock.

Rules and where they come from: docs/measuring.md.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from workers.catalog.report import Arm
from workers.catalog.spec import Effort
from workers.measurement import statistics
from workers.measurement.statistics import Estimate

MIN_TURNS = 10
"""Blocks of each arm below which no spread can be judged (nvbench asks for as many samples)."""
FEWEST_TURNS = 5
"""With steps so slow that ten turns do not fit, fewer must do; the report says so."""
OVERTIME = 6
"""Times the budget after which slow steps stop at the fewest turns."""

TIMER_SHARE = 0.001
"""Share of a sample that reading the clock may take."""
BLOCK_S = 0.03
"""What a block lasts: long enough that the first step, which wakes threads and fills caches, is a small part of it, short
enough that what disturbs the machine meets both arms alike. With 0.1 s the interval of an A/A pair of 8 ms steps was twice
as wide on a shared machine of two cores."""
MOST_BLOCK_S = 0.5
"""When a block ends early: the machine has become much slower than it was when the block was planned."""
MIN_STEPS = 3
MAX_SAMPLES = 300
"""Samples of one block."""
SLOW_STEP_S = 0.25
"""Steps from here on stand alone in a block: what waking up costs (milliseconds) is lost in them."""

SETTLED = 0.02
"""The running median has settled when it moves by less than this from one window to the next."""
MIN_WARM_UP = 6
MIN_SLOW_WARM_UP = 3


CONTAMINATED = 0.25
"""Share of the processors that others keep busy from which on a pair is measured again: on two cores that is half of one."""
MOST_ASIDE = 3
"""Pairs of a sitting that are set aside at the most, so that a run cannot become empty."""
STEADY = 0.75
"""A pair at least this much as disturbed as the one set aside before it shows that the disturbance stays."""
ASIDE_S: dict[Effort, float] = {"quick": 30.0, "standard": 60.0, "thorough": 240.0}
"""Time that pairs set aside may take together."""


class Plan(NamedTuple):
    """What one effort spends, and the precision at which it stops."""

    pairs: int
    """Pairs of fresh processes at least."""
    most_pairs: int
    goal: float
    """Half-width of the interval of the ratio over all pairs at which no further pair is started."""
    budget_s: float
    """Time from the first pair's start after which no pair beyond the fewest is started."""
    pair_goal: float
    """Half-width of the ratio's interval inside one pair at which the pair is done."""
    measured_s: float
    """Budget of measured time per pair, both arms together."""
    warm_up_s: float
    """Cap of the warm-up of one arm."""


# A pair known to ±2 % is known to a standard error of 1 %; beside the 2.5 % by which fresh processes differ that is little,
# and the time is better spent on another pair.
PLANS: dict[Effort, Plan] = {
    "quick": Plan(1, 1, goal=0.10, budget_s=0.0, pair_goal=0.02, measured_s=6.0, warm_up_s=3.0),
    "standard": Plan(3, 8, goal=0.02, budget_s=75.0, pair_goal=0.02, measured_s=6.0, warm_up_s=10.0),
    "thorough": Plan(8, 24, goal=0.01, budget_s=300.0, pair_goal=0.005, measured_s=20.0, warm_up_s=20.0),
}


class Block(NamedTuple):
    """One arm's turn."""

    samples: int
    """How many are taken, those to discard included."""
    inner: int
    """Steps timed together as one sample; 1 unless a step is too short for the clock."""
    discard: int
    """Samples at the start that only warm up again what the other arm's turn has cooled."""


def block(step_s: float, timer_s: float) -> Block:
    """The block for steps of this length; both arms get their own.

    Args:
        step_s: Typical time of one step.
        timer_s: Time one reading of the clock takes.
    """
    if step_s >= SLOW_STEP_S:
        return Block(1, 1, 0)
    inner = max(1, math.ceil(timer_s / TIMER_SHARE / max(step_s, 1e-9)))
    kept = min(max(MIN_STEPS, math.ceil(BLOCK_S / (step_s * inner))), MAX_SAMPLES)
    return Block(kept + 1, inner, 1)


def settled(series: Sequence[float]) -> bool:
    """Whether a warm-up's running median has stopped moving.

    Compares the medians of the last two windows, each a third of the series. What the noise alone would move them by
    counts as settled too: waiting longer would not help.
    """
    n = len(series)
    if n < MIN_WARM_UP:
        return False
    window = max(3, n // 3)
    last, before = series[-window:], series[-2 * window : -window]
    centre = statistics.middle(last)
    quarter, three_quarters = statistics.quantiles(last, (0.25, 0.75))
    # 0.93 IQR / sqrt(n) is the standard error of a normal sample's median.
    noise = 0.93 * (three_quarters - quarter) / math.sqrt(window) / centre
    return abs(statistics.middle(before) / centre - 1) <= max(SETTLED, 2 * noise)


def warm_enough(series: Sequence[float], cap_s: float) -> bool:
    """Whether the warm-up ends here: settled, or at its cap.

    Against the cap count typical steps: one in which a compiler built another graph says nothing about the others.
    """
    if len(series) >= MIN_SLOW_WARM_UP and len(series) * statistics.middle(series) >= cap_s:
        return True
    return settled(series)


def helping(series: Sequence[float]) -> int:
    """How many steps of warm-up to take next: about a block's worth."""
    return min(max(1, round(BLOCK_S / max(series[-1], 1e-9))), MAX_SAMPLES)


def order(seed: int, pair: int, turn: int) -> tuple[Arm, Arm]:
    """Which arm goes first in a turn: random, so that no rhythm of the machine favours one."""
    first: bool = random.Random(f"{seed}/{pair}/{turn}").random() < 0.5
    return ("baseline", "variant") if first else ("variant", "baseline")


class Ending(NamedTuple):
    """Why a pair stops taking turns, or a sitting starts no further pair."""

    unmet: str | None
    """The criterion that was not reached; None when the goal was."""


def ending(turns: Sequence[float], spent_s: float, plan: Plan) -> Ending | None:
    """Whether enough turns were taken; None means go on. Looks at precision, never at which arm is ahead.

    Args:
        turns: Per turn the logarithm of variant over baseline.
        spent_s: Measured time so far, both arms together.
        plan: What the effort allows.
    """
    n = len(turns)
    if n < FEWEST_TURNS:
        return None
    if n < MIN_TURNS:
        if spent_s < OVERTIME * plan.measured_s:
            return None
        return Ending(f"{n} turns in {spent_s:.0f} s, goal {MIN_TURNS}: steps are too slow for more.")
    half_width = half_width_of(turns)
    if half_width <= plan.pair_goal:
        return Ending(None)
    if spent_s < plan.measured_s:
        return None
    return Ending(
        f"the ratio's interval is ±{half_width:.1%} within the pair after {spent_s:.0f} s, goal ±{plan.pair_goal:.1%}"
    )


def half_width_of(turns: Sequence[float]) -> float:
    """Half the interval of the typical turn's ratio."""
    estimate = statistics.median(turns)
    return (estimate.high - estimate.low) / 2


def enough(ratio: Estimate, spent_s: float, plan: Plan) -> Ending | None:
    """Whether enough pairs were measured; None means another one. Looks at precision, never at which arm is ahead.

    Args:
        ratio: Variant over baseline with its interval over the pairs so far.
        spent_s: Time since the first pair began.
        plan: What the effort allows.
    """
    half_width = math.log(ratio.high / ratio.low) / 2
    if ratio.n < plan.pairs:
        return None
    if half_width <= plan.goal:
        return Ending(None)
    if ratio.n < plan.most_pairs and spent_s * (1 + 1 / ratio.n) <= plan.budget_s:
        return None
    pairs = "1 pair" if ratio.n == 1 else f"{ratio.n} pairs"
    return Ending(f"the ratio's interval is ±{half_width:.1%} over {pairs} of fresh processes, goal ±{plan.goal:.0%}")


def fraction(pairs: float, plan: Plan) -> float:
    """How much of a sitting is done after so many pairs, which may be part of one; rises, and ends below 1.

    How many pairs it takes to agree is not known before: those beyond the fewest move it less and less.
    """
    if plan.most_pairs == plan.pairs:
        return pairs / plan.pairs
    if pairs <= plan.pairs:
        return pairs / (plan.pairs + 1)
    return 1 - 1 / (plan.pairs + 1) / (1 + pairs - plan.pairs)


METERED_TURN = -1
"""The turn, for ``order``, in which energy is metered."""
LOADING_TURN = -2
"""The turn in which the arms load and warm up: who comes second finds files in the page cache."""


class Contamination(NamedTuple):
    """What is done about a pair during which others disturbed the machine."""

    again: bool
    """Whether its samples are set aside, kept but not counted, and the pair is measured again."""
    note: str
    """What a reader is told."""


def contaminated(
    share: float, spoilt: bool, reasons: Sequence[str], aside: Sequence[float], aside_s: float, effort: Effort
) -> Contamination | None:
    """Whether a pair was disturbed so much that it says little, and whether another may say more; None when it is clean.

    Looks at what others did, never at which arm is ahead. A disturbance that stays is not outwaited: a pair that is no
    quieter than the one set aside before it counts, with what that does to its interval.

    Args:
        share: Of the processors that others kept busy while the pair was measured.
        spoilt: Whether a GPU was disturbed (``contention.Seen``).
        reasons: What disturbed it, in words.
        aside: The share of every pair of this sitting that was set aside so far, in order.
        aside_s: Time that those and this one took.
        effort: Says how much time a sitting may lose.
    """
    if share < CONTAMINATED and not spoilt:
        return None
    why = "; ".join(reasons) or f"others kept {share:.0%} of the processors busy"
    if len(aside) >= MOST_ASIDE:
        return Contamination(False, f"A pair was disturbed ({why}) and counts: {len(aside)} were set aside already.")
    if aside and share >= STEADY * aside[-1]:
        return Contamination(False, f"A pair was disturbed ({why}) and counts: measured again, it was no quieter.")
    if aside_s > ASIDE_S[effort]:
        return Contamination(False, f"A pair was disturbed ({why}) and counts: there was no time to measure it again.")
    return Contamination(
        True, f"A pair was disturbed ({why}) and was measured again; its samples are kept and do not count."
    )
