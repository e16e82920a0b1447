"""What to do about what binds a step: for each class a few sentences, each with its techniques and sources. Facts of ``advice.json``."""

import json
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from app.frozen import Frozen
from app.knowledge.sources import Source
from workers.catalog.report import Bottleneck
from workers.catalog.techniques import BY_WORD as TECHNIQUES

FILE = Path(__file__).parent / "advice.json"


class Step(Frozen):
    """One thing to do."""

    says: str
    techniques: tuple[str, ...] = ()
    """Words of the catalogue's techniques that do it."""
    sources: tuple[Source, ...]

    @property
    def titles(self) -> tuple[tuple[str, str], ...]:
        """Its techniques, with their titles."""
        return tuple((word, TECHNIQUES[word].title) for word in self.techniques)


class Advice(Frozen):
    """What to do where one class binds."""

    title: str
    steps: tuple[Step, ...]


def for_these(bottlenecks: Iterable[Bottleneck]) -> tuple[Advice, ...]:
    """What to do about what binds a variant, for each class that occurs, the most frequent first."""
    kinds = Counter(one.kind for one in bottlenecks if one.arm == "variant")
    return tuple(advice()[kind] for kind, _ in kinds.most_common())


@cache
def advice() -> dict[str, Advice]:
    """By class, as reports name them."""
    held = json.loads(FILE.read_text(encoding="utf-8"))
    sources = {word: Source.model_validate(source) for word, source in held["sources"].items()}
    return {
        word: Advice(
            title=one["title"],
            steps=tuple(
                Step.model_validate(step | {"sources": [sources[source] for source in step["sources"]]})
                for step in one["steps"]
            ),
        )
        for word, one in held["advice"].items()
    }
