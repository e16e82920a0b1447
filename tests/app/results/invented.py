"""Invented results: rows as they are stored, beside the figures they were packed from; what a selection means in plain Python."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from hypothesis import strategies as st
from sqlalchemy import delete, insert
from sqlmodel import Session, col

from app.db.tables import Result, Run, Study, User
from app.results.figures import BY_WORD, FIGURES, VERDICTS, Cell, Figure, packed
from app.results.selection import GROUPS, LIMITS, SIZES, WORDS, Limit, Scale, Selection
from tests import demo

STUDIES = {"01KSTUDY0000000000000000AA": "Straße", "01KSTUDY0000000000000000AB": "what pays"}
"""Names by id."""
TECHNIQUES = ("attention", "compile", "compile_regions", "precision")
"""One is the beginning of another: a filter by it must not let the other in."""
ANY_OF: dict[str, tuple[str | None, ...]] = {
    "model": ("llama tiny", "gpt2", "cnn"),
    "workload": ("prefill", "generate"),
    "device": ("cpu", "cuda"),
    "hardware": ("AMD EPYC 9B45", "NVIDIA H200", None),
    "environment": ("a1", "b2", None),
    "effort": ("quick", "standard"),
    "outcome": ("ok", "ok", "ok", "oom_host", "unsupported"),
    "ran": ("as_asked", "emulated", "fell_back", None),
    "owner": ("ada", "Grace"),
    "evaluation": ("divergence, items 64", "divergence, items 512", None),
    "variant": ("bf16", "Flash", "both of them"),
    "label": ("precision bf16", "attention flash", "as built"),
    "against": ("precision fp32", "as built"),
}
TEXTS = ("", "", "FLASH", "strasse", "of them", "pays", "nothing has this name")


class Invented(NamedTuple):
    """One result."""

    row: dict[str, Any]
    """As it is stored."""
    cells: dict[str, Cell]
    """Its figures, by word."""

    def number(self, figure: str, part: str) -> float | None:
        """One figure; None where it was not measured."""
        found: float | None = getattr(self.cells.get(figure, Cell()), part)
        return found

    def words(self, name: str) -> list[str]:
        """What it has for a filter by a word: of techniques any number, of all else one or none."""
        word = self.row[{"technique": "techniques", "study": "study_id"}.get(name, name)] or ""
        return [one for one in (word.split("+") if name == "technique" else [word]) if one]

    def size(self, name: str) -> int | None:
        """What it has for a filter by a whole number."""
        found: int | None = self.row[name] if name in ("batch_size", "length") else self.row["point"].get(name)
        return found


def results(dice: random.Random, count: int) -> list[Invented]:
    """As many results, each of a run of its own."""
    return [result(dice, place) for place in range(count)]


def result(dice: random.Random, place: int) -> Invented:
    """What the run of this place may have brought; figures lie on a coarse grid, so that equal ones are frequent."""
    row: dict[str, Any] = {name: dice.choice(words) for name, words in ANY_OF.items()}
    study = list(STUDIES)[place % len(STUDIES)]
    techniques = sorted(dice.sample(TECHNIQUES, dice.randrange(4)))
    batch_size, length = dice.choice((1, 8, 32)), dice.choice((128, 512))
    point = {"batch_size": batch_size}
    if row["workload"] == "generate":
        point |= {"prompt_length": length, "new_tokens": dice.choice((16, 64))}
    else:
        point |= {"sequence_length": length, "causal": dice.randrange(2)}
    cells = {figure.word: _cell(dice, figure) for figure in FIGURES if dice.random() < 0.7}
    figures, verdicts = packed(cells)
    row |= {
        "run_id": f"01KRUN{place:020d}",
        "study_id": study,
        "study": STUDIES[study],
        "baseline": "fp32",
        "family": dice.choice(("precision", "stack")) if techniques else "baseline",
        "techniques": "+".join(techniques),
        "point": point,
        "batch_size": dice.choice((batch_size, batch_size, None)),
        "length": dice.choice((length, length, None)),
        "finished_at": demo.NOW + dice.randrange(10_000) / 8,
        "figures": figures,
        "verdicts": verdicts,
    }
    return Invented(row, cells)


def ledger(session: Session, wanted: Iterable[Invented]) -> None:
    """The studies and runs that results belong to."""
    user = "01KUSER00000000000000000AA"
    session.execute(insert(User), [{"id": user, "name": "ada", "role": "member", "created_at": demo.NOW}])
    plain = {"spec": {}, "created_at": demo.NOW}
    study = plain | {"owner_id": user, "state": "done", "model": "m", "workload": "w", "device": "cpu"}
    more = {"effort": "quick", "run_count": 1}
    session.execute(insert(Study), [study | more | {"id": one, "name": name} for one, name in STUDIES.items()])
    run = plain | {"is_baseline": False, "point": {}, "device_kind": "cpu", "not_before": 0.0, "queue_until": 0.0}
    owns = ("study_id", "variant")
    session.execute(
        insert(Run),
        [
            run | {"id": each.row["run_id"], "position": place} | {name: each.row[name] for name in owns}
            for place, each in enumerate(wanted)
        ],
    )


def write(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store rows as the product does: whatever their runs had is gone, and they have numbers above all others."""
    session.execute(delete(Result).where(col(Result.run_id).in_([row["run_id"] for row in rows])))
    session.execute(insert(Result), [dict(row) for row in rows])


