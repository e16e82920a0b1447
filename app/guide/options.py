"""One stack as an answer shows it: what it needs, takes and loses over what is there now, each figure with its evidence."""

from collections.abc import Mapping
from math import exp, log
from typing import Literal

from app.frozen import Frozen
from app.guide import accuracy, work
from app.guide.accuracy import Loss
from app.guide.compose import Composed
from app.guide.evidence import Belief, Cited, Evidence, Kind
from app.guide.likeness import influence
from app.guide.memory import LOADING
from app.guide.settings import of_words
from app.guide.situation import EFFORTS, Effort, Situation
from app.guide.techniques import by_word, too_much_effort
from app.knowledge.sources import Grade
from app.planner.memory.fit import Verdict, verdict
from app.planner.memory.parts import Needed
from app.planner.roofline import Class

Unit = Literal["bytes", "seconds", "ratio", "relative loss"]
Limit = Literal["budget", "tolerance", "latency", "effort"]


class Figure(Frozen):
    """One number with its interval, and what it rests on."""

    value: float
    low: float
    high: float
    unit: Unit
    kind: Kind
    grade: Grade
    evidence: tuple[str, ...]
    """Ids of rows; ``planner`` and ``roofline`` for formulas."""


class Broken(Frozen):
    """A limit that a stack does not keep."""

    limit: Limit
    asks: float
    """What would have to be allowed: bytes, relative loss, seconds, or a place in the order of efforts."""
    says: str
    sure: bool = True
    """Whether the likely figure breaks it, and not the pessimistic end alone; of a limit that nobody set it is never sure."""


class Option(Frozen):
    """One stack."""

    words: tuple[str, ...]
    titles: tuple[str, ...]
    added: tuple[str, ...]
    """Words that are not in the stack there is now, the cheapest and most reversible first."""
    dropped: tuple[str, ...]
    """Words of the stack there is now that it does without."""
    fits: Verdict
    memory: Figure
    time: Figure
    """Seconds of a request, an update or a batch of images."""
    ratio: Figure
    """Time over that of the stack there is now."""
    memory_ratio: Figure
    loss: Figure
    loss_unknown: bool
    effort: Effort
    binds: Class
    """What most of its time is spent on."""
    binding: tuple[Class, ...]
    """That, and what takes at least half as long."""
    shares: dict[Class, float]
    """Seconds by what they are spent on."""
    token: float | None
    """Seconds between generated tokens; None where there are none."""
    broken: tuple[Broken, ...] = ()
    unknown: tuple[str, ...] = ()
    """Techniques in it of which nothing better than an article is known."""
    cited: tuple[Cited, ...] = ()

    @property
    def effort_place(self) -> int:
        """Place of its effort, the least 0."""
        return EFFORTS.index(self.effort)

    @property
    def perhaps(self) -> bool:
        """Whether it breaks a limit, and none surely."""
        return bool(self.broken) and not any(one.sure for one in self.broken)

    @property
    def lossy(self) -> bool:
        """Whether it keeps everything but a loss of quality that nobody set."""
        return self.perhaps and {one.limit for one in self.broken} == {"tolerance"}

    @property
    def remark(self) -> str | None:
        """What to know of it where it exceeds the loss of quality that was assumed; None where it does not."""
        return next((one.says for one in self.broken if one.limit == "tolerance" and not one.sure), None)

    @property
    def grade(self) -> Grade:
        """The weakest of what it rests on."""
        return max((self.ratio.grade, self.loss.grade), key="ABCD".index)


def option(
    situation: Situation,
    one: Composed,
    before: Composed,
    evidence: Evidence,
    losses: Mapping[str, Loss],
    token: float | None = None,
) -> Option:
    """A stack with everything an answer says of it.

    Args:
        situation: what is asked.
        one: the stack.
        before: the stack there is now.
        evidence: of the situation.
        losses: of each technique alone, by its word.
        token: seconds between generated tokens, by formula.
    """
    techniques = [by_word()[word] for word in one.words]
    added = [word for word in one.words if word not in before.words]
    predicted = log(one.time.seconds / before.time.seconds)
    share = {word: _influence(situation, one, before, word) for word in {*one.words} ^ {*before.words}}
    belief = evidence.of_stack(one.words, "time", predicted, share)
    in_memory = evidence.of_stack(one.words, "memory", 0.0, share) if evidence.knows("memory") else None
    here = in_memory is not None and in_memory.kind == "measured"
    # Memory is computed; what was measured on this very device moves all of it alike: value, bounds, and what fits.
    needed = _moved(one.needed, exp(in_memory.mean)) if in_memory and here else one.needed
    memory = Figure(
        value=needed.peak.bytes, low=needed.low, high=needed.high, unit="bytes", kind="measured" if here else "predicted",
        grade="A" if here else "B",
        evidence=("planner", *(cited.id for cited in in_memory.cited)) if in_memory and here else ("planner",),
    )  # fmt: skip
    loss = accuracy.together([losses[word] for word in one.words])
    unknown = tuple(word for word in added if evidence.effect(word).grade == "D")
    found = Option(
        words=one.words,
        titles=tuple(each.title for each in techniques),
        added=tuple(sorted(added, key=_cheap)),
        dropped=tuple(word for word in before.words if word not in one.words),
        fits=verdict(needed, situation.free),
        memory=memory,
        time=_time(situation, one, before, belief),
        ratio=_ratio(belief),
        memory_ratio=_memory_ratio(before, memory),
        loss=_loss(loss),
        loss_unknown=loss.unknown,
        effort=max((each.effort for each in techniques), key=EFFORTS.index, default="one_line"),
        binds=one.time.binds,
        binding=one.time.binding,
        shares=one.time.shares,
        token=token,
        unknown=unknown,
        cited=(*belief.cited, *loss.cited),
    )
    return found.model_copy(update={"broken": tuple(_broken(situation, found, loss))})


