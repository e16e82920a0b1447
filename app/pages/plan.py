"""The planner's page: a question as a form, its answer beside it. The question stands in the address."""

import itertools
import json
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.charts.units import digits
from app.devices.datasheets import Datasheet, datasheets
from app.errors import Invalid
from app.pages.rendering import page
from app.planner import known
from app.planner.formats import FORMATS
from app.planner.inference import CACHE_BITS
from app.planner.plan import Plan, plan
from app.planner.question import PHASES, Question, foreign, of_address
from app.planner.states import OPTIMIZERS
from app.planner.ways import Way

router = APIRouter()

FIRST = {
    "model": "Llama-3.1-8B", "phase": "qlora", "batch": "4", "sequence": "2048", "checkpointing": "true",
    "device": "GeForce RTX 4060",
}  # fmt: skip
"""Shown to a reader who has not asked anything yet."""
MARKS = {
    "weights": "weights", "adapters": "weights", "master weights": "weights", "optimizer": "optimizer_states",
    "gradients": "gradients", "activations": "activations", "KV cache": "kv_cache", "logits": "temporary",
    "working set": "temporary", "step": "temporary", "dequantised": "temporary", "gathered": "temporary", "buckets": "gradients",
}  # fmt: skip
"""Colours of the parts; what is none of the model's own has that of the rest."""
SHARDINGS = {
    "none": "one device",
    "ddp": "DDP: everything on each",
    "zero1": "ZeRO-1: optimizer states shared",
    "zero2": "ZeRO-2: gradients too",
    "zero3": "ZeRO-3, FSDP: weights too",
}
LOSSES = {"naive": "cross_entropy", "in_place": "float32 in place", "chunked": "in chunks, or fused"}


class Bar(NamedTuple):
    """One part of the waterfall, in percent of its width."""

    name: str
    mark: str
    left: float
    width: float
    bytes: float
    low: float
    high: float
    formula: str
    source: str


class Offered(NamedTuple):
    """A way, and where it leads."""

    way: Way
    address: str
    bars: tuple[tuple[float, float], ...]
    """Of each step what it takes away: where that begins, and how wide it is, in percent."""


@router.get("/plan", response_class=HTMLResponse)
def read(request: Request) -> HTMLResponse:
    given = dict(request.query_params) or FIRST
    try:
        asked = of_address(given)
    except Invalid as refused:
        return _page(given, None, refused)
    return _page(given, plan(asked), None)


def address(question: Question) -> str:
    """The page's address of a question, without what is as usual."""
    said = {
        name: _written(value)
        for name, value in question.model_dump().items()
        if value is not None and value != Question.model_fields[name].default and name not in foreign(question.phase)
    }
    return f"/plan?{urlencode(said, quote_via=quote, safe=',:')}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else str(value)


def _page(given: Mapping[str, str], found: Plan | None, refused: Invalid | None) -> HTMLResponse:
    query = urlencode(given, quote_via=quote, safe=",:")
    phase = given.get("phase", "")
    return page(
        "plan.html",
        here="plan",
        twin=f"/api/v1/plan?{query}",
        status=422 if refused else 200,
        given=given,
        on=lambda title: _with(given, device=title),
        wrong={problem.field.partition(".")[0]: problem for problem in refused.problems} if refused else {},
        refused=refused,
        plan=found,
        scale=_scale(found) if found else 0.0,
        bars=_bars(found) if found else (),
        offered=[_offered(found, way) for way in found.ways] if found else (),
        menus={
            "models": known.models(),
            "phases": list(PHASES.items()),
            "formats": [("", "as usual"), *((each.word, each.title) for each in FORMATS)],
            "optimizers": [(each.word, each.title) for each in OPTIMIZERS],
            "caches": [(word, word) for word in CACHE_BITS],
            "losses": list(LOSSES.items()),
            "shardings": list(SHARDINGS.items()),
            "devices": devices(),
        },
        silent={each: sorted(foreign(each)) for each in PHASES},
        quiet_now=foreign(phase) if phase in PHASES else foreign("inference"),
        usual={name: field.default for name, field in Question.model_fields.items()},
        gib=lambda size: digits(size / 2**30),
    )


def devices() -> list[tuple[str, str]]:
    """What a select of devices shows, the smallest first."""
    return [("", "none in particular"), *((each.title, _spelled(each)) for each in sorted(datasheets(), key=_size))]


def _with(given: Mapping[str, str], **values: str) -> str:
    return f"/plan?{urlencode({**given, **values}, quote_via=quote, safe=',:')}"


def _size(sheet: Datasheet) -> tuple[int, str]:
    return sheet.memory, sheet.title


def _spelled(sheet: Datasheet) -> str:
    size = f"{sheet.memory / 2**30:g} GB"
    return sheet.title if size.replace(" ", "") in sheet.title.replace(" ", "") else f"{sheet.title}, {size}"


def _scale(found: Plan) -> float:
    """Bytes that the whole width of the waterfall stands for."""
    return max(found.high, found.fit.free if found.fit else 0.0) * 1.04


def _bars(found: Plan) -> tuple[Bar, ...]:
    """The parts of the instant that decides, each where the one before it ended, the largest first."""
    parts = next(each.parts for each in found.instants if each.name == found.peak)
    whole = _scale(found)
    bars, left = [], 0.0
    for part in sorted(parts, key=lambda part: -part.bytes):
        if part.bytes <= 0 and part.high <= 0:
            continue
        width = 100 * part.bytes / whole
        bars.append(
            Bar(
                part.name,
                MARKS.get(part.name, "other"),
                left,
                width,
                part.bytes,
                part.low,
                part.high,
                part.formula,
                part.source,
            )
        )
        left += width
    return tuple(bars)


def _offered(found: Plan, way: Way) -> Offered:
    whole = _scale(found)
    ends = [found.bytes, *(step.bytes for step in way.steps)]
    bars = [
        (100 * min(before, now) / whole, 100 * abs(before - now) / whole) for before, now in itertools.pairwise(ends)
    ]
    return Offered(way, address(way.question), tuple(bars))
