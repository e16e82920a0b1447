"""What a stack loses in quality: relative losses of its techniques added up, checked at their pessimistic end.

A published loss of a format in a model of another size is scaled by a power of (size there / size here): INT4 loses 4 to 6 % of
MMLU with 8B and about 1 % with 70B. Losses of several techniques add; until somebody measures them together, 1.3 times their sum.
"""

from collections.abc import Sequence
from math import sqrt

from app.frozen import Frozen
from app.guide.evidence import Cited, Kind, Measured, Z
from app.guide.likeness import OF_SIZE, nearness
from app.guide.priors import WEIGHTS, of_technique
from app.guide.situation import PHASES, Situation
from app.guide.techniques import Technique
from app.knowledge.sources import Grade

SIZE_EXPONENT = {"score": 0.75, "perplexity": 0.4}
"""Slope of loss over size, both as logarithms: ln(5.7 % / 1.1 %) / ln(70 / 8) of MMLU for INT4 (Model Optimizer), and
ln(2.8 % / 1.2 %) / ln(70 / 8) of perplexity for Q4_K_M (llama.cpp)."""
INTERACTION = 1.3
"""By which losses of several techniques together are reckoned larger than their sum while nobody measured them; a judgement."""
NOISE = 0.005
"""Standard deviation of a published score that comes without an interval: half a point in a hundred; a judgement."""
LEAST_NOISE = 0.001
"""Least standard deviation of a loss, measured or published with a range: a tenth of a point in a hundred; a judgement."""
OF_PERPLEXITY = 0.5
"""Standard deviation of a score's loss over that of perplexity, which is known to a thousandth itself (llama.cpp 6936): INT4
raised perplexity by 5 to 12 % where MMLU fell by 2 to 6 %."""
OTHER_MODEL = 0.3
"""What a score counts that the team measured with another model, whose size is not told; a judgement."""
AS_PERPLEXITY = 0.5
"""What a loss of perplexity counts for a loss of a task's score; a judgement: both fall together, and not in step."""
NO_SIZE = 0.5
"""What a published loss counts that does not tell its model's size; a judgement."""


class Loss(Frozen):
    """Relative loss of quality; 0.01 is one hundredth."""

    low: float
    mid: float
    high: float
    kind: Kind
    grade: Grade
    unknown: bool = False
    """Whether nothing better than an article says how much it is; the figures are then no answer."""
    known: float = 0.0
    """Pessimistic end of what is known of it, where the whole is unknown."""
    cited: tuple[Cited, ...] = ()


NOTHING = Loss(low=0.0, mid=0.0, high=0.0, kind="predicted", grade="B")
UNKNOWN = Loss(low=0.0, mid=0.0, high=1.0, kind="predicted", grade="D", unknown=True)


def of_technique_alone(technique: Technique, situation: Situation, measured: Sequence[Measured]) -> Loss:
    """What one technique loses in a situation."""
    if technique.quality == "none":
        return NOTHING
    rows: list[tuple[float, float, float, Cited]] = []
    for one in measured:
        # Of two that differ nothing tells which one lost it.
        if (
            one.metric != "quality"
            or technique.word not in one.stack
            or {*one.stack} ^ {*one.baseline} != {technique.word}
        ):
            continue
        same = one.setting.model in (None, situation.model.name)
        near = nearness(one.setting.parameters, situation.model.parameters, OF_SIZE, 1.0 if same else OTHER_MODEL)
        deviation = max(LEAST_NOISE if near == 1.0 else NOISE, (one.high - one.low) / (2 * Z))
        cited = Cited(id=one.id, kind="measured", grade="A" if near == 1.0 else "B", weight=round(near, 3))
        rows.append((one.ratio, deviation, near, cited))
    for prior in of_technique(technique.word):
        effect = prior.effects.get("quality")
        task = prior.setting.task
        if effect is None or prior.grade == "D" or (task in PHASES and PHASES[task] != situation.phase):
            continue
        there = prior.setting.parameters
        by_size = technique.quality == "by_size" and there is not None
        scale = (there / situation.model.parameters) ** SIZE_EXPONENT[prior.measure] if there and by_size else 1.0
        near = nearness(there, situation.model.parameters, OF_SIZE, NO_SIZE)
        weight = WEIGHTS[prior.grade] * near * (AS_PERPLEXITY if prior.measure == "perplexity" else 1.0)
        spread = scale * (effect.high - effect.low) / (2 * Z)
        deviation = max(LEAST_NOISE, spread) if effect.high > effect.low else NOISE
        if prior.measure == "perplexity":
            deviation = max(LEAST_NOISE, OF_PERPLEXITY * scale * effect.mid)
        rows.append(
            (scale * effect.mid, deviation, weight, Cited(id=prior.id, kind="literature", grade=prior.grade, weight=round(weight, 3)))
        )  # fmt: skip
    if not rows:
        return UNKNOWN
    precision = [weight / deviation**2 for _, deviation, weight, _ in rows]
    total = sum(precision)
    mean = sum(p * row[0] for p, row in zip(precision, rows, strict=True)) / total
    between = sum(p * (row[0] - mean) ** 2 for p, row in zip(precision, rows, strict=True)) / total
    half = Z * sqrt(1 / total + between)
    here = any(row[3].grade == "A" and row[3].kind == "measured" for row in rows)
    good = any(row[3].grade in ("A", "B") for row in rows)
    ordered = tuple(row[3] for _, row in sorted(zip(precision, rows, strict=True), key=lambda one: -one[0]))
    return Loss(
        low=min(1.0, max(0.0, mean - half)),
        mid=min(1.0, max(0.0, mean)),
        high=min(1.0, max(0.0, mean) + half),
        kind="measured" if here else "literature",
        grade="A" if here else "B" if good else "C",
        cited=ordered,
    )


def together(losses: Sequence[Loss]) -> Loss:
    """Losses of several techniques in one stack."""
    lossy = [one for one in losses if one.high > 0]
    if not lossy:
        return NOTHING
    known = [one for one in lossy if not one.unknown]
    factor = INTERACTION if len(lossy) > 1 else 1.0
    mid = sum(one.mid for one in known)
    # Errors of separate sources are independent; the interaction is not an error and multiplies all of it.
    down = sqrt(sum((one.mid - one.low) ** 2 for one in known))
    up = sqrt(sum((one.high - one.mid) ** 2 for one in known))
    high = min(1.0, factor * (mid + up))
    cited = tuple({cited.id: cited for one in lossy for cited in one.cited}.values())
    if len(known) < len(lossy):
        return UNKNOWN.model_copy(update={"known": high, "cited": cited})
    return Loss(
        low=max(0.0, mid - down),
        mid=min(1.0, factor * mid),
        high=high,
        kind="measured" if all(one.kind == "measured" for one in lossy) and len(lossy) == 1 else "literature",
        grade=max((one.grade for one in lossy), key="ABCD".index),
        cited=cited,
    )
