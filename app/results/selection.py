"""Which results a reader wants to see, as it stands in an address: words, sizes, limits, order. Read strictly."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from pydantic import Field

from app.errors import Invalid
from app.frozen import Frozen
from app.results.figures import BY_WORD, FIGURES, LENGTHS, Figure, Part
from app.study.amounts import amount, example
from workers.catalog.declared import Problem
from workers.catalog.workloads import WORKLOADS

Scale = Literal["ratio", "measured"]
Axis = Literal["x", "y", "z"]
Group = Literal["none", "model", "technique", "hardware"]
Bound = Literal["lte", "gte"]

BOUNDS: tuple[Bound, ...] = get_args(Bound)
AXES: tuple[Axis, Axis] = ("x", "y")
"""Of the plane; the third objective has no place on it."""
FACETS: dict[str, str] = {
    "technique": "Technique",
    "model": "Model",
    "workload": "Workload",
    "against": "Baseline",
    "evaluation": "Evaluation",
    "hardware": "Hardware",
    "device": "Device",
    "family": "Family",
    "effort": "Effort",
    "outcome": "Outcome",
    "ran": "Ran",
    "owner": "Asked for by",
}
"""Names of filters with counted choices, and their titles, in the order of the page."""
WORDS = (*FACETS, "study", "environment")
"""Names of filters by a word; several values mean any of them."""
SIZES: dict[str, str] = {
    "batch_size": "Batch size",
    "length": "Length",
    **{
        name: name.replace("_", " ").capitalize()
        for workload in WORKLOADS
        for name, field in workload.model_fields.items()
        if field.annotation in (int, bool) and name not in LENGTHS
    },
}
"""Names of filters by a whole number, and their titles: every size and switch of a workload; how long a sequence is has one
name in all of them."""
RATIO = "_ratio"
ORDERS = (
    "finished",
    *(f.word for f in FIGURES),
    *(f"{f.word}{RATIO}" for f in FIGURES if not f.relative),
)
"""What a list can be ordered by; a minus before it turns it round."""
GROUPS: tuple[Group, ...] = get_args(Group)
MOST_TEXT = 200
MOST_VALUES = 50


class Limit(NamedTuple):
    """A budget line: a figure must stay on one side of a value."""

    figure: str
    part: Part
    """``value`` or ``ratio``."""
    bound: Bound
    value: float

    @property
    def name(self) -> str:
        """As it stands in addresses."""
        return f"{self.figure}{RATIO if self.part == 'ratio' else ''}__{self.bound}"


class Selection(Frozen):
    """What a reader picked among all results."""

    words: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By filter's name."""
    sizes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    text: str = ""
    """Part of a study's, variant's or stack's name, whatever its case."""
    sort: str = "-finished"
    x: str = "latency"
    y: str = "memory"
    z: str = ""
    """A third objective of the front; empty where there is none."""
    scale: Scale = "ratio"
    null_tests: bool = False
    """Whether baselines against themselves are among them."""
    group: Group = "none"
    """What comes before the order: results of one model, or of one set of techniques, or of one device together."""

    @property
    def objectives(self) -> tuple[Figure, ...]:
        """The figures that the front is of: those of the axes, and the third one if there is one."""
        return tuple(BY_WORD[word] for word in (self.x, self.y, self.z) if word)

    def figure(self, axis: Axis) -> Figure:
        """The figure on an axis."""
        return BY_WORD[{"x": self.x, "y": self.y, "z": self.z}[axis]]

    def part(self, figure: Figure) -> Part:
        """What of a figure is shown on the chosen scale."""
        return "value" if self.scale == "measured" or figure.relative else "ratio"

    def pairs(self) -> list[tuple[str, str]]:
        """The address that says this, without what is not set."""
        plain = Selection()
        found = [(name, value) for name, values in self.words.items() for value in values]
        found += [(name, str(value)) for name, values in self.sizes.items() for value in values]
        found += [(limit.name, f"{limit.value:.9g}") for limit in self.limits]
        found += [("q", self.text)] if self.text else []
        for name in ("sort", "x", "y", "z", "scale", "group"):
            if getattr(self, name) != getattr(plain, name):
                found.append((name, getattr(self, name)))
        return found + ([("null_tests", "true")] if self.null_tests else [])


