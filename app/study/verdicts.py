"""Effects with what they are worth among all comparisons of their study. Pure functions of stored rows."""

from collections.abc import Iterable, Mapping
from typing import Literal, cast

from app.db.tables import EffectRow, MeasurementRow, Run
from app.frozen import Frozen
from app.study.pareto import Counted, Reading
from workers.catalog import metrics, multiplicity
from workers.catalog.multiplicity import Claim, Corrected
from workers.catalog.report import IMPROVES, WORSENS, Verdict

Tone = Literal["improves", "worsens", "same", "undecided"]
EffectKey = tuple[str, str, str]
"""Run, metric and phase."""


class Ratio(Frozen):
    """Variant over baseline, with its 95 % interval."""

    ratio: float
    low: float
    high: float
    verdict: Verdict
    """After correction for the study's comparisons of this quantity; what counts."""
    pairs: int
    """Of fresh processes."""
    items: int | None = None
    """Of a score of quality the items that were scored, which its interval rests on; None of everything else, which rests on its pairs."""
    verdict_alone: Verdict = "undecided"
    """What the run by itself says."""
    p_value: float | None = None
    """Of the run by itself; None for counters that repeat."""
    p_adjusted: float | None = None
    """After correction (Holm)."""
    comparisons: int = 1
    """How many the study made of this quantity."""
    method: str | None = None
    """How the interval was found."""

    @property
    def reading(self) -> Reading:
        """As a place on an axis of ratios, with what it rests on."""
        n = self.pairs if self.items is None else self.items
        return Reading(
            value=self.ratio, low=self.low, high=self.high, n=n, counts="pair" if self.items is None else "item"
        )

    @property
    def corrected_away(self) -> bool:
        """Whether the run alone decides, and the study with all its comparisons does not."""
        return self.verdict != self.verdict_alone

    @property
    def tone(self) -> Tone:
        """Whether the verdict is good news, bad news or none."""
        return tone(self.verdict)


def tone(verdict: Verdict) -> Tone:
    """Whether a verdict is good news, bad news or none."""
    if verdict in IMPROVES:
        return "improves"
    if verdict in WORSENS:
        return "worsens"
    return "same" if verdict == "same" else "undecided"


def corrections(runs: Iterable[Run], effects: Iterable[EffectRow]) -> dict[EffectKey, Corrected]:
    """Verdicts of a study when all its comparisons are looked at together; null tests have none.

    Args:
        runs: all of the study.
        effects: rows of these runs.
    """
    compared = {run.id for run in runs if not run.is_baseline}
    return multiplicity.corrected(
        {
            (effect.run_id, effect.metric, effect.phase): Claim(
                effect.metric, effect.phase, cast(Verdict, effect.verdict), effect.p_value
            )
            for effect in effects
            if effect.run_id in compared
        }
    )


def scored(measurements: Iterable[MeasurementRow]) -> dict[EffectKey, int]:
    """How many items each variant's scores of quality rest on.

    Args:
        measurements: rows of any runs.
    """
    return {
        (row.run_id, row.metric, row.phase): row.n
        for row in measurements
        if row.arm == "variant" and counted(row.metric) == "item"
    }


def counted(metric: str) -> Counted:
    """What ``n`` counts where a metric is shown as measured."""
    known = metrics.BY_NAME.get(metric)
    return "item" if known is not None and known.aspect == "quality" else "value"


def ratio(effect: EffectRow, together: Mapping[EffectKey, Corrected], items: Mapping[EffectKey, int]) -> Ratio:
    """A stored effect with its verdict among all comparisons of its study.

    Args:
        effect: the row.
        together: the study's ``corrections``.
        items: how many items the scores rest on, as ``scored`` has it.
    """
    key = (effect.run_id, effect.metric, effect.phase)
    found = together.get(key)
    alone = cast(Verdict, effect.verdict)
    return Ratio(
        **effect.model_dump(include={"ratio", "low", "high", "pairs", "p_value", "method"}),
        items=items.get(key),
        verdict=found.verdict if found else alone,
        verdict_alone=alone,
        p_adjusted=found.p_value if found else None,
        comparisons=found.comparisons if found else 1,
    )
