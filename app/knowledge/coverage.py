"""What has been measured of what could be: techniques by models for one workload on one kind of device."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import structlog
from pydantic import ValidationError
from sqlmodel import Session

from app.db import queries
from app.errors import Invalid, Outdated
from app.frozen import Frozen
from app.ordering.menu import DEVICES, FP32, PICKS
from app.results.columns import Places, Table
from app.results.figures import BY_WORD, PLACE, Figure, verdict
from app.study import stored
from app.study.verdicts import Tone, tone
from workers.catalog.applicability import misjudged, problems, unfit
from workers.catalog.declared import Problem
from workers.catalog.evaluations.divergence import Divergence
from workers.catalog.model import Model
from workers.catalog.models import MODELS
from workers.catalog.report import Verdict
from workers.catalog.spec import StudySpec
from workers.catalog.technique import DeviceKind, Technique
from workers.catalog.techniques import BY_WORD as BY_TECHNIQUE
from workers.catalog.techniques import TECHNIQUES
from workers.catalog.workload import Workload
from workers.catalog.workloads import WORKLOADS

log = structlog.get_logger()

State = Literal["measured", "failed", "untried", "impossible"]
FELL_BACK = "fell_back"
"""Stands among outcomes for runs that ran something else than was asked."""
RATED: tuple[Figure, ...] = tuple(figure for figure in BY_WORD.values() if not figure.relative)
"""Figures by whose ratio the best can be chosen."""
_RANK: dict[Tone, int] = {"improves": 0, "same": 1, "undecided": 2, "worsens": 3}


class Best(Frozen):
    """The best result of a cell: a decided gain before none, then by the ratio."""

    run: str
    variant: str
    ratio: float
    low: float | None
    high: float | None
    verdict: Verdict
    tone: Tone


class Tried(Frozen):
    """One technique on one model."""

    technique: str
    model: str
    state: State
    count: int = 0
    """Results with figures that the technique sets apart from their baseline, alone or in a stack."""
    alone: int = 0
    """Of these, the ones with no other technique."""
    best: Best | None = None
    """None where no result has a ratio of the figure."""
    outcomes: dict[str, int] = {}
    """How the others ended; most frequent first. ``fell_back`` is one that ran something else."""
    reason: str | None = None
    """Why it cannot run."""


class TechniqueRow(Frozen):
    """One technique and its cells, in the order of the models."""

    word: str
    title: str
    family: str
    cells: tuple[Tried, ...]


class Coverage(Frozen):
    """The whole map."""

    workload: str
    device: str
    hardware: str | None
    figure: str
    models: tuple[str, ...]
    """Labels, measured ones first."""
    left_out: tuple[str, ...]
    """Labels of models that the workload cannot run."""
    rows: tuple[TechniqueRow, ...]


class Asked(NamedTuple):
    """What a map is drawn for."""

    workload: type[Workload]
    device: DeviceKind
    hardware: str | None
    """Name of what it was measured on; None for all of the kind."""
    figure: Figure
    """By whose ratio the best is chosen."""


def asked(table: Table, workload: str | None, device: str | None, hardware: str | None, figure: str | None) -> Asked:
    """What a map is asked for; what is left open is what most results are of.

    Raises:
        Invalid: a name that does not exist; the field is named with what would do.
    """
    known = {entry.word: entry for entry in WORKLOADS}
    workload = workload or _usual(table, "workload", known, "prefill")
    device = device or _usual(table, "device", DEVICES, "cpu")
    figure = figure or "latency"
    there = hardware_of(table, device)
    checks: tuple[tuple[str, str | None, Iterable[str]], ...] = (
        ("workload", workload, known),
        ("device", device, DEVICES),
        ("hardware", hardware or None, there),
        ("figure", figure, [one.word for one in RATED]),
    )
    wrong = [
        Problem(name, "unknown", "is not one of the choices.", f"One of {', '.join(choices) or 'none so far'}.")
        for name, value, choices in checks
        if value is not None and value not in choices
    ]
    if wrong:
        raise Invalid.of(wrong)
    kind: DeviceKind = "cuda" if device == "cuda" else "cpu"
    return Asked(known[workload], kind, hardware or None, BY_WORD[figure])


def hardware_of(table: Table, device: str) -> list[str]:
    """Names of what results of a kind of device were measured on."""
    (devices, device_words), (codes, words) = table.words["device"], table.words["hardware"]
    wanted = device_words.index(device) if device in device_words else -1
    return sorted(words[code] for code in np.unique(codes[devices == wanted]).tolist() if words[code])


def cell_study(asked: Asked, models: Mapping[str, Model], technique: str, model: str) -> dict[str, Any]:
    """The smallest study that fills one cell.

    Raises:
        Invalid: there is no such technique or model, or they cannot be measured together.
    """
    if technique not in BY_TECHNIQUE or model not in models:
        field, choices = ("technique", list(BY_TECHNIQUE)) if technique not in BY_TECHNIQUE else ("model", list(models))
        problem = Problem(field, "unknown", "is not on the map.", f"One of {', '.join(choices)}.")
        raise Invalid(f"{field} is not on the map.", problems=[problem])
    study = study_for(BY_TECHNIQUE[technique], models[model], asked.workload(), asked.device)
    if wrong := problems(StudySpec.model_validate(study)):
        raise Invalid(wrong[0].message, problems=wrong)
    return study


def coverage(table: Table, asked: Asked, models: Mapping[str, Model]) -> Coverage:
    """The map of one workload on one kind of device.

    Args:
        table: all results.
        asked: what it is for.
        models: by label, all that it is to have.
    """
    found = _by_pair(table, asked)
    workload = asked.workload()
    fitting = {label: model for label, model in models.items() if model.kind in asked.workload.models}
    seen = {model for _, model in found}
    labels = sorted(fitting, key=lambda label: label not in seen)
    rows = []
    for technique in TECHNIQUES:
        cells = []
        for label in labels:
            places = {
                "+".join(words): held
                for (words, model), held in found.items()
                if model == label and technique.word in words
            }
            cells.append(
                _cell(table, asked, technique, label, places) or _untried(technique, fitting[label], workload, asked)
            )
        rows.append(
            TechniqueRow(word=technique.word, title=technique.title, family=technique.family, cells=tuple(cells))
        )
    return Coverage(
        workload=asked.workload.word,
        device=asked.device,
        hardware=asked.hardware,
        figure=asked.figure.word,
        models=tuple(labels),
        left_out=tuple(label for label in models if label not in fitting),
        rows=tuple(rows),
    )


def known_models(session: Session, table: Table) -> dict[str, Model]:
    """Every model that a result has, as its study asked for it, then the menu's with their defaults; by label."""
    codes, words = table.words["model"]
    found: dict[str, Model] = {}
    for code in np.unique(codes).tolist():
        model = _ordered(session, table, np.flatnonzero(codes == code))
        if model is not None:
            found[words[code]] = model
    for entry in MODELS:
        try:
            model = entry()
        except ValidationError:
            continue  # Which folder or repository, only somebody who measures can say.
        found.setdefault(model.label, model)
    return found


