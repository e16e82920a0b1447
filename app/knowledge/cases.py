"""Results of all studies that measured the same thing, brought together: one case for each stack, model, workload, evaluation and
device.

Only runs that ended well and did what was asked are among them, and of their figures those of the catalogue's definition; how
many followed another is told. Ratios are over each study's own baseline, so that those of different environments may stand
together; how many environments there were is told.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from pydantic import Field

from app.frozen import Frozen
from app.knowledge.claims import contrast
from app.knowledge.pooling import Floats, Pools, pool, verdict
from app.results import figures
from app.results.columns import Mask, Places, Table, apart
from app.results.figures import BY_WORD, FIELDS, FIGURES, LENGTHS, PLACE, Cell, unpacked
from app.results.matching import having
from app.study.verdicts import Tone, tone
from workers.catalog.report import Verdict

RATIOS = tuple(figure.word for figure in FIGURES if not figure.relative)
"""Figures that have a ratio over the baseline."""
USUAL = frozenset({"precision fp32"})
"""What runs where nothing is chosen, so that naming it or leaving it out is the same."""
NO_VERDICT = "."
BUILT = "as built"
"""The label of an empty stack."""
JOINED = " + "
"""Stands between the techniques of a label."""
RADIX = 1 << 40
"""Codes are joined up to this before they are numbered anew."""


class Effect(Frozen):
    """Variant over baseline, pooled over the runs of a case, with its 95 % interval."""

    ratio: float
    low: float
    high: float
    verdict: Verdict
    """Of a single run, what it says among all comparisons of its study; of several, what the pooled interval says."""
    runs: int

    @property
    def tone(self) -> Tone:
        """Whether the verdict is good news, bad news or none."""
        return tone(self.verdict)


class Case(Frozen):
    """One stack on one model, workload and device, with quality scored in one way."""

    techniques: tuple[str, ...]
    """Words of what sets it apart from the baseline."""
    label: str
    against: str
    """The baseline's stack."""
    turned_on: bool
    """Whether it is what people mean by the techniques, and nothing else differs."""
    model: str
    workload: str
    device: str
    """Kind of device."""
    hardware: str
    batch_size: int | None
    length: int | None
    point: dict[str, int]
    evaluation: str | None
    """How quality was scored; scores of other items or of another kind are another case."""
    family: str
    ran: str
    runs: int
    environments: int
    run: str
    """The newest of its runs."""
    url: str
    effects: dict[str, Effect]
    """By figure."""
    relative: dict[str, Cell]
    """Of the newest run: figures that compare with the baseline by themselves."""
    apart: dict[str, int] = Field(default_factory=dict)
    """By figure, how many of its runs followed another definition than the catalogue's; they are not pooled."""

    @property
    def target(self) -> str | None:
        """The page of its model on its device; None where the device is not known."""
        return target(self.model, self.hardware) if self.hardware else None

    @property
    def sizes(self) -> dict[str, int]:
        """What a reader has to know of the workload."""
        usual = {"batch_size": self.batch_size, "length": self.length}
        found = {name: value for name, value in usual.items() if value is not None}
        return found | {name: value for name, value in self.point.items() if name not in (*usual, *LENGTHS)}


def target(model: str, hardware: str) -> str:
    """The page of a model on a device."""
    return f"/models/{quote(model, safe='')}/on/{quote(hardware, safe='')}"


class Stack(NamedTuple):
    """How a variant's stack differs from its baseline's; parts are techniques with their parameters, as in labels."""

    added: frozenset[str]
    removed: frozenset[str]
    both: frozenset[str]

    @property
    def baseline(self) -> frozenset[str]:
        """The baseline's parts."""
        return self.removed | self.both

    def part(self, technique: str) -> str | None:
        """What the variant adds of a technique."""
        return next((part for part in self.added if word_of(part) == technique), None)

    def before(self, technique: str) -> str | None:
        """What the baseline has of a technique."""
        return next((part for part in self.baseline if word_of(part) == technique), None)

    @property
    def clean(self) -> bool:
        """Whether nothing is missing but what stands in for a technique that was added."""
        words = {word_of(part) for part in self.added}
        return all(word_of(part) in words for part in self.removed - USUAL)

    @property
    def turned_on(self) -> bool:
        """Whether each added technique is on in the variant, off in the baseline, and nothing else differs."""
        return bool(self.added) and self.clean and all(_on(part, self.before(word_of(part))) for part in self.added)


