"""The guide's page: a short form, the advice beside it, the way to it as a tree. The question stands in the address."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.errors import Invalid
from app.guide import question, team
from app.guide.answer import Answer, answer
from app.guide.experiments import missing
from app.guide.memory import micro_batch, share_of_batch
from app.guide.options import Option
from app.guide.question import GuideQuestion
from app.guide.rejected import CLASS_WORDS, STAGES
from app.guide.settings import of_words
from app.guide.situation import TASKS, TOLERANCE, Situation
from app.guide.techniques import techniques
from app.pages import reproduce
from app.pages.rendering import page
from app.pages.session import Reading
from app.planner import question as planned
from app.planner.machines import Machine
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.models import known
from app.planner.question import once
from app.planner.team import machines
from app.results.dependency import Results

router = APIRouter()

EFFORTS = {
    "one_line": "a line of code",
    "low": "an afternoon",
    "medium": "some days, another engine",
    "high": "training anew",
}
OUTCOMES = {
    "advised": ("improves", "check"),
    "keep": ("same", "same"),
    "tight": ("undecided", "unsure"),
    "nothing_fits": ("worsens", "close"),
    "unknown": ("undecided", "unsure"),
}
"""How an answer's outcome looks: tone and sign."""
FIRST = {"model": "Llama-3.1-8B", "task": "chat", "device": "GeForce RTX 4090", "sequence": "512"}
"""Shown to a reader who has not asked anything yet and whose team has no device."""


@router.get("/guide", response_class=HTMLResponse)
def read(request: Request, session: Reading, table: Results) -> HTMLResponse:
    own = machines(session, table)
    pairs = request.query_params.multi_items() or [*_first(own).items()]
    given = dict(pairs)
    try:
        situation = question.of_address(once(pairs), own)
        found = answer(situation, team.evidence(table, situation, own))
    except Invalid as refused:
        return _page(request, given, own, None, refused)
    return _page(request, given, own, found, None, planner=_planner(situation, found.advice.before, own))


def _planner(situation: Situation, before: Option, own: Sequence[Machine]) -> dict[str, str] | None:
    """What there is now, as the planner is asked it; None where it has no answer: images, models and devices that it does not know,
    and what it has no word for.
    """
    settings = of_words(before.words)
    if situation.model.name not in known.by_name() or settings.draft_tokens > 1 or settings.share < 1:
        return None
    asked = {
        "model": situation.model.name,
        "device": situation.device.title,
        "batch": f"{micro_batch(situation, settings) if situation.phase == 'training' else situation.batch}",
        "sequence": f"{situation.sequence}",
        "weights": settings.weights,
        "computing": settings.computing,
        "flash": str(settings.flash).lower(),
    }
    if situation.phase == "inference":
        asked |= {"phase": "inference", "generated": f"{situation.generated}", "cache": settings.kept_cache}
        if settings.loading:
            asked["loading"] = settings.loading
    else:
        frozen = "qlora" if FORMATS[settings.weights].is_quantised else "lora"
        asked |= {
            "phase": frozen if settings.rank else "training",
            "checkpointing": str(settings.checkpointing).lower(),
            "optimizer": settings.optimizer,
            "loss": settings.loss,
        }
        if micro_batch(situation, settings) < share_of_batch(situation, settings):
            asked["accumulating"] = "true"
        if settings.rank:
            asked["rank"] = f"{settings.rank}"
    if settings.sharding != "none":
        asked |= {"sharding": settings.sharding, "devices": f"{situation.devices}"}
    if settings.tensor_parallel:
        asked["devices"] = f"{situation.devices}"
    if situation.budget is not None:
        asked["memory"] = f"{situation.budget:.0f}"
    try:
        planned.of_address(asked, own)
    except Invalid:
        # More devices than heads to share, for example.
        return None
    return asked


def _first(own: tuple[Machine, ...]) -> dict[str, str]:
    """What opens the page: the shipped decoder on the team's own device, of which something may have been measured."""
    if not own:
        return FIRST
    return {"model": "reference decoder", "task": "prefill", "device": own[0].title, "sequence": "256"}


class Queued(NamedTuple):
    """The study that a button queues, as the page tells it beforehand."""

    variants: tuple[str, ...]
    pick: str | None
    """That of them which is the advised stack; None where it is not among them."""
    lacking: tuple[str, ...]
    """Titles of techniques of the advised stack that the catalogue cannot measure yet."""


def _queued(found: Answer) -> Queued | None:
    """What would be queued; None where there is nothing to queue."""
    if found.study is None:
        return None
    pick = found.advice.pick
    stacks = [list(one.variant or ()) for one in found.advice.experiments if pick and one.words == pick.words]
    variants = found.study["variants"]
    return Queued(
        variants=tuple(one["name"] for one in variants),
        pick=next((one["name"] for one in variants if one["stack"] in stacks), None),
        lacking=missing(pick.words) if pick else (),
    )


def _page(
    request: Request, given: Mapping[str, str], own: tuple[Machine, ...], found: Answer | None, refused: Invalid | None,
    planner: Mapping[str, str] | None = None,
) -> HTMLResponse:  # fmt: skip
    query = urlencode(given, quote_via=quote, safe=",:")
    ordered = json.dumps(found.study) if found and found.study else None
    return page(
        "guide.html",
        here="guide",
        twin=f"/api/v1/guide?{query}",
        status=422 if refused else 200,
        given=given,
        wrong={problem.field.partition(".")[0]: problem for problem in refused.problems} if refused else {},
        refused=refused,
        found=found,
        advice=found.advice if found else None,
        evidence={one.id: one for one in found.evidence} if found else {},
        outcomes=OUTCOMES,
        binding=CLASS_WORDS,
        stages=STAGES,
        study=ordered,
        queued=_queued(found) if found else None,
        planner=planner,
        curl=reproduce.posted(ordered, str(request.base_url)) if ordered else "",
        titles={one.word: one.title for one in techniques()},
        menus={
            "models": question.names(),
            "tasks": TASKS,
            "devices": question.listed(own),
            "efforts": EFFORTS,
            "techniques": [(one.word, one.title) for one in techniques()],
        },
        tolerance=f"{100 * TOLERANCE:g} %",
        usual={name: field.default for name, field in GuideQuestion.model_fields.items()},
    )
