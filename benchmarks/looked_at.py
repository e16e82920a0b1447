"""Any page in Chromium as a reader meets it: bytes, requests, first paint, blocking, shift, and which rules of accessibility it breaks."""

import json
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as NotThere

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
WIDE: Any = {"width": 1440, "height": 900}
THEMES: tuple[Any, ...] = ("light", "dark")
LOADS = 5
PATIENCE_S = 90.0
"""How long a page may take until it can be used."""
LATE_MS = 1_000
"""Requests and long tasks that come so long after the rest are part of the load; pages that listen never fall silent."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}

WATCH = """
(() => {
  const seen = (window.seen = { tasks: [], shift: 0, violations: [], usable: null });
  new PerformanceObserver((list) => list.getEntries().forEach((one) => seen.tasks.push([one.startTime, one.duration])))
    .observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => list.getEntries().forEach((one) => { if (!one.hadRecentInput) seen.shift += one.value; }))
    .observe({ type: "layout-shift", buffered: true });
  document.addEventListener("securitypolicyviolation", (event) => seen.violations.push(event.violatedDirective));
  const awaited = AWAITED;
  const look = () => {
    if (document.querySelector(awaited)) seen.usable = performance.now();
    else requestAnimationFrame(look);
  };
  if (awaited) look();
})();
"""
"""Runs before the page's own scripts: long tasks, layout shift, refusals by policy, and when what is awaited stood there."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, else the one that Playwright fetched."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


def cold(
    browser: Browser, url: str, path: str, *, awaited: str | None = None, state: Any = None, loads: int = LOADS
) -> dict[str, Any]:
    """Loads of a page with an empty cache; the median of each figure.

    Args:
        browser: a new window of it is opened for each load.
        url: of the server; requests to elsewhere are told.
        path: of the page.
        awaited: selector of what has to be there until a reader can use the page; none where its HTML is enough.
        state: cookies of the window.
        loads: how many.

    Returns:
        Medians; ``usable_s`` is there where something was awaited, and None where it did not come in time.
    """
    taken = [_load(browser, url, path, awaited, state) for _ in range(loads)]
    names = ("bytes", "requests", "first_paint_s", "blocking_s", "shift", "rows")
    found: dict[str, Any] = {name: statistics.median(each[name] for each in taken) for name in names}
    if awaited:
        usable = [each["usable_s"] for each in taken if each["usable_s"] is not None]
        found["usable_s"] = statistics.median(usable) if len(usable) == loads else None
    for name in ("external", "violations"):
        found[name] = sorted({one for each in taken for one in each[name]})
    return found | {"loads": loads}


def broken(page: Page) -> list[str]:
    """Accessibility rules that a page breaks, each with the first element that breaks it. Its policy must be bypassed."""
    answer = Axe().run(page, options=RULES).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in answer]


def _load(browser: Browser, url: str, path: str, awaited: str | None, state: Any) -> dict[str, Any]:
    context = browser.new_context(viewport=WIDE, storage_state=state)
    context.add_init_script(WATCH.replace("AWAITED", json.dumps(awaited)))
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    sizes: list[int] = []
    asked: list[str] = []
    network.on("Network.loadingFinished", lambda told: sizes.append(int(told["encodedDataLength"])))
    page.on("request", lambda request: asked.append(request.url))
    until = time.monotonic() + PATIENCE_S
    page.goto(url + path, wait_until="load", timeout=PATIENCE_S * 1e3)
    is_there = awaited is None or arrives(page, awaited, until - time.monotonic())
    page.wait_for_timeout(LATE_MS)
    seen: dict[str, Any] = page.evaluate("window.seen")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    rows = page.locator("tbody tr").count()
    context.close()
    own = [place for place in asked if not place.startswith(("data:", "blob:"))]
    usable = seen["usable"] if is_there else None
    if usable is not None:
        # What is there while its page does not answer cannot be used yet.
        usable = max([usable, *(start + length for start, length in seen["tasks"] if start <= usable + 300)])
    return {
        "bytes": sum(sizes),
        "requests": len(own),
        "first_paint_s": paint / 1e3,
        "blocking_s": sum(max(0.0, length - 50) for _, length in seen["tasks"]) / 1e3,
        "shift": seen["shift"],
        "rows": rows,
        "usable_s": None if usable is None else usable / 1e3,
        "external": [place for place in own if not place.startswith(url)],
        "violations": seen["violations"],
    }


def arrives(page: Page, awaited: str, patience_s: float = PATIENCE_S) -> bool:
    """Whether something comes to stand in a page."""
    try:
        page.locator(awaited).first.wait_for(state="attached", timeout=max(1.0, patience_s * 1e3))
    except NotThere:
        return False
    return True
