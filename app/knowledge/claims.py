"""What is said about techniques: effects from the literature and claims of articles, each with its source and the setting it is of.

Expected effects stand on the techniques themselves; claims, and under which conditions either can be compared with what was
measured here, stand in ``claims.json``. Nothing of this is ever mixed with measured effects.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import JsonValue

from app.frozen import Frozen
from app.knowledge.reckoned import Bound, Reckoned
from app.knowledge.sources import GRADES as GRADES
from app.knowledge.sources import Grade as Grade
from app.knowledge.sources import Source as Source
from app.results.figures import FIGURES
from workers.catalog.technique import Expectation, Technique

FILE = Path(__file__).parent / "claims.json"

ROUNDED = 0.01
"""Literature gives about two digits: each end of a range reaches this share further."""
ROUNDED_QUALITY = 0.002
"""The same for accuracy and perplexity, which are given to three digits and where less matters."""
QUALITY = frozenset({"accuracy", "perplexity"})
SINGLE = 0.1
"""One measurement without an interval is taken for this much to both sides, more than which no benchmark should move."""
NARROW = 1.02
"""Upper over lower end of an expected range up to which it is a single measurement; bytes of weights are counted."""


class Setting(Frozen):
    """What has to be so for a measured effect to be comparable; what is empty may be anything."""

    device: str | None = None
    """Kind of device."""
    model: str | None = None
    """Part of the model's name, in small letters."""
    workloads: tuple[str, ...] = ()
    batch_size: int | None = None
    length: int | None = None
    variant: tuple[str, ...] = ()
    """How one of the added techniques begins, parameters included, as labels have it."""
    baseline: tuple[str, ...] = ()
    """One of these stands in the baseline."""
    lacks: tuple[str, ...] = ()
    """None of these does."""
    also: tuple[str, ...] = ()
    """All of these stand in both arms."""


class Contrast(Frozen):
    """What of a technique counts as turned on, and against what the literature compares it."""

    variant: tuple[str, ...]
    against: tuple[str, ...]
    absent: bool
    """Whether a baseline without the technique is the same as one of ``against``."""


class Statement(Frozen):
    """One effect that somebody says a stack has."""

    word: str
    says: str
    stack: tuple[str, ...]
    """Words of the techniques, in alphabetical order."""
    figure: str
    low: float
    """Variant over baseline."""
    high: float | None
    """None where it is said to be more without a limit."""
    setting: Setting = Setting()
    source: Source
    grade: Grade | None
    """None for the literature that a technique names; its source speaks for itself."""
    beside: str | None = None
    """What better evidence says."""
    single: bool = False
    """Whether it is one measurement without an interval."""
    topic: str | None = None
    """What it is said about, a key of ``topics``; None for the literature that a technique names."""
    effort: str | None = None
    """What it is said to cost somebody to use it."""
    example: dict[str, JsonValue] | None = None
    """Model with which it is best measured, as a study names it; None where any will do."""

    @property
    def reach(self) -> tuple[float, float]:
        """The range that a measured interval has to meet, with what rounding and single measurements leave open."""
        share = ROUNDED_QUALITY if self.figure in QUALITY else SINGLE if self.single else ROUNDED
        return self.low / (1 + share), float("inf") if self.high is None else self.high * (1 + share)


class Unmeasurable(Frozen):
    """A claim that no technique of the catalogue can test."""

    word: str
    topic: str
    says: str
    why: str
    source: Source
    grade: Grade
    beside: str | None = None
    effort: str | None = None


class Held(NamedTuple):
    """What ``claims.json`` holds."""

    topics: dict[str, str]
    contrasts: dict[str, Contrast]
    conditions: dict[str, Setting]
    claims: tuple[Statement, ...]
    null_tests: tuple[Statement, ...]
    reckoned: tuple[Reckoned, ...]
    bounds: tuple[Bound, ...]
    unmeasurable: tuple[Unmeasurable, ...]


def contrast(technique: str) -> Contrast | None:
    """How a technique is compared; None when it is simply there or not."""
    return _read().contrasts.get(technique)


def expected(technique: type[Technique]) -> tuple[Statement, ...]:
    """What the literature that a technique names expects of it."""
    conditions = _read().conditions
    return tuple(
        Statement(
            word=f"{technique.word}-expected-{number}",
            says=_said(one),
            stack=(technique.word,),
            figure=figure_of(one.metric.name),
            low=one.low,
            high=one.high,
            setting=conditions.get(one.source.url, Setting()),
            source=Source(title=one.source.title, url=one.source.url),
            grade=None,
            single=one.high / one.low < NARROW and figure_of(one.metric.name) != "weights",
        )
        for number, one in enumerate(technique.expected, start=1)
    )


def claims(technique: str | None = None) -> tuple[Statement, ...]:
    """The claims of articles; of one technique, alone or in a stack, or all."""
    return tuple(one for one in _read().claims if technique is None or technique in one.stack)


def unmeasurable() -> tuple[Unmeasurable, ...]:
    """Claims about what the catalogue does not have."""
    return _read().unmeasurable


def topics() -> dict[str, str]:
    """What claims are about, in the order of pages, with titles."""
    return _read().topics


def null_tests() -> tuple[Statement, ...]:
    """Claims that a baseline measured against itself tests."""
    return _read().null_tests


def reckoned() -> tuple[Reckoned, ...]:
    """Claims that need no measurement."""
    return _read().reckoned


def bounds() -> tuple[Bound, ...]:
    """Claims about what binds a workload."""
    return _read().bounds


def conditions() -> dict[str, Setting]:
    """Settings of the literature that techniques name, by the address of the source."""
    return _read().conditions


def figure_of(metric: str) -> str:
    """The word of the figure that holds a metric."""
    return next(figure.word for figure in FIGURES if metric in {each.name for each in figure.metrics})


def _said(one: Expectation) -> str:
    ends = dict.fromkeys(f"{end:.2f}" for end in (one.low, one.high))
    return f"{one.metric.title} ×{' to '.join(ends)}."


@cache
def _read() -> Held:
    held: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    sources = {word: Source.model_validate(source) for word, source in held["sources"].items()}

    def sourced(section: str) -> list[dict[str, Any]]:
        return [one | {"source": sources[one["source"]]} for one in held[section]]

    return Held(
        topics=held["topics"],
        contrasts={word: Contrast.model_validate(one) for word, one in held["contrasts"].items()},
        conditions={url: Setting.model_validate(one) for url, one in held["conditions"].items()},
        claims=tuple(Statement.model_validate(one) for one in sourced("claims")),
        null_tests=tuple(Statement.model_validate(one) for one in sourced("null_tests")),
        reckoned=tuple(Reckoned.model_validate(one) for one in sourced("reckoned")),
        bounds=tuple(Bound.model_validate(one) for one in sourced("bounds")),
        unmeasurable=tuple(Unmeasurable.model_validate(one) for one in sourced("unmeasurable")),
    )