def _ordered(session: Session, table: Table, places: Places) -> Model | None:
    """A model as the last study of some results asked for it; None where the catalog no longer reads any of them."""
    codes, words = table.words["study_id"]
    for code in dict.fromkeys(codes[places[::-1]].tolist()):
        study = queries.study(session, words[code])
        try:
            return stored.study_spec(study).model
        except Outdated as error:
            # Its own page says the same.
            log.warning("study left out of the coverage map", study=study.id, reason=error.detail)
    return None


def study_for(technique: type[Technique], model: Model, workload: Workload, device: DeviceKind) -> dict[str, Any]:
    """The smallest study that fills a cell: the technique against fp32, or against the model as it is built.

    The stack may still be one that cannot be measured; ``applicability.problems`` says why.
    """
    pick = next((pick for pick in PICKS if len(pick.stack) == 1 and pick.stack[0]["technique"] == technique.word), None)
    name, own = (pick.name, list(pick.stack)) if pick else (technique.title, [{"technique": technique.word}])
    studies = []
    for base in ([FP32], []):
        stack = own if technique.word == "precision" else [*base, *own]
        studies.append(
            {
                "name": f"{technique.title} on {model.label}",
                "model": model.model_dump(mode="json"),
                "workload": workload.model_dump(mode="json"),
                "evaluation": None if misjudged(Divergence(), model, workload) else {"name": "divergence"},
                "baseline": {"name": "fp32" if base else "as built", "stack": base},
                "variants": [{"name": name, "stack": stack}],
                "device": device,
                "effort": "quick",
            }
        )
    return next((study for study in studies if not problems(StudySpec.model_validate(study))), studies[0])


