"""The planner's page: a question as a form, its answer beside it. The question stands in the address."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.charts.units import digits
from app.door.limits import HEADER_BYTES
from app.errors import Invalid
from app.guide.rejected import CLASS_WORDS
from app.pages.rendering import page
from app.pages.session import Reading
from app.planner import team
from app.planner.machines import Machine
from app.planner.machines import known as known_machines
from app.planner.memory.formats import FORMATS
from app.planner.memory.inference import CACHE_BITS
from app.planner.memory.states import OPTIMIZERS
from app.planner.models import known
from app.planner.plan import FREE_MEMORY, Plan, plan
from app.planner.question import PHASES, Question, foreign, of_address, once
from app.planner.ways import Way
from app.results.dependency import Results

router = APIRouter()

FIRST = {
    "model": "Llama-3.1-8B", "phase": "qlora", "batch": "4", "sequence": "2048", "device": "GeForce RTX 4060",
}  # fmt: skip
"""Shown to a reader who has not asked anything yet."""
MARKS = {
    "weights": "weights", "adapters": "weights", "master weights": "weights", "optimizer": "optimizer_states",
    "gradients": "gradients", "activations": "activations", "KV cache": "kv_cache", "logits": "temporary",
    "working set": "temporary", "joined": "weights", "being quantised": "temporary", "autocast copies": "weights", "shared gradient": "gradients",
    "step": "temporary", "dequantised": "temporary", "gathered embedding and head": "temporary", "gathered layers": "temporary", "new gradient": "gradients", "buckets": "gradients",
}  # fmt: skip
"""Colours of the parts; what is none of the model's own has that of the rest."""
SHARDINGS = {
    "none": "one device",
    "ddp": "DDP: everything on each",
    "zero1": "ZeRO-1: optimizer states shared",
    "zero2": "ZeRO-2: gradients too",
    "zero3": "ZeRO-3, FSDP: weights too",
}
LOADINGS = {
    "stored": "the file has them so",
    "quantised": "each matrix as it arrives",
    "converted": "all of them once they are there",
    "fused": "joined after loading",
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
def read(request: Request, session: Reading, table: Results) -> HTMLResponse:
    return _answered(request.query_params.multi_items() or [*FIRST.items()], team.machines(session, table))


@router.post("/plan/gguf", response_class=HTMLResponse)
def of_file(request: Request, session: Reading, table: Results) -> HTMLResponse:
    """The same page about the model of a GGUF file, whose header no address can carry."""
    return _answered(request.query_params.multi_items(), team.machines(session, table), request.state.body)


def _answered(
    pairs: Sequence[tuple[str, str]], machines: Sequence[Machine], header: bytes | None = None
) -> HTMLResponse:
    given = dict(pairs)
    try:
        asked = of_address(once(pairs), machines, header)
    except Invalid as refused:
        return _page(given, machines, None, refused)
    return _page(given, machines, plan(asked), None)


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


def _page(
    given: Mapping[str, str], machines: Sequence[Machine], found: Plan | None, refused: Invalid | None
) -> HTMLResponse:
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
        binding=CLASS_WORDS,
        bars=_bars(found) if found else (),
        offered=[_offered(found, way) for way in found.ways] if found else (),
        menus={
            "models": known.models(),
            "phases": list(PHASES.items()),
            "formats": [("", "as usual"), *((each.word, each.title) for each in FORMATS)],
            "optimizers": [
                ("", "AdamW, as torch keeps its moments"),
                *((each.word, each.title) for each in OPTIMIZERS),
            ],
            "caches": [("", "as computed"), *((word, word) for word in CACHE_BITS)],
            "losses": list(LOSSES.items()),
            "shardings": list(SHARDINGS.items()),
            "devices": devices(machines),
            "loadings": [("", "as usual"), *LOADINGS.items()],
        },
        silent={each: sorted(foreign(each)) for each in PHASES},
        quiet_now=foreign(phase) if phase in PHASES else foreign("inference"),
        usual={name: field.default for name, field in Question.model_fields.items()},
        free_memory=FREE_MEMORY,
        most_of_header=HEADER_BYTES,
        gib=lambda size: digits(size / 2**30),
    )


def devices(own: Sequence[Machine] = ()) -> list[tuple[str, str]]:
    """What a select of devices shows: the team's own, then all others, the smallest first."""
    listed = dict.fromkeys(one.title for one in own)
    others = [(one.title, _spelled(one)) for one in known_machines() if one.title not in listed]
    return [("", "none in particular"), *((one.title, f"{_spelled(one)}, here") for one in own), *others]


def _with(given: Mapping[str, str], **values: str) -> str:
    return f"/plan?{urlencode({**given, **values}, quote_via=quote, safe=',:')}"


def _spelled(one: Machine) -> str:
    size = f"{one.memory / 2**30:.3g} GB"
    return one.title if size.replace(" ", "") in one.title.replace(" ", "") else f"{one.title}, {size}"


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