def _moved(needed: Needed, factor: float) -> Needed:
    """Memory with everything that is held while the workload runs times a factor; what is held while loading stays.

    Measurements begin when everything is loaded.
    """
    instants = []
    for instant in needed.instants:
        times = 1.0 if instant.name == LOADING else factor
        parts = (
            part.model_copy(update={end: times * getattr(part, end) for end in ("bytes", "low", "high")})
            for part in instant.parts
        )
        instants.append(instant.model_copy(update={"parts": tuple(parts)}))
    return Needed(instants=tuple(instants))


def _influence(situation: Situation, one: Composed, before: Composed, word: str) -> float:
    """How much a technique that only one of two stacks has matters to that one."""
    stack = one if word in one.words else before
    left = of_words(tuple(each for each in stack.words if each != word))
    return influence(stack.time.seconds, work.time(situation, left).seconds)


def _cheap(word: str) -> tuple[bool, int]:
    technique = by_word()[word]
    return not technique.reversible, EFFORTS.index(technique.effort)


def _time(situation: Situation, one: Composed, before: Composed, belief: Belief) -> Figure:
    """Absolute seconds: the formula's, moved by what is believed of the ratio, as wide as what was published of such steps."""
    value = before.time.seconds * exp(belief.mean)
    low, high = (end / one.time.seconds for end in work.bounds(situation, one.settings))
    return Figure(
        value=value, low=value * low * exp(-belief.half), high=value * high * exp(belief.half), unit="seconds", kind="predicted",
        grade="B" if situation.device.measured else "C", evidence=_ids(belief),
    )  # fmt: skip


def _ratio(belief: Belief) -> Figure:
    return Figure(
        value=exp(belief.mean), low=exp(belief.mean - belief.half), high=exp(belief.mean + belief.half), unit="ratio",
        kind=belief.kind, grade=belief.grade, evidence=_ids(belief),
    )  # fmt: skip


def _memory_ratio(before: Composed, memory: Figure) -> Figure:
    return Figure(
        value=memory.value / before.bytes, low=memory.low / before.needed.high, high=memory.high / before.needed.low,
        unit="ratio", kind=memory.kind, grade=memory.grade, evidence=memory.evidence,
    )  # fmt: skip


def _loss(loss: Loss) -> Figure:
    ids = tuple(cited.id for cited in loss.cited) or ("by construction",)
    return Figure(
        value=loss.mid,
        low=loss.low,
        high=loss.high,
        unit="relative loss",
        kind=loss.kind,
        grade=loss.grade,
        evidence=ids,
    )


def _ids(belief: Belief) -> tuple[str, ...]:
    return ("roofline", *(cited.id for cited in belief.cited))


def _broken(situation: Situation, found: Option, loss: Loss) -> list[Broken]:
    broken = []
    if found.fits == "no":
        times = found.memory.low / situation.free
        broken.append(
            Broken(limit="budget", asks=found.memory.high, says=f"It needs at least {times:.2g} times the memory that is free.")
        )  # fmt: skip
    elif found.fits == "tight":
        share = found.memory.high / situation.free
        broken.append(
            Broken(limit="budget", asks=found.memory.high, says=f"It may need up to {share:.3g} times the memory that is free.", sure=False)
        )  # fmt: skip
    high = loss.known if loss.unknown else loss.high
    if high > situation.tolerance:
        assumed = situation.assumes_tolerance
        said = f"It may lose {high:.1%} of quality; {situation.tolerance:.1%} is {'assumed' if assumed else 'allowed'}."
        # Nobody set the assumed limit: what may break it is told, and not taken away.
        broken.append(Broken(limit="tolerance", asks=high, says=said, sure=not assumed))
    if situation.latency is not None and found.time.high > situation.latency:
        sure = found.time.value > situation.latency
        takes = found.time.value if sure else found.time.high
        said = f"It {'takes' if sure else 'may take up to'} {takes / situation.latency:.2g} times what is allowed."
        broken.append(Broken(limit="latency", asks=found.time.high, says=said, sure=sure))
    over_effort = [why for word in found.words if (why := too_much_effort(by_word()[word], situation.effort))]
    if over_effort:
        broken.append(Broken(limit="effort", asks=float(found.effort_place), says=over_effort[0]))
    return broken
