"""Our own pages in Chromium: which there are, the slider's front, the brush's table, links that are shared, accessibility."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, Page

from benchmarks.asking import summary
from benchmarks.looked_at import THEMES, WIDE, arrives, broken
from benchmarks.served import Served

CHART = "#plane .plot .point"
LINES = "[data-lines]:not(:empty)"
PLAIN_PAGES = ("home", "studies", "runs", "techniques", "models", "hardware", "coverage", "workers", "views")
"""Pages whose first load has no chart to fetch."""
FULL_VIEW = (
    "/explore?technique=precision&technique=attention&workload=prefill&effort=standard&memory_ratio__lte=0.9"
    "&latency_ratio__lte=1.2&agreement__gte=0.9&sort=latency_ratio&x=tokens&y=memory&show=latency,memory,perplexity,agreement"
)
AXES = ("latency", "host_memory", "memory", "first_call", "weights")
"""Of the parallel coordinates that are brushed, by the one in the middle; every run that ended well has them."""
MOVES = 40
WARM_UP = 3
SETTLED_MS = 600
"""After a move, for the address and everything else to follow."""
SLIDER = '[data-limit="memory_ratio__lte"] [type="range"]'

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

DROPS = """
() => {
  const drop = (window.drop = { began: null, took: null });
  addEventListener("pointerup", ({ timeStamp }) => Object.assign(drop, { began: timeStamp, took: null }), { capture: true });
  const changed = () => requestAnimationFrame(() => requestAnimationFrame(() => { drop.took ??= performance.now() - drop.began; }));
  const observer = new MutationObserver(changed);
  for (const part of ["found", "results"]) observer.observe(document.getElementById(part), { childList: true, subtree: true });
}
"""
"""Milliseconds from where a brush was let go until the table that it leaves, and how many it leaves, have been painted."""

FRONT = """
() => {
  const front = document.querySelector("#plane .plot").data.find(({ name }) => name === "front");
  return { x: [...front.x], y: [...front.y], words: document.querySelector("#plane-caption").textContent.trim() };
}
"""


def reader(browser: Browser, served: Served) -> Any:
    """Cookies of somebody who has signed in, for windows that begin with an empty cache."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(served.link())
    state = context.storage_state()
    context.close()
    return state


def paths(served: Served) -> dict[str, str]:
    """Every page, with a study, a run, a technique and a device that are there."""
    with served.client() as client:
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


def awaited(name: str) -> str | None:
    """What a page's reader waits for beyond its HTML."""
    return {"explore": CHART, "parallel": LINES}.get(name)


def slider(browser: Browser, served: Served, state: Any, moves: int = MOVES) -> dict[str, float]:
    """Seconds from a move of a limit's slider to the front that it leaves, painted."""
    context = browser.new_context(viewport=WIDE, storage_state=state)
    page = context.new_page()
    _open(page, f"{served.url}/explore", CHART)
    taken = []
    for move in range(moves + WARM_UP):
        taken.append(page.evaluate(DRAG, [SLIDER, 60 + (37 * move) % 130]) / 1e3)
        page.wait_for_timeout(SETTLED_MS)
    context.close()
    return summary(taken[WARM_UP:])


def brush(browser: Browser, served: Served, state: Any, moves: int = MOVES) -> dict[str, Any]:
    """Seconds from where a brush on an axis was let go to the table that it leaves, painted."""
    context = browser.new_context(viewport=WIDE, storage_state=state)
    page = context.new_page()
    _open(page, f"{served.url}/explore?tab=parallel&axes={','.join(AXES)}", LINES)
    lines = str(page.locator("[data-lines]").inner_text())
    page.evaluate(DROPS)
    page.locator(".parallel").scroll_into_view_if_needed()
    box = page.locator(".parallel").bounding_box()
    if box is None:
        raise SystemExit("the parallel coordinates cannot be seen, so nothing can be brushed")
    # The middle axis, from its foot; then its upper end is taken hold of and put elsewhere.
    x, held = box["x"] + box["width"] / 2, box["y"] + box["height"] - 31
    taken = []
    for move in range(moves + WARM_UP):
        to = box["y"] + box["height"] * (0.3 + 0.4 * ((37 * move) % 43) / 43)
        page.mouse.move(x, held)
        page.mouse.down()
        page.mouse.move(x, to, steps=5)
        page.mouse.up()
        page.wait_for_function("() => window.drop.took !== null")
        taken.append(page.evaluate("window.drop.took") / 1e3)
        held = to
        page.wait_for_timeout(SETTLED_MS)
    context.close()
    return summary(taken[WARM_UP:]) | {"lines": lines}


def shared(browser: Browser, served: Served, path: str = FULL_VIEW) -> dict[str, Any]:
    """Length of the address of a full view, and whether two readers who open it see the same."""
    seen = []
    for _ in range(2):
        context = browser.new_context(viewport=WIDE, storage_state=reader(browser, served))
        page = context.new_page()
        _open(page, served.url + path, CHART)
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


def violations(browser: Browser, served: Served, pages: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """Accessibility rules that pages break, by theme and page."""
    found: dict[str, dict[str, list[str]]] = {}
    for theme in THEMES:
        state = reader(browser, served)
        # axe runs as a script of its own, which the pages' policy forbids.
        context = browser.new_context(viewport=WIDE, color_scheme=theme, bypass_csp=True, storage_state=state)
        page = context.new_page()
        found[theme] = {}
        for name, path in pages.items():
            page.goto(served.url + path)
            if selector := awaited(name):
                arrives(page, selector)
            for fold in page.locator("details").all():
                fold.evaluate("node => { node.open = true; }")
            found[theme][name] = broken(page)
        context.close()
    return found


def _open(page: Page, place: str, selector: str) -> None:
    page.goto(place)
    if not arrives(page, selector):
        raise SystemExit(f"{place} did not show {selector}")
    page.wait_for_timeout(1_000)