def _by_pair(table: Table, asked: Asked) -> dict[tuple[tuple[str, ...], str], Places]:
    """Places of the results by their techniques and their model."""
    wanted = {"workload": asked.workload.word, "device": asked.device}
    if asked.hardware is not None:
        wanted["hardware"] = asked.hardware
    mask = np.ones(table.count, np.bool_)
    for name, value in wanted.items():
        codes, words = table.words[name]
        mask &= codes == (words.index(value) if value in words else -1)
    places = np.flatnonzero(mask)
    (stacks, stack_words), (models, model_words) = table.words["techniques"], table.words["model"]
    pairs = np.stack((stacks[places], models[places]))
    found: dict[tuple[tuple[str, ...], str], Places] = {}
    for stack, model in np.unique(pairs, axis=1).T.tolist():
        if stack_words[stack]:
            held = places[(pairs[0] == stack) & (pairs[1] == model)]
            found[tuple(stack_words[stack].split("+")), model_words[model]] = held
    return found


def _cell(
    table: Table, asked: Asked, technique: type[Technique], label: str, found: Mapping[str, Places]
) -> Tried | None:
    """What the results say; None where there are none."""
    (endings, ending_words), (rans, ran_words) = table.words["outcome"], table.words["ran"]
    outcomes: Counter[str] = Counter()
    good: list[int] = []
    alone = 0
    for stack, places in found.items():
        pairs, counts = np.unique(np.stack((endings[places], rans[places])), axis=1, return_counts=True)
        for (ending, ran), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
            if ending_words[ending] == "ok" and ran_words[ran] != FELL_BACK:
                members = places[(endings[places] == ending) & (rans[places] == ran)]
                good += members.tolist()
                alone += count if stack == technique.word else 0
            else:
                outcomes[FELL_BACK if ending_words[ending] == "ok" else ending_words[ending]] += count
    if not good and not outcomes:
        return None
    return Tried(
        technique=technique.word,
        model=label,
        state="measured" if good else "failed",
        count=len(good),
        alone=alone,
        best=_best(table, good, asked.figure),
        outcomes=dict(outcomes.most_common()),
    )


def _best(table: Table, places: Sequence[int], figure: Figure) -> Best | None:
    ratios, lows, highs = (table.column(figure.word, part) for part in ("ratio", "ratio_low", "ratio_high"))
    found = []
    for place in places:
        ratio = float(ratios[place])
        if np.isnan(ratio):
            continue
        word = verdict(table.rows[place].verdicts[PLACE[figure.word]]) or "undecided"
        found.append((_RANK[tone(word)], -ratio if figure.better == "higher" else ratio, place, word))
    if not found:
        return None
    _, _, place, word = min(found)
    held = table.rows[place]
    return Best(
        run=held.run_id,
        variant=held.variant,
        ratio=float(ratios[place]),
        low=None if np.isnan(lows[place]) else float(lows[place]),
        high=None if np.isnan(highs[place]) else float(highs[place]),
        verdict=word,
        tone=tone(word),
    )


def _untried(technique: type[Technique], model: Model, workload: Workload, asked: Asked) -> Tried:
    named = {"technique": technique.word, "model": model.label}
    reason = unfit(technique, model, workload, asked.device)
    if reason is None:
        wrong = problems(StudySpec.model_validate(study_for(technique, model, workload, asked.device)))
        reason = wrong[0].message if wrong else None
    if reason is not None:
        return Tried(**named, state="impossible", reason=reason)
    return Tried(**named, state="untried")


def _usual(table: Table, name: str, known: Iterable[str], otherwise: str) -> str:
    """The word that most results have in a column."""
    codes, words = table.words[name]
    counts = np.bincount(codes, minlength=len(words)).tolist()
    found = [(count, word) for word, count in zip(words, counts, strict=False) if count and word in known]
    return max(found)[1] if found else otherwise
