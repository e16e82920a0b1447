"""An answer with everything a reader needs beside it: what the evidence says and where it is from, and the study to queue."""

from typing import Any

from app.frozen import Frozen
from app.guide import study
from app.guide.advice import Advice, advise
from app.guide.evidence import Measured
from app.guide.priors import priors
from app.guide.situation import Situation

FORMULAS = {
    "planner": ("The planner's formulas of memory.", "/plan"),
    "roofline": ("Operations and bytes under the device's roofs.", None),
}
"""Evidence that is reckoned."""


class Shown(Frozen):
    """One row of evidence, as a reader can follow it."""

    id: str
    kind: str
    """measured, literature, article or formula."""
    grade: str | None
    says: str
    title: str | None
    """Of the source."""
    url: str | None


class Answer(Frozen):
    """The guide's answer."""

    advice: Advice
    evidence: tuple[Shown, ...]
    """Every row that the answer cites."""
    study: dict[str, Any] | None
    """What “measure these” would queue; null where nothing can be."""
    not_measurable: str | None
    """Why there is no study."""


def answer(situation: Situation, measured: tuple[Measured, ...] = ()) -> Answer:
    """Answer a situation.

    Raises:
        Invalid: as ``advise``.
    """
    found = advise(situation, measured)
    try:
        ordered, reason = study.of_advice(found), None
    except study.NotMeasurable as turned:
        ordered, reason = None, str(turned)
    return Answer(advice=found, evidence=_shown(found, measured), study=ordered, not_measurable=reason)


def _shown(found: Advice, measured: tuple[Measured, ...]) -> tuple[Shown, ...]:
    cited = {one.id: one for option in (found.before, *found.ranked) for one in option.cited}
    named = dict.fromkeys(
        [*cited, *(each for one in found.rejected for each in one.evidence)]
        + [each for option in (found.before, *found.ranked) for figure in (option.memory, option.time, option.ratio, option.loss) for each in figure.evidence]
    )  # fmt: skip
    literature = {one.id: one for one in priors()}
    here = {one.id: one for one in measured}
    shown = []
    for name in named:
        if name in here:
            row = here[name]
            says = f"{' + '.join(row.stack) or 'nothing'} over {' + '.join(row.baseline) or 'nothing'}: {row.metric} ×{row.ratio:.3g} ({row.low:.3g} to {row.high:.3g}) on {row.setting.device}, {row.setting.model}."
            shown.append(Shown(id=name, kind="measured", grade=None, says=says, title="measured here", url=row.url))
        elif name in literature:
            prior = literature[name]
            kind = "article" if prior.grade == "D" else "literature"
            shown.append(
                Shown(
                    id=name,
                    kind=kind,
                    grade=prior.grade,
                    says=prior.says,
                    title=prior.source.title,
                    url=prior.source.url,
                )
            )
        elif name in FORMULAS:
            says, url = FORMULAS[name]
            shown.append(Shown(id=name, kind="formula", grade=None, says=says, title=None, url=url))
    return tuple(shown)
