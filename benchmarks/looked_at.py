"""The pages in Chromium as a reader meets them: bytes, paint, blocking, the slider's front, links, accessibility."""

import shutil
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.served import Served

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
WIDE: Any = {"width": 1440, "height": 900}
LOADS = 5
MOVES = 40
SETTLED_S = 0.6
"""After a slider's move, for the address and the table to follow."""
PATIENCE_MS = 30_000
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}
SLIDER = '[data-limit="memory_ratio__lte"] [type="range"]'

WATCH = """
(() => {
  const seen = (window.seen = { tasks: [], shift: 0, violations: [], usable: null });
  new PerformanceObserver((list) => list.getEntries().forEach((one) => seen.tasks.push([one.startTime, one.duration])))
    .observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => list.getEntries().forEach((one) => { if (!one.hadRecentInput) seen.shift += one.value; }))
    .observe({ type: "layout-shift", buffered: true });
  document.addEventListener("securitypolicyviolation", (event) => seen.violations.push(event.violatedDirective));
  const look = () => {
    if (document.querySelector("#plane .plot .point")) seen.usable = performance.now();
    else if (performance.now() < 60000) requestAnimationFrame(look);
  };
  look();
})();
"""
"""Runs before the page's own scripts: long tasks, layout shift, refusals by policy, and when the chart's first point stood."""

DRAG = """
([selector, step]) => new Promise((done) => {
  const [slider, plot] = [document.querySelector(selector), document.querySelector("#plane .plot")];
  const began = performance.now();
  plot.once("plotly_afterplot", () => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began))));
  slider.value = step;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
})
"""
"""Milliseconds from a slider's move until the front that it leaves has been painted."""

FRONT = """
() => {
  const front = document.querySelector("#plane .plot").data.find(({ name }) => name === "front");
  return { x: [...front.x], y: [...front.y], words: document.querySelector("#plane-caption").textContent.trim() };
}
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, else the one that Playwright fetched."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


def reader(browser: Browser, served: Served) -> Any:
    """Cookies of somebody who has signed in, for windows that begin with an empty cache."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(served.link())
    state = context.storage_state()
    context.close()
    return state


def cold(browser: Browser, served: Served, state: Any, path: str, loads: int = LOADS) -> dict[str, Any]:
    """Loads of a page with an empty cache; the median of each figure."""
    taken = [_load(browser, served, state, path) for _ in range(loads)]
    found: dict[str, Any] = {
        name: statistics.median(each[name] for each in taken)
        for name in ("bytes", "requests", "first_paint_s", "blocking_s", "shift", "rows")
    }
    if all(each["usable_s"] is not None for each in taken):
        found["usable_s"] = statistics.median(each["usable_s"] for each in taken)
    found["external"] = sorted({place for each in taken for place in each["external"]})
    found["violations"] = sorted({name for each in taken for name in each["violations"]})
    return found


def _load(browser: Browser, served: Served, state: Any, path: str) -> dict[str, Any]:
    context = browser.new_context(viewport=WIDE, storage_state=state)
    context.add_init_script(WATCH)
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    sizes: list[int] = []
    asked: list[str] = []
    network.on("Network.loadingFinished", lambda told: sizes.append(int(told["encodedDataLength"])))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(served.url + path, wait_until="load")
    if page.locator("#plane .plot").count():
        page.locator("#plane .plot .point").first.wait_for(timeout=PATIENCE_MS)
    # Late requests and long tasks are part of the load; pages that listen for events never fall silent.
    page.wait_for_timeout(1_000)
    seen: dict[str, Any] = page.evaluate("window.seen")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    rows = page.locator("tbody tr").count()
    context.close()
    own = [place for place in asked if not place.startswith(("data:", "blob:"))]
    usable = seen["usable"]
    if usable is not None:
        # A chart that is there while its page does not answer is not usable yet.
        usable = max([usable, *(start + length for start, length in seen["tasks"] if start <= usable + 300)])
    return {
        "bytes": sum(sizes),
        "requests": len(own),
        "first_paint_s": paint / 1e3,
        "blocking_s": sum(max(0.0, length - 50) for _, length in seen["tasks"]) / 1e3,
        "shift": seen["shift"],
        "rows": rows,
        "usable_s": None if usable is None else usable / 1e3,
        "external": [place for place in own if not place.startswith(served.url)],
        "violations": seen["violations"],
    }


def slider(browser: Browser, served: Served, state: Any, moves: int = MOVES) -> dict[str, float]:
    """Seconds from a move of a limit's slider to the front that it leaves, painted."""
    context = browser.new_context(viewport=WIDE, storage_state=state)
    page = context.new_page()
    _explore(page, f"{served.url}/explore")
    taken = []
    for move in range(moves + 3):
        step = 60 + (37 * move) % 130
        taken.append(page.evaluate(DRAG, [SLIDER, step]) / 1e3)
        time.sleep(SETTLED_S)
    context.close()
    ordered = sorted(taken[3:])
    return {"p50": statistics.median(ordered), "p95": ordered[int(0.95 * len(ordered))], "max": ordered[-1]}


def shared(browser: Browser, served: Served, path: str) -> dict[str, Any]:
    """Length of the address of a full view, and whether two readers who open it see the same."""
    seen = []
    for _ in range(2):
        context = browser.new_context(viewport=WIDE, storage_state=reader(browser, served))
        page = context.new_page()
        _explore(page, served.url + path)
        page.mouse.move(0, 0)
        parts = urlsplit(page.url)
        picture = page.locator("#plane").screenshot(animations="disabled")
        seen.append((f"{parts.path}?{parts.query}", page.evaluate(FRONT), picture))
        context.close()
    (address, front, picture), (_, other, again) = seen
    return {
        "characters": len(address),
        "points_on_front": len(front["x"]),
        "same_front": front == other,
        "same_pixels": picture == again,
    }


def violations(browser: Browser, served: Served, paths: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """Accessibility rules that pages break, by theme and page; each with the first element that breaks it."""
    found: dict[str, dict[str, list[str]]] = {}
    for theme in ("light", "dark"):
        # axe runs as a script of its own, which the pages' policy forbids.
        context = _themed(browser, served, theme)
        page = context.new_page()
        found[theme] = {}
        for name, path in paths.items():
            page.goto(served.url + path)
            if page.locator("#plane .plot").count():
                page.locator("#plane .plot .point").first.wait_for(timeout=PATIENCE_MS)
            for fold in page.locator("details").all():
                fold.evaluate("node => { node.open = true; }")
            answer = Axe().run(page, options=RULES).response["violations"]
            found[theme][name] = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in answer]
        context.close()
    return found


def _themed(browser: Browser, served: Served, theme: Any) -> BrowserContext:
    state = reader(browser, served)
    return browser.new_context(viewport=WIDE, color_scheme=theme, bypass_csp=True, storage_state=state)


def _explore(page: Page, place: str) -> None:
    page.goto(place)
    page.locator("#plane .plot .point").first.wait_for(timeout=PATIENCE_MS)
    page.wait_for_timeout(1_000)
