"""One other dashboard with the same results: putting them in, its server, its answer to our question, and its page."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from benchmarks import asking
from benchmarks.beside.tools import PYTHON, QUIET, Tool
from benchmarks.goals import EMPTY, MIDDLE, Figure, Figures, part
from benchmarks.looked_at import THEMES, WIDE, arrives, broken, cold
from benchmarks.processes import Running, running

INGEST_S = 360.0
QUESTIONS_S = 40.0
LOADS = 3
SLOW_S = 20.0
"""A page that takes longer is loaded once."""


def measured(tool: Tool, browser: Browser, folder: Path, results: Path, count: int, rules: bool) -> dict[str, Any]:
    """Everything about a tool with so many results.

    Args:
        tool: which.
        browser: where its page is loaded.
        folder: of its database; results that were put in earlier are not put in again.
        results: file with a result a line.
        count: how many there are.
        rules: whether the rules of accessibility are asked, too.

    Returns:
        What its client said of putting them in and, if they are all in, what was measured.
    """
    ingest = _put_in(tool, results, folder)
    found: dict[str, Any] = {"ingest": ingest}
    if ingest["results"] < count:
        return found
    name = str(ingest["id"])
    with running(lambda port: tool.command(_database(folder), port), _environment(), folder, tool.ready) as server:
        found |= {"start_s": server.start_s, "idle_memory_bytes": server.memory()}
        with asking.client(server.url) as client:
            found["list"] = asking.timed(client, lambda n: tool.question(name, n), most_s=QUESTIONS_S)
        found["memory_bytes"] = server.memory()
        found["page"] = _page(tool, browser, server, name)
        if rules:
            found["accessibility"] = _accessibility(tool, browser, server, name)
    return found


def figures(tool: Tool, sizes: Mapping[int, dict[str, Any]]) -> dict[str, Figures]:
    """What was found, by part of the benchmark and by the names that the goals have.

    Start, idle memory and accessibility do not hang on how many results there are: they are those of the smallest size.
    """
    ready = {size: raw for size, raw in sorted(sizes.items()) if "page" in raw}
    found = {part(size): _figures(tool, raw) for size, raw in ready.items()}
    for raw in list(ready.values())[:1]:
        found[EMPTY] = {"start": Figure(raw["start_s"]), "idle_memory": Figure(raw["idle_memory_bytes"])}
        broken_rules = sum(len(rules) for rules in raw["accessibility"].values())
        found.setdefault(part(MIDDLE), {})["rules"] = Figure(broken_rules)
    return found


def _figures(tool: Tool, raw: Mapping[str, Any]) -> Figures:
    page = raw["page"]
    found = {
        "usable": Figure(page["usable_s"]),
        "list": Figure(raw["list"]["alone"]["p95"]),
        "memory": Figure(raw["memory_bytes"]),
        "first_paint": Figure(page["first_paint_s"]),
        "shift": Figure(page["shift"]),
        "elsewhere": Figure(len(page["external"])),
    }
    bytes_, blocking = Figure(page["bytes"]), Figure(page["blocking_s"])
    if tool.has_chart:
        return found | {"chart_bytes": bytes_, "chart_blocking": blocking}
    return found | {"plain_bytes": bytes_, "plain_requests": Figure(page["requests"]), "table_blocking": blocking}


def _put_in(tool: Tool, results: Path, folder: Path) -> dict[str, Any]:
    """Put results into an empty database by the tool's own client; what it says of that is kept beside the database."""
    kept = folder / "ingest.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.sqlite").unlink(missing_ok=True)
        done = subprocess.run(
            [str(PYTHON), "-P", str(tool.into), str(results.resolve()), _database(folder), str(INGEST_S)],
            env=_environment(),
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{tool.name} did not take the results in:\n{done.stderr[-3_000:]}")
        kept.write_text(done.stdout.splitlines()[-1])
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def _page(tool: Tool, browser: Browser, server: Running, name: str) -> dict[str, Any]:
    path = tool.page(name)
    once = cold(browser, server.url, path, awaited=tool.awaited, loads=1)
    if once["usable_s"] is None or once["usable_s"] > SLOW_S:
        return once
    return cold(browser, server.url, path, awaited=tool.awaited, loads=LOADS)


def _accessibility(tool: Tool, browser: Browser, server: Running, name: str) -> dict[str, list[str]]:
    """Rules that its page breaks, by the theme that the browser asks for."""
    found = {}
    for theme in THEMES:
        context = browser.new_context(viewport=WIDE, color_scheme=theme, bypass_csp=True)
        page = context.new_page()
        page.goto(server.url + tool.page(name))
        arrives(page, tool.awaited)
        found[theme] = broken(page)
        context.close()
    return found


def _environment() -> dict[str, str]:
    """Variables that it gets: ours without our own, and what keeps it from telling anybody what it does."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")} | QUIET


def _database(folder: Path) -> str:
    return f"sqlite:///{folder.resolve() / 'results.sqlite'}"