def refusals(result: Invented, selection: Selection) -> set[str]:
    """Names of the filters and limits that keep a result out: the definition written out."""
    found = set()
    if not selection.null_tests and result.row["family"] == "baseline":
        found.add("null_tests")
    for name, words in selection.words.items():
        if not set(words) & set(result.words(name)):
            found.add(name)
    for name, sizes in selection.sizes.items():
        if result.size(name) not in sizes:
            found.add(name)
    for limit in selection.limits:
        own = result.number(limit.figure, limit.part)
        if own is None or (own > limit.value if limit.bound == "lte" else own < limit.value):
            found.add(limit.name)
    names = (result.row["study"], result.row["variant"], result.row["label"])
    if selection.text and not any(selection.text.casefold() in name.casefold() for name in names):
        found.add("q")
    return found


@st.composite
def selections(draw: st.DrawFn, among: Sequence[Invented]) -> Selection:
    """What somebody may pick: a few filters with values that some results have or none has, limits at measured values."""
    figures = draw(st.lists(st.sampled_from(sorted(BY_WORD)), min_size=2, max_size=3, unique=True))
    return Selection(
        words={name: draw(_some((*words(among, name), "unknown"))) for name in draw(_few(WORDS))},
        sizes={name: draw(_some((*sizes(among, name), 7))) for name in draw(_few(tuple(SIZES)))},
        limits=tuple(draw(limits(among, name)) for name in draw(_few(tuple(LIMITS)))),
        text=draw(st.sampled_from(TEXTS)),
        null_tests=draw(st.booleans()),
        scale=draw(st.sampled_from(get_args(Scale))),
        group=draw(st.sampled_from(GROUPS)),
        **dict(zip("xyz", figures, strict=False)),
    )


def words(among: Iterable[Invented], name: str) -> list[str]:
    """What results have for a filter by a word."""
    return sorted({word for each in among for word in each.words(name)})


def sizes(among: Iterable[Invented], name: str) -> list[int]:
    """What results have for a filter by a whole number."""
    return sorted({size for each in among if (size := each.size(name)) is not None})


def limits(among: Iterable[Invented], name: str) -> st.SearchStrategy[Limit]:
    """A limit of this name at a value that was measured."""
    figure, part, bound = LIMITS[name]
    measured = {value for each in among if (value := each.number(figure, part)) is not None}
    return st.sampled_from(sorted(measured)).map(lambda value: Limit(figure, part, bound, value))


def _cell(dice: random.Random, figure: Figure) -> Cell:
    value = dice.randrange(1, 40) / 8
    items = dice.randrange(100, 5_000) if figure.scored else None
    measured = Cell(value=value, low=value - 0.25, high=value + 0.5, items=items, definition=figure.version)
    if figure.relative or dice.random() < 0.2:
        return measured
    ratio = dice.randrange(4, 20) / 8
    compared = {"ratio": ratio, "ratio_low": ratio - 0.125, "ratio_high": ratio + 0.25, "pairs": dice.randrange(1, 6)}
    return measured.model_copy(update=compared | {"verdict": dice.choice(VERDICTS)})


def _few(names: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), max_size=2, unique=True)


def _some(values: Sequence[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True).map(tuple)