class Cases:
    """Groups of rows that are one case each, with their pooled effects. Cases are numbered from 0."""

    def __init__(self, table: Table, mask: Mask, pooled: Sequence[str] = RATIOS) -> None:
        """Group the rows of a mask.

        Args:
            table: all rows.
            mask: those to take; see ``measured``.
            pooled: words of the figures to pool.
        """
        self.table = table
        self.places: Places = np.flatnonzero(mask)
        self.groups = _numbered(self._keys())
        self.count = int(self.groups.max()) + 1 if len(self.groups) else 0
        self.runs = np.bincount(self.groups, minlength=self.count)
        self.newest = np.zeros(self.count, np.int64)
        order = np.argsort(table.numbers[self.places], kind="stable")
        self.newest[self.groups[order]] = self.places[order]
        self.environments = self._environments()
        rows = table.figures[self.places]
        self._pools = {word: self._pool(rows[:, PLACE[word]]) for word in pooled}
        others = apart(rows)
        self._apart = {
            figure.word: np.bincount(self.groups[others[:, place]], minlength=self.count)
            for place, figure in enumerate(FIGURES)
            if others[:, place].any()
        }
        self._stacks: dict[tuple[str, str], Stack] = {}

    def stack(self, case: int) -> Stack:
        """What sets a case apart."""
        label, against = self.table.rows[self.newest[case]].label, self.against(case)
        found = self._stacks.get((label, against))
        if found is None:
            variant, baseline = parts_of(label), parts_of(against)
            found = Stack(variant - baseline, baseline - variant, variant & baseline)
            self._stacks[label, against] = found
        return found

    def against(self, case: int) -> str:
        """The label of a case's baseline."""
        return self.word("against", case)

    def word(self, name: str, case: int) -> str:
        """The word a case has in a column of the table."""
        return self.table.word(name, int(self.newest[case]))

    def size(self, name: str, case: int) -> int | None:
        """Batch size or length of a case."""
        value = getattr(self.table, name)[self.newest[case]]
        return None if np.isnan(value) else int(value)

    def effect(self, case: int, figure: str) -> Effect | None:
        """A pooled effect; None where no run of the case has one with an interval."""
        pools = self._pools[figure]
        runs = int(pools.runs[case])
        if not runs:
            return None
        ratio, low, high = float(pools.ratio[case]), float(pools.low[case]), float(pools.high[case])
        own = self.table.rows[self.newest[case]].verdicts[PLACE[figure]] if self.runs[case] == 1 else NO_VERDICT
        said = figures.verdict(own) or verdict(BY_WORD[figure].metrics[0], low, high)
        return Effect(ratio=ratio, low=low, high=high, verdict=said, runs=runs)

    def case(self, case: int) -> Case:
        """Everything about one case."""
        held = self.table.rows[self.newest[case]]
        stack = self.stack(case)
        techniques = self.word("techniques", case)
        effects = {word: self.effect(case, word) for word in self._pools}
        return Case(
            techniques=tuple(techniques.split("+")),
            label=held.label,
            against=self.against(case),
            turned_on=stack.turned_on,
            batch_size=self.size("batch_size", case),
            length=self.size("length", case),
            point=held.point,
            evaluation=self.word("evaluation", case) or None,
            runs=int(self.runs[case]),
            environments=int(self.environments[case]),
            run=held.run_id,
            url=f"/runs/{held.run_id}",
            effects={word: effect for word, effect in effects.items() if effect is not None},
            apart={word: int(runs[case]) for word, runs in self._apart.items() if runs[case]},
            relative={
                word: cell
                for word, cell in self._cells(case).items()
                if BY_WORD[word].relative and cell.value is not None
            },
            **{name: self.word(name, case) for name in ("model", "workload", "device", "hardware", "family", "ran")},
        )

    def environments_of(self, cases: Sequence[int]) -> int:
        """In how many environments the runs of some cases were measured."""
        rows = self.places[np.isin(self.groups, cases)]
        return len(np.unique(self.table.words["environment"][0][rows]))

    def _cells(self, case: int) -> dict[str, Cell]:
        place = self.newest[case]
        return unpacked(self.table.figures[place].ravel().tolist(), self.table.rows[place].verdicts)

    def _keys(self) -> list[Places]:
        """What has to be equal, a column of small numbers each."""
        table, places = self.table, self.places
        names = ("model", "workload", "device", "hardware", "techniques", "against", "ran", "evaluation")
        keys = [table.words[name][0][places].astype(np.int64) for name in names]
        for sizes in (table.batch_size, table.length):
            keys.append(np.unique(np.nan_to_num(sizes[places], nan=-1.0), return_inverse=True)[1])
        rows = [table.rows[place] for place in places.tolist()]
        keys.append(_codes(row.label for row in rows))
        keys.append(_codes(_rest(row.point) for row in rows))
        return keys

    def _environments(self) -> Places:
        codes, words = self.table.words["environment"]
        pairs = np.unique(self.groups * max(1, len(words)) + codes[self.places])
        return np.bincount(pairs // max(1, len(words)), minlength=self.count)

    def _pool(self, values: Floats) -> Pools:
        """Pool one figure, whose parts are the columns."""
        ratios, lows, highs = (values[:, FIELDS.index(part)] for part in ("ratio", "ratio_low", "ratio_high"))
        return pool(ratios, lows, highs, self.groups, self.count)


def measured(table: Table) -> Mask:
    """Rows that measured a variant and did what was asked, if need be by emulation."""
    return ~having(table, "techniques", {""}) & having(table, "outcome", {"ok"}) & ~having(table, "ran", {"fell_back"})


def parts_of(label: str) -> frozenset[str]:
    """The techniques of a stack's label, with their parameters."""
    return frozenset() if label == BUILT else frozenset(label.split(JOINED))


def word_of(part: str) -> str:
    """The technique of one part of a label."""
    return part.partition(" ")[0]


def _on(part: str, before: str | None) -> bool:
    """Whether a technique is on in the variant and off in the baseline."""
    known = contrast(word_of(part))
    if known is None:
        return before is None
    return part.startswith(known.variant) and not (before or "").startswith(known.variant)


def _rest(point: dict[str, int]) -> str:
    """Of a point of a sweep, what no column holds."""
    if not point:
        return ""
    rest = sorted((name, value) for name, value in point.items() if name not in (*LENGTHS, "batch_size"))
    return repr(rest) if rest else ""


def _codes(texts: Iterable[str]) -> Places:
    known: dict[str, int] = {}
    return np.fromiter((known.setdefault(text, len(known)) for text in texts), np.int64)


def _numbered(columns: Sequence[Places]) -> Places:
    """Rows that are equal in every column get one number, from 0."""
    joined = columns[0]
    for column in columns[1:]:
        width = int(column.max(initial=0)) + 1
        if int(joined.max(initial=0)) >= RADIX // width:
            joined = np.unique(joined, return_inverse=True)[1]
        joined = joined * width + column
    numbered: Places = np.unique(joined, return_inverse=True)[1].astype(np.int64)
    return numbered
