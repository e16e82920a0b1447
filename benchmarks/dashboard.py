"""How fast and how light the dashboard is with 1,000, 10,000 and 100,000 results, beside its goals and beside other dashboards.

``python -m benchmarks.dashboard [--sizes N …] [--only answers|pages|peers] [--no-peers] [--data FOLDER] [--json FILE]``. The
results are invented (``benchmarks/fill.py``); servers and browser run on this machine, one server at a time, and share its cores.
The exit code is 1 when a goal was missed. Times are of the whole way: on a busy machine they say little, so the load is printed
with them.
"""

import argparse
import json
import os
import platform
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from app.db.session import Database
from app.settings import Settings
from benchmarks import looked_at, postgresql
from benchmarks.beside import measured as beside
from benchmarks.beside import results
from benchmarks.beside.tools import PYTHON, TOOLS, Tool
from benchmarks.goals import EMPTY, LARGE, MIDDLE, ON_POSTGRESQL, SMALL, Figures, as_json, found, part, table
from benchmarks.parts import empty, filled, measured

SIZES = (SMALL, MIDDLE, LARGE)
PEER_SIZES = (SMALL, MIDDLE)
"""What other dashboards can be filled with in minutes."""


class Kept:
    """Everything that was measured, by part of the benchmark."""

    def __init__(self) -> None:
        self.raw: dict[str, dict[str, Any]] = {}
        self.figures: dict[str, Figures] = {}
        self.loads: dict[str, float] = {}

    def run(self, name: str, work: Callable[[], tuple[dict[str, Any], Figures]]) -> None:
        """Measure a part, and say so."""
        self.loads[name] = os.getloadavg()[0]
        began = time.monotonic()
        raw, self.figures[name] = work()
        took = time.monotonic() - began
        self.raw[name] = {"load_average_before": self.loads[name], "took_s": took} | raw
        print(f"{name}: {took:.0f} s", file=sys.stderr)


def main(words: Sequence[str] | None = None) -> None:
    """Measure what is asked for, print it beside the goals and keep the figures."""
    chosen = _read(words)
    # Whoever ends the benchmark ends its servers, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    kept = Kept()
    others: dict[str, dict[int, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.data or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if chosen.only != "peers":
            _ours(folder, chosen.sizes, chosen.only, chosen.loads, kept)
        if chosen.only == "peers" or (chosen.only is None and chosen.peers):
            sizes = [size for size in PEER_SIZES if size in chosen.sizes]
            for tool in TOOLS:
                others[tool.name] = {size: _other(tool, folder, size, rules=size == min(sizes)) for size in sizes}
    peers = {tool.name: beside.figures(tool, others[tool.name]) for tool in TOOLS if others.get(tool.name)}
    machine = _machine()
    print("\n".join(table(kept.figures, kept.loads, peers)))
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB")
    for tool in TOOLS:
        if tool.name in peers:
            print(_in_words(tool, others[tool.name]))
    rows = found(kept.figures)
    if chosen.json:
        held = {"machine": machine, "goals": as_json(rows), "raw": kept.raw, "peers": others}
        chosen.json.write_text(json.dumps(held, indent=1) + "\n")
    if missed := [one for one in rows if not one.met]:
        raise SystemExit(f"{len(missed)} of {len(rows)} figures missed their goal")


def _read(words: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of results")
    parser.add_argument(
        "--only", choices=("answers", "pages", "peers"), help="the API, the browser or the others alone"
    )
    parser.add_argument("--loads", type=int, default=looked_at.LOADS, help="of each page, with an empty cache")
    parser.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=PYTHON.exists(), help="other dashboards, too"
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="keep the filled databases there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    chosen = parser.parse_args(words)
    if (chosen.peers or chosen.only == "peers") and not PYTHON.exists():
        parser.error("the other dashboards are not installed; `make bench-beside` installs them and measures")
    return chosen


def _ours(folder: Path, sizes: Sequence[int], only: str | None, loads: int, kept: Kept) -> None:
    """All parts with our own server."""

    def with_results(settings: Settings, size: int) -> tuple[dict[str, Any], Figures]:
        fill_s = filled(settings, size)
        raw, figures = measured(settings, size, only, loads)
        return {"fill_s": fill_s} | raw, figures

    kept.run(EMPTY, lambda: empty(folder))
    for size in sizes:
        settings = Settings(data=folder / str(size))
        kept.run(part(size), partial(with_results, settings, size))
    if LARGE not in sizes:
        return
    try:
        with postgresql.database() as url:
            settings = Settings(data=folder / "postgresql", database_url=url)
            settings.data.mkdir(parents=True, exist_ok=True)
            kept.run(part(LARGE, ON_POSTGRESQL), partial(with_results, settings, LARGE))
    except postgresql.NoServer as error:
        print(f"PostgreSQL: not run, {error}")


def _other(tool: Tool, folder: Path, size: int, rules: bool) -> dict[str, Any]:
    """Another dashboard with the same results."""
    settings = Settings(data=folder / str(size))
    filled(settings, size)
    file = folder / f"{size}.jsonl"
    with closing(Database(settings.database)) as database:
        results.write(database, file)
    load, began = os.getloadavg()[0], time.monotonic()
    with looked_at.chromium() as browser:
        place = folder / f"{tool.name}-{size}"
        raw = beside.measured(tool, browser, place, file, size, rules)
    took = time.monotonic() - began
    print(f"{tool.name}, {size:,}: {took:.0f} s", file=sys.stderr)
    return {"load_average_before": load, "took_s": took} | raw


def _in_words(tool: Tool, sizes: Mapping[int, Mapping[str, Any]]) -> str:
    """What the figures of another dashboard are of."""
    ingests = {size: raw["ingest"] for size, raw in sizes.items()}
    put_in = ", ".join(
        f"{size:,} results in {one['seconds']:.0f} s"
        if one["results"] == size
        else f"{size:,} not measured, because {one['results']:,} took {one['seconds']:.0f} s"
        for size, one in ingests.items()
    )
    calls = " and ".join(f"{raw['list']['alone']['calls']:.0f}" for raw in sizes.values() if "list" in raw)
    loads = ", ".join(f"{raw['load_average_before']:.1f}" for raw in sizes.values())
    return (
        f"{tool.name} {next(iter(ingests.values()))['version']}: goal 9 is {tool.asked} ({calls} calls); goals 1 to 6, 18 and 20 "
        f"are of {tool.shows}; 15 and 18 with the fewest results. Put in by its own client: {put_in}. Load {loads}."
    )


def _machine() -> dict[str, Any]:
    """Where this was measured."""
    named = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": named[1] if named else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