def parts(figure: Figure) -> tuple[Part, ...]:
    """What of a figure can be limited."""
    return ("value",) if figure.relative else ("value", "ratio")


LIMITS: dict[str, tuple[str, Part, Bound]] = {
    f"{figure.word}{RATIO if part == 'ratio' else ''}__{bound}": (figure.word, part, bound)
    for figure in FIGURES
    for part in parts(figure)
    for bound in BOUNDS
}
"""Names of limits, and what each limits."""
PLAIN = ("sort", "x", "y", "z", "scale", "group", "null_tests")
"""Names that filter nothing: what is shown of what is left, and how."""
NAMES = (*WORDS, *SIZES, "q", *PLAIN, *LIMITS)


def read(pairs: Iterable[tuple[str, str]], also: Sequence[str] = ()) -> Selection:
    """A selection from the names and values of an address.

    Args:
        pairs: what stands after the question mark.
        also: names that mean something else to whoever asks, and are passed over here.

    Raises:
        Invalid: a name or a value that does not exist; every one is named with what would do.
    """
    words: dict[str, tuple[str, ...]] = {}
    sizes: dict[str, tuple[int, ...]] = {}
    limits: list[Limit] = []
    plain: dict[str, str | bool] = {}
    wrong: list[Problem] = []
    for name, value in pairs:
        if value == "" or name in also:
            continue  # An empty field of a form.
        if name in WORDS:
            words[name] = (*words.get(name, ()), value)
        elif name in SIZES:
            if value.isdecimal() and len(value) < 16:
                sizes[name] = (*sizes.get(name, ()), int(value))
            else:
                wrong.append(Problem(name, "invalid_number", "is not a whole number.", "For example 128."))
        elif name in LIMITS:
            number = amount(value, "1" if LIMITS[name][1] == "ratio" else BY_WORD[LIMITS[name][0]].unit)
            if number is None:
                wrong.append(Problem(name, "invalid_number", "is not a number.", _written(LIMITS[name])))
            else:
                limits.append(Limit(*LIMITS[name], number))
        elif name in _CHOICES:
            if value.removeprefix("-" if name == "sort" else "") in _CHOICES[name]:
                plain[name] = value == "true" if name == "null_tests" else value
            else:
                wrong.append(
                    Problem(name, "unknown", "is not one of the choices.", f"One of {', '.join(_CHOICES[name])}.")
                )
        elif name == "q":
            plain["text"] = value[:MOST_TEXT]
        else:
            wrong.append(Problem(name, "unknown_filter", "is not a filter.", f"One of {', '.join((*NAMES, *also))}."))
    for name, values in words.items():
        if len(values) > MOST_VALUES or any(len(value) > MOST_TEXT for value in values):
            wrong.append(
                Problem(
                    name,
                    "too_long",
                    "has too many or too long values.",
                    f"At most {MOST_VALUES} of {MOST_TEXT} characters.",
                )
            )
    taken = {str(plain.get("x", "latency")): "x"}
    for name, usual in (("y", "memory"), ("z", "")):
        word = str(plain.get(name, usual))
        if word and word in taken:
            hint = "Choose different figures for x, y and z."
            wrong.append(Problem(name, "same_axis", f"is the same figure as {taken[word]}.", hint))
        taken[word] = name
    if wrong:
        raise Invalid.of(wrong)
    return Selection(words=words, sizes=sizes, limits=tuple(limits), **plain)


_CHOICES: dict[str, tuple[str, ...]] = {
    "sort": ORDERS,
    "x": tuple(BY_WORD),
    "y": tuple(BY_WORD),
    "z": tuple(BY_WORD),
    "scale": get_args(Scale),
    "group": GROUPS,
    "null_tests": ("true", "false"),
}


def _written(limit: tuple[str, Part, Bound]) -> str:
    """How a limit can be written."""
    figure, part, _ = limit
    unit = BY_WORD[figure].unit
    if part == "ratio":
        return "For example 0.8, for 0.8 times the baseline."
    return example(unit)
