"""Techniques: the catalogue with what was measured of it, and one technique beside its literature."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.charts import technique_effects
from app.knowledge import claims, evidence
from app.knowledge.cases import RATIOS, Case
from app.pages.rendering import page
from app.presentation import number_formats
from app.results.dependency import Results
from app.results.figures import BY_WORD, Figure
from app.study.outcomes import OUTCOMES
from workers.catalog.applicability import conflicting
from workers.catalog.techniques import TECHNIQUES

router = APIRouter()

COLUMNS = ("latency", "tpot", "memory", "weights", "energy", "perplexity", "accuracy")
"""Figures of a table of cases, as far as any case has them."""


class Parameter(NamedTuple):
    """One parameter of a technique, in words."""

    name: str
    choices: str
    default: str
    description: str


@router.get("/techniques", response_class=HTMLResponse)
def techniques(table: Results) -> HTMLResponse:
    return page(
        "techniques.html",
        here="techniques",
        twin="/api/v1/techniques",
        techniques=TECHNIQUES,
        measured=evidence.overview(table),
        expected={technique.word: claims.expected(technique) for technique in TECHNIQUES},
        figures=BY_WORD,
        unmeasurable=claims.unmeasurable(),
        grades=claims.GRADES,
        formats=number_formats.shown(),
    )


@router.get("/techniques/{word}", response_class=HTMLResponse)
def technique(
    table: Results, word: str, figure: Annotated[str, Query(max_length=40)] = evidence.TYPICAL[0]
) -> HTMLResponse:
    found, wanted = evidence.of_catalogue(word), evidence.compared(figure)
    known = evidence.known(table, found)
    statements = [one.statement for one in (*known.literature, *known.claims)]
    return page(
        "technique.html",
        here="techniques",
        twin=f"/api/v1/techniques/{word}",
        technique=found,
        conflicts=conflicting(found),
        parameters=parameters(found.model_json_schema(), found.discriminator),
        known=known,
        columns=columns(known.cases),
        figure=wanted,
        figures=BY_WORD,
        measured_figures=[BY_WORD[name] for name in RATIOS if any(name in case.effects for case in known.cases)],
        drawn=technique_effects.drawing(known.cases, wanted, statements, found.family),
        grades=claims.GRADES,
        outcomes=OUTCOMES,
    )


def columns(cases: tuple[Case, ...]) -> list[Figure]:
    """The figures that a table of cases shows."""
    return [BY_WORD[word] for word in COLUMNS if any(word in case.effects or word in case.apart for case in cases)]


def parameters(schema: dict[str, Any], discriminator: str) -> list[Parameter]:
    """The parameters of a technique, from its JSON schema."""
    found = []
    for name, field in schema["properties"].items():
        if name == discriminator:
            continue
        ends = [f"{word} {field[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in field]
        choices = ", ".join(map(str, field.get("enum", ()))) or " ".join([str(field.get("type", "any")), *ends])
        default = field.get("default", "–")
        shown = {True: "on", False: "off"}[default] if isinstance(default, bool) else str(default)
        found.append(Parameter(name, choices.replace("boolean", "on, off"), shown, field.get("description", "")))
    return found
