"""Many comparisons in one study: Holm's correction of its verdicts, so that a chance difference is no discovery.

A study makes one comparison for every variant at every point of its sweep. Of twenty that do nothing, one looks decided
at 5 % by chance alone. Holm's step-down procedure keeps the probability of any false verdict among the comparisons of one
metric in one phase at 5 %, whatever the dependence between them.

Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 65-70.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from workers.catalog.report import IMPROVES, WORSENS, Verdict

LEVEL = 0.05
"""Probability of one false verdict or more among the comparisons of one metric in one phase."""

Key = TypeVar("Key", bound=Hashable)


class Claim(NamedTuple):
    """What one run alone says of one metric in one phase."""

    metric: str
    phase: str
    verdict: Verdict
    p_value: float | None
    """None for counters that repeat: no chance is involved, nothing is corrected."""


class Corrected(NamedTuple):
    """What is left of a claim when all comparisons of the study are looked at together."""

    verdict: Verdict
    p_value: float | None
    """Adjusted; None where the claim had none."""
    comparisons: int
    """How many were made of this metric in this phase; 1 where nothing was corrected."""


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values: the smallest level at which Holm's procedure rejects each, in the order given.

    Args:
        p_values: of all comparisons that were made, each 0 to 1.
    """
    count = len(p_values)
    adjusted = [0.0] * count
    highest = 0.0
    for rank, place in enumerate(sorted(range(count), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (count - rank) * p_values[place]))
        adjusted[place] = highest
    return tuple(adjusted)


def corrected(claims: Mapping[Key, Claim]) -> dict[Key, Corrected]:
    """The verdicts of a study's comparisons, each metric and phase a family of its own.

    Args:
        claims: of every variant at every point; without the null tests, which compare nothing with the baseline.
    """
    families: dict[tuple[str, str], list[Key]] = defaultdict(list)
    found: dict[Key, Corrected] = {}
    for key, claim in claims.items():
        if claim.p_value is None:
            found[key] = Corrected(claim.verdict, None, 1)
        else:
            families[claim.metric, claim.phase].append(key)
    for keys in families.values():
        adjusted = holm([claims[key].p_value or 0.0 for key in keys])
        for key, p_value in zip(keys, adjusted, strict=True):
            found[key] = Corrected(_verdict(claims[key].verdict, p_value, len(keys)), p_value, len(keys))
    return found


def _verdict(alone: Verdict, p_value: float, comparisons: int) -> Verdict:
    """A single comparison stands as its run decided it; "same" rests on its interval and not on a p-value."""
    decided = alone in IMPROVES or alone in WORSENS
    return "undecided" if decided and comparisons > 1 and p_value > LEVEL else alone
