"""Our own server with so many results, or none: everything that is measured of it, and the figures that goals are about."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from app.db.migrate import migrate
from app.db.session import Database
from app.db.tables import Result
from app.settings import Settings
from benchmarks import explored, looked_at, served
from benchmarks.fill import fill
from benchmarks.goals import EMPTY, MIDDLE, Figure, Figures
from benchmarks.served import Served

MOVED_FROM = MIDDLE
"""The slider is moved with so many results or more."""
STARTS = 3


def from_answers(answers: Mapping[str, Any]) -> Figures:
    """Figures of the API."""
    p95 = {name: one["alone"]["p95"] for name, one in answers.items() if "alone" in one}
    slowest = max(("list", "list of a technique"), key=lambda name: float(p95[name]))
    return {
        "list": Figure(p95[slowest], slowest),
        "facets": Figure(p95["facets"]),
        "points": Figure(p95["points of three"]),
    }


def from_pages(loads: Mapping[str, Any]) -> Figures:
    """Figures of first loads, from an empty cache: of Explore and, where they were loaded, of all pages."""
    explore = loads["explore"]
    shown = {
        "usable": Figure(explore["usable_s"]),
        "chart_bytes": Figure(explore["bytes"]),
        "first_paint": Figure(explore["first_paint_s"]),
        "chart_blocking": Figure(explore["blocking_s"]),
    }
    if "runs" not in loads:
        return shown

    def worst(figure: str, names: Sequence[str]) -> Figure:
        name = max(names, key=lambda name: float(loads[name][figure]))
        return Figure(loads[name][figure], name)

    return shown | {
        "plain_bytes": worst("bytes", explored.PLAIN_PAGES),
        "plain_requests": worst("requests", explored.PLAIN_PAGES),
        "slowest_paint": worst("first_paint_s", list(loads)),
        "table_blocking": Figure(loads["runs"]["blocking_s"], "runs"),
        "shift": worst("shift", list(loads)),
        "elsewhere": Figure(len({place for each in loads.values() for place in each["external"]})),
        "refusals": Figure(len({(name, one) for name, each in loads.items() for one in each["violations"]})),
    }


def measured(settings: Settings, size: int, only: str | None, loads: int) -> tuple[dict[str, Any], Figures]:
    """Everything about so many results in a database: the raw figures, and those that goals are about."""
    raw: dict[str, Any] = {}
    figures: Figures = {}
    with served.serving(settings) as here:
        raw["start_s"] = here.process.start_s
        if only != "pages":
            raw["answers"] = served.answers(here)
            raw["memory_bytes"] = here.process.memory()
            figures |= from_answers(raw["answers"]) | {"memory": Figure(raw["memory_bytes"])}
        if only != "answers":
            more, shown = _looked_at(here, size, loads, every=size == MIDDLE)
            raw |= more
            figures |= shown
    return raw, figures


def _looked_at(here: Served, size: int, loads: int, every: bool) -> tuple[dict[str, Any], Figures]:
    """The same in the browser; ``every`` page or Explore alone."""
    with looked_at.chromium() as browser:
        state = explored.reader(browser, here)
        pages = explored.paths(here)
        raw: dict[str, Any] = {"browser": browser.version}
        raw["pages"] = {
            name: looked_at.cold(
                browser,
                here.url,
                path,
                awaited=explored.awaited(name),
                state=state,
                loads=loads if name == "explore" else 1 + loads // 2,
            )
            for name, path in pages.items()
            if every or name == "explore"
        }
        figures = from_pages(raw["pages"])
        if size >= MOVED_FROM:
            raw["slider"] = explored.slider(browser, here, state)
            figures["slider"] = Figure(raw["slider"]["p95"])
        if every:
            raw["brush"] = explored.brush(browser, here, state)
            figures["brush"] = Figure(raw["brush"]["p95"])
            raw["accessibility"] = explored.violations(browser, here, pages)
            broken = sum(len(rules) for theme in raw["accessibility"].values() for rules in theme.values())
            figures["rules"] = Figure(broken)
            raw["shared"] = link = explored.shared(browser, here)
            figures["address"] = Figure(link["characters"])
            figures["differences"] = Figure(int(not link["same_front"]) + int(not link["same_pixels"]))
    return raw, figures


def empty(folder: Path) -> tuple[dict[str, Any], Figures]:
    """Start and memory of a server with nothing in it; the medians of several starts."""
    settings = Settings(data=folder / EMPTY)
    migrate(settings)
    starts, memory = [], []
    for _ in range(STARTS):
        with served.serving(settings) as here:
            starts.append(here.process.start_s)
            memory.append(here.process.memory())
    raw = {"starts_s": starts, "memory_bytes": memory}
    return raw, {name: Figure(sorted(each)[STARTS // 2]) for name, each in (("start", starts), ("idle_memory", memory))}


def filled(settings: Settings, size: int) -> float | None:
    """See to it that a database has so many results; seconds that filling took, None where they were there."""
    migrate(settings)
    with closing(Database(settings.database)) as database:
        with database.reading() as session:
            held = session.execute(select(func.count(col(Result.number)))).scalar_one()
        if held == size:
            return None
        if held:
            raise SystemExit(
                f"{settings.data} holds {held:,} results instead of {size:,}; remove it, and it is filled anew"
            )
        began = time.monotonic()
        fill(database, size)
        return time.monotonic() - began
