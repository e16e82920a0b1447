"""How fast and how light the dashboard is with 1,000, 10,000 and 100,000 results, beside its goals.

``python -m benchmarks.dashboard [--sizes N …] [--only answers|pages] [--data FOLDER] [--json FILE]``. The results are invented
(``benchmarks/fill.py``); server and browser run on this machine, one after the other, and share its cores. The exit code is 1
when a goal was missed. Times are of the whole way: on a busy machine they say little, so the load is printed with them.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import func, select
from sqlmodel import col

from app.db.migrate import migrate
from app.db.session import Database
from app.db.tables import Result
from app.settings import Settings
from benchmarks import looked_at, served
from benchmarks.fill import fill
from benchmarks.served import Served

SIZES = (1_000, 10_000, 100_000)
MIDDLE, LARGE = 10_000, 100_000
PLAIN_PAGES = ("home", "studies", "runs", "techniques", "models", "hardware", "coverage", "workers", "views")
"""Pages whose first load has no chart to fetch."""
FULL_VIEW = (
    "/explore?technique=precision&technique=attention&workload=prefill&effort=standard&memory_ratio__lte=0.9"
    "&latency_ratio__lte=1.2&agreement__gte=0.9&sort=latency_ratio&x=tokens&y=memory&show=latency,memory,perplexity,agreement"
)


class Goal(NamedTuple):
    """One figure and what it should be at most."""

    row: str
    """Number of the goal, the same for all of one kind."""
    what: str
    most: float
    unit: str
    """``s``, ``kB``, ``MB``, or what is counted."""


class Found(NamedTuple):
    """One figure beside its goal."""

    goal: Goal
    value: float

    @property
    def met(self) -> bool:
        """Whether the goal was reached."""
        return self.value <= self.goal.most


USABLE_S = {1_000: 0.9, 10_000: 1.2, 100_000: 2.0}
SLIDER_S = {10_000: 0.1, 100_000: 0.3}
LIST_S = {10_000: 0.025, 100_000: 0.04}
FACETS_S = {100_000: 0.08}
FRONT_S = {100_000: 0.15}


def from_answers(size: int, answers: Mapping[str, Any]) -> Iterator[Found]:
    """Goals of the API."""
    p95 = {name: found["alone"]["p95"] for name, found in answers.items() if "alone" in found}
    if size in LIST_S:
        slowest = max(p95["list"], p95["list of a technique"])
        yield Found(Goal("9", f"list, filter and sort, 50 rows, p95, {size:,}", LIST_S[size], "s"), slowest)
    if size in FACETS_S:
        yield Found(Goal("10", f"counts of all filters, p95, {size:,}", FACETS_S[size], "s"), p95["facets"])
    if size in FRONT_S:
        yield Found(Goal("11", f"points with front of two figures, p95, {size:,}", FRONT_S[size], "s"), p95["points"])


def from_server(size: int, start_s: float, memory: int) -> Iterator[Found]:
    """Goals of the process; ``size`` 0 is a server that has just started on an empty folder."""
    if size == 0:
        yield Found(Goal("15", "server start", 1.5, "s"), start_s)
        yield Found(Goal("15", "memory, idle", 150, "MB"), memory / 1e6)
    elif size == LARGE:
        yield Found(Goal("15", f"memory, {size:,}, after all questions", 250, "MB"), memory / 1e6)


def from_pages(size: int, loads: Mapping[str, Any]) -> Iterator[Found]:
    """Goals of first loads, from an empty cache."""
    explore = loads["explore"]
    if size in USABLE_S:
        yield Found(Goal("4", f"Explore, chart usable, {size:,}", USABLE_S[size], "s"), explore["usable_s"])
    if size != MIDDLE:
        return
    plain = {name: loads[name] for name in PLAIN_PAGES}
    largest = max(plain, key=lambda name: float(plain[name]["bytes"]))
    most = max(plain, key=lambda name: float(plain[name]["requests"]))
    slowest = max(loads, key=lambda name: float(loads[name]["first_paint_s"]))
    yield Found(Goal("1", f"page without charts, largest ({largest})", 80, "kB"), plain[largest]["bytes"] / 1e3)
    yield Found(Goal("1", f"page without charts, requests ({most})", 8, "requests"), plain[most]["requests"])
    yield Found(Goal("2", f"Explore, {size:,}", 600, "kB"), explore["bytes"] / 1e3)
    yield Found(Goal("3", "first paint of Explore, rows in it", 0.4, "s"), explore["first_paint_s"])
    yield Found(Goal("3", f"first paint of any page ({slowest})", 0.4, "s"), loads[slowest]["first_paint_s"])
    yield Found(Goal("5", "blocking, page with a table (runs)", 0.06, "s"), loads["runs"]["blocking_s"])
    yield Found(Goal("5", "blocking, Explore", 0.45, "s"), explore["blocking_s"])
    shift = max(float(each["shift"]) for each in loads.values())
    yield Found(Goal("6", "layout shift, most of any page", 0.05, "shift"), shift)
    external = {place for each in loads.values() for place in each["external"]}
    yield Found(Goal("20", "requests to elsewhere, all pages", 0, "requests"), len(external))
    refused = {f"{name} {one}" for name, each in loads.items() for one in each["violations"]}
    yield Found(Goal("20", "refusals by the security policy, all pages", 0, "refusals"), len(refused))


def paths(here: Served) -> dict[str, str]:
    """Every page, with a study, a run, a technique and a device that are there."""
    with here.client() as client:
        first = client.get("/api/v1/explore?limit=3&outcome=ok").raise_for_status().json()["items"]
        devices = client.get("/api/v1/hardware").raise_for_status().json()["items"]
    runs = [one["run"] for one in first]
    return {
        "home": "/",
        "studies": "/studies",
        "new study": "/studies/new",
        "study": first[0]["study_url"],
        "run": first[0]["url"],
        "runs": "/runs",
        "explore": "/explore",
        "parallel": "/explore?tab=parallel",
        "compare": f"/compare?runs={','.join(runs)}",
        "coverage": "/coverage",
        "techniques": "/techniques",
        "technique": "/techniques/precision",
        "models": "/models",
        "model": f"/models/{quote(first[0]['model'], safe='')}/on/{quote(first[0]['hardware'], safe='')}",
        "hardware": "/hardware",
        "device": f"/hardware/{quote(devices[0]['id'])}",
        "views": "/views",
        "workers": "/workers",
        "docs": "/docs",
        "sign in": "/sign-in",
    }


def measured(folder: Path, size: int, only: str | None, loads: int) -> tuple[dict[str, Any], list[Found]]:
    """Everything about one size: the raw figures, and those that have a goal."""
    raw: dict[str, Any] = {}
    found: list[Found] = []
    with served.serving(_filled(folder, size)) as here:
        raw["start_s"] = here.start_s
        if only != "pages":
            raw["answers"] = served.answers(here)
            raw["memory_bytes"] = here.memory()
            found += [*from_answers(size, raw["answers"]), *from_server(size, here.start_s, raw["memory_bytes"])]
        if only != "answers":
            with looked_at.chromium() as browser:
                state = looked_at.reader(browser, here)
                every = paths(here)
                wanted = every if size == MIDDLE else {"explore": every["explore"]}
                raw["pages"] = {
                    name: looked_at.cold(browser, here, state, path, loads if name == "explore" else 1 + loads // 2)
                    for name, path in wanted.items()
                }
                found += from_pages(size, raw["pages"])
                if size in SLIDER_S:
                    raw["slider"] = looked_at.slider(browser, here, state)
                    goal = Goal("7", f"slider to redrawn front, p95, {size:,}", SLIDER_S[size], "s")
                    found.append(Found(goal, raw["slider"]["p95"]))
                if size == MIDDLE:
                    raw["accessibility"] = looked_at.violations(browser, here, every)
                    broken = sum(len(rules) for pages in raw["accessibility"].values() for rules in pages.values())
                    what = f"accessibility rules broken, {len(every)} pages, both themes"
                    found.append(Found(Goal("18", what, 0, "rules"), broken))
                    raw["shared"] = link = looked_at.shared(browser, here, FULL_VIEW)
                    found.append(Found(Goal("19", "address of a full view", 300, "characters"), link["characters"]))
                    differ = int(not link["same_front"]) + int(not link["same_pixels"])
                    goal = Goal("19", "front or pixels that differ for its reader", 0, "differences")
                    found.append(Found(goal, differ))
    return raw, found


def empty(folder: Path, starts: int = 3) -> tuple[dict[str, Any], list[Found]]:
    """Start and memory of a server with nothing in it; the median of several starts."""
    data = folder / "empty"
    migrate(Settings(data=data))
    taken = []
    for _ in range(starts):
        with served.serving(data) as here:
            taken.append((here.start_s, here.memory()))
    start_s, memory = sorted(taken)[len(taken) // 2]
    return {"starts_s": [each for each, _ in taken]}, list(from_server(0, start_s, memory))


def _filled(folder: Path, size: int) -> Path:
    """A data folder with so many results; one that has them from an earlier time is used again."""
    data = folder / str(size)
    migrate(Settings(data=data))
    database = Database(Settings(data=data).database)
    with database.reading() as session:
        held = session.execute(select(func.count(col(Result.number)))).scalar_one()
    if held == 0:
        fill(database, size)
    elif held != size:
        raise SystemExit(f"{data} holds {held:,} results instead of {size:,}; remove it, and it is filled anew")
    database.close()
    return data


def told(value: float, unit: str) -> str:
    """A figure or a goal in words."""
    if unit == "s":
        return f"{value * 1e3:,.0f} ms"
    return f"{value:,.3f}" if unit == "shift" else f"{value:,.0f} {unit}"


def main(words: Sequence[str] | None = None) -> None:
    """Measure what is asked for, print it beside the goals and keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of results")
    parser.add_argument("--only", choices=("answers", "pages"), help="the API alone, or the browser alone")
    parser.add_argument("--loads", type=int, default=looked_at.LOADS, help="of each page, with an empty cache")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="keep the filled databases there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.data or Path(temporary)
        raw: dict[str, Any] = {}
        found: list[Found] = []
        for size in (0, *chosen.sizes):
            loaded = os.getloadavg()[0]
            own, more = empty(folder) if size == 0 else measured(folder, size, chosen.only, chosen.loads)
            raw[str(size)] = {"load_average_before": loaded} | own
            found += more
    machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
    print(f"{'goal':5}{'figure':64}{'found':>14}{'at most':>16}")
    for one in sorted(found, key=lambda one: int(one.goal.row)):
        figures = f"{told(one.value, one.goal.unit):>14}{told(one.goal.most, one.goal.unit):>16}"
        print(f"{one.goal.row:5}{one.goal.what:64}{figures}{'' if one.met else '   missed'}")
    loads = ", ".join(f"{each['load_average_before']:.1f}" for each in raw.values())
    print(f"{machine['cores']} cores; load average before each part: {loads}")
    if chosen.json:
        goals = [one.goal._asdict() | {"value": one.value, "met": one.met} for one in found]
        chosen.json.write_text(json.dumps({"machine": machine, "goals": goals, "raw": raw}, indent=1) + "\n")
    if missed := [one for one in found if not one.met]:
        raise SystemExit(f"{len(missed)} of {len(found)} goals were missed")


if __name__ == "__main__":
    main()
