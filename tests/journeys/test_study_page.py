"""The study page in Chromium: budgets that move the front, a link that shows the same elsewhere, keys, files to take along."""

import csv
import io
import itertools
import json
import random
import re
from collections.abc import Sequence
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.study.budgets import Limit, Option, broken, weigh
from app.study.pareto import Candidate, Reading, pareto
from tests.journeys.test_browser import NARROW, WIDE, Site, Watched, measured, open_page, site, watched
from workers.catalog.metrics import Better

__all__ = ["measured", "site", "watched"]

pytestmark = [pytest.mark.browser, pytest.mark.long]

PEAK = "memory.peak_allocated@prefill"
SLIDER = f'[data-budget="{PEAK}"] input[type="range"]'
FRONT_JS = """async ({clouds, limits}) => {
  const front = await import("/static/js/front.js");
  return clouds.map(({places, options, x, y}) => {
    const found = front.pareto(places, x, y);
    return {line: found.line, knee: found.knee, standings: Object.fromEntries(found.standings),
            corners: front.corners(found, places, x), broken: options.map((option) => front.broken(option, limits)),
            weighed: front.weigh(options, limits).map(({limit, ...rest}) => rest)};
  });
}"""


def strengths(page: Page) -> dict[str, float]:
    """Variants on the chart, with how strongly each point is drawn."""
    found: dict[str, float] = page.evaluate(
        """() => Object.fromEntries(document.querySelector('[data-chart="trade_off"] .plot').data
          .filter((trace) => Array.isArray(trace.marker?.opacity))
          .flatMap((trace) => trace.text.map((name, i) => [name || trace.customdata[i].run, trace.marker.opacity[i]])))"""
    )
    return found


def front_of(page: Page) -> list[list[float]]:
    """Corners of the staircase, as drawn."""
    corners: list[list[float]] = page.evaluate(
        """() => { const line = document.querySelector('[data-chart="trade_off"] .plot').data.find(({name}) => name === "front");
          return [line.x, line.y]; }"""
    )
    return corners


def drawn(page: Page) -> None:
    expect(page.locator('[data-chart="trade_off"] .plot .point:visible').first).to_be_visible()


def cloud(dice: random.Random, size: int) -> dict[str, Any]:
    """Places with intervals and options with values, on a coarse grid so that ties are frequent."""

    def reading() -> list[float]:
        value = dice.choice((float(dice.randint(1, 6)), dice.uniform(0.1, 6)))
        return [value, value - dice.choice((0, 0.5)), value + dice.choice((0, 0.5))]

    keys = [f"{number:02d}" for number in range(size)]
    return {
        "places": [{"key": key, "x": reading(), "y": reading()} for key in keys],
        "options": [
            {"key": key, "values": {name: dice.uniform(0.1, 9) for name in ("a", "b") if dice.random() < 0.9}}
            for key in keys
        ],
        "x": dice.choice(("lower", "higher")),
        "y": dice.choice(("lower", "higher")),
    }


def in_python(one: dict[str, Any], limits: Sequence[Limit]) -> dict[str, Any]:
    """What app/pareto.py and app/study/budgets.py say of a cloud, in the browser's words."""

    def place(found: dict[str, Any]) -> Candidate:
        x, y = (Reading(value=v, low=low, high=high, n=3) for v, low, high in (found["x"], found["y"]))
        return Candidate(found["key"], x, y)

    x: Better = one["x"]
    front = pareto([place(found) for found in one["places"]], x, one["y"])
    assert front is not None
    at = {found["key"]: (found["x"][0], found["y"][0]) for found in one["places"]}
    line = [at[key] for key in front.line]
    corners: list[list[float]] = []
    for left, right in itertools.pairwise(line):
        corners += [[*left], [right[0], left[1]] if x == "lower" else [left[0], right[1]], [*right]]
    options = [Option(option["key"], option["values"]) for option in one["options"]]
    return {
        "line": list(front.line),
        "knee": front.knee,
        "standings": dict(front.standings),
        "corners": corners,
        "broken": [list(broken(option, limits)) for option in options],
        "weighed": [
            {
                "removes": found.removes,
                "unmeasured": found.unmeasured,
                "alone": found.alone,
                "next": found.next_value,
                "gains": found.gains,
            }
            for found in weigh(options, limits)
        ],
    }


def test_the_browser_finds_the_same_fronts(site: Site, watched: Watched) -> None:
    dice = random.Random(20)
    clouds = [cloud(dice, dice.randint(0, 40)) for _ in range(300)]
    limits = [Limit(quantity="a", better="lower", value=4.0), Limit(quantity="b", better="higher", value=3.0)]
    told = watched.page.evaluate(FRONT_JS, {"clouds": clouds, "limits": [limit.model_dump() for limit in limits]})
    for one, found in zip(clouds, told, strict=True):
        assert found == in_python(one, limits)


def test_a_budget_moves_the_front_at_once_and_the_server_agrees(
    measured: dict[str, str], site: Site, watched: Watched
) -> None:
    page = watched.page
    page.goto(site.url + measured["study"])
    drawn(page)
    before = front_of(page)
    assert before != [[], []]
    slider = page.locator(SLIDER)
    slider.focus()
    for key in ["PageDown"] * 9 + ["ArrowLeft"] * 10:
        page.keyboard.press(key)
    expect(page.locator("[data-fitting]")).to_have_text("1 of 6 options")
    says = page.locator(f'[data-budget="{PEAK}"] [data-says]')
    expect(says).to_contain_text(re.compile(r"Removes 5 of 6\. Relax by [\d.]+ MiB and 1 more option fits\."))
    assert {name for name, strength in strengths(page).items() if strength > 0.3} == {"int8 weights"}
    assert front_of(page) == [[], []]
    expect(page.locator("#caption-trade_off")).to_contain_text("1 of 6 options keep the budget.")
    expect(page.locator('[data-table="trade_off"] .standing-over')).to_have_count(5)
    page.wait_for_url(re.compile(re.escape(f"max.{PEAK}=")))
    says.get_by_role("link").click()
    expect(page.locator("[data-fitting]")).to_have_text("2 of 6 options")
    expect(slider).to_be_focused()
    assert front_of(page) == before
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator("[data-fitting]")).to_have_text("6 of 6 options")
    page.wait_for_url(lambda url: "max." not in url)
    assert front_of(page) == before


def test_a_budget_that_nobody_can_read_stays_in_its_field_until_it_is_changed(
    measured: dict[str, str], site: Site, watched: Watched
) -> None:
    page = watched.page
    page.goto(f"{site.url}{measured['study']}?max.{PEAK}=8 apples&max.latency=1 min")
    drawn(page)
    field = page.locator(f'[data-budget="{PEAK}"] .amount input')
    expect(field).to_have_value("8 apples")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[data-fitting]")).to_have_text("6 of 6 options")
    field.fill("40")
    expect(page.locator("[data-fitting]")).to_have_text("4 of 6 options")
    page.wait_for_url(lambda url: "max.latency@prefill=60&" in url and f"max.{PEAK}=41943040" in url)
    expect(page.locator(f'[data-budget="{PEAK}"] [aria-invalid]')).to_have_count(0)


def test_a_link_shows_the_same_in_another_browser(
    measured: dict[str, str], site: Site, watched: Watched, browser: Browser
) -> None:
    page = watched.page
    page.goto(site.url + measured["study"])
    drawn(page)
    page.get_by_label("Vertical axis").select_option(label="Weights")
    page.get_by_label("Colour of the points").select_option(label="KL divergence")
    expect(page.locator('[data-chart="trade_off"] .ytitle')).to_contain_text("Weights")
    page.locator(f'[data-budget="{PEAK}"] input[type="number"]').fill("40")
    expect(page.locator("[data-fitting]")).to_have_text("4 of 6 options")
    box = page.locator('[data-chart="trade_off"] .nsewdrag').first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.9, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"xr=[\d.,e+-]+&yr="))
    page.wait_for_load_state("networkidle")
    ranges = "() => ['xaxis', 'yaxis'].map((axis) => document.querySelector('[data-chart=\"trade_off\"] .plot')._fullLayout[axis].range)"
    zoomed, front, shown = page.evaluate(ranges), front_of(page), strengths(page)
    assert len(page.url) <= 300, page.url
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    other = open_page(site, context)
    other.page.goto(site.link())
    other.page.goto(page.url)
    drawn(other.page)
    assert front_of(other.page) == front
    assert strengths(other.page) == shown
    for here, there in zip(zoomed, other.page.evaluate(ranges), strict=True):
        assert there == pytest.approx(here, rel=2e-3)
    other.page.get_by_role("button", name="Show all of it").click()
    other.page.wait_for_url(lambda url: "xr=" not in url)
    assert other.page.evaluate(ranges)[0][1] > zoomed[0][1]
    context.close()
    assert other.faults == []


def test_arrow_keys_walk_the_front_and_enter_opens_the_run(
    measured: dict[str, str], site: Site, watched: Watched
) -> None:
    page = watched.page
    page.goto(site.url + measured["study"])
    drawn(page)
    plot = page.locator('[data-chart="trade_off"] .plot')
    plot.focus()
    page.keyboard.press("ArrowRight")
    told = page.locator("[data-walk]")
    expect(told).to_contain_text(
        re.compile(r"^1 of \d on the front.*bf16 \+ flash \+ compile.*Latency: ×0\.\d+ \(.*3 pairs")
    )
    expect(page.locator('[data-chart="trade_off"] .hoverlayer .hovertext')).to_be_visible()
    page.keyboard.press("End")
    expect(told).to_contain_text("int8 weights")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/runs/\w+$"))
    expect(page.locator("h1")).to_contain_text("int8 weights")


def test_a_point_opens_its_run(measured: dict[str, str], site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(site.url + measured["study"])
    drawn(page)
    page.locator('[data-chart="trade_off"] .plot').evaluate("plot => plot.scrollIntoView({block: 'center'})")
    box = page.locator('[data-chart="trade_off"] .trace:has-text("int8 weights") .point').first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url(re.compile(r"/runs/\w+$"))
    expect(page.locator("h1")).to_contain_text("int8 weights")


def test_a_chart_is_taken_along_in_four_forms(measured: dict[str, str], site: Site, watched: Watched) -> None:
    page = watched.page
    page.goto(site.url + measured["study"])
    drawn(page)
    found: dict[str, bytes] = {}
    for form in ("PNG", "SVG", "CSV", "JSON"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Trade-off as {form}").press("Enter")
        assert waiting.value.suggested_filename.endswith(f"-trade_off.{form.lower()}")
        found[form] = waiting.value.path().read_bytes()
    assert found["PNG"].startswith(b"\x89PNG")
    assert b"int8 weights" in found["SVG"]
    drawing = json.loads(found["JSON"])
    rows = list(csv.DictReader(io.StringIO(found["CSV"].decode())))
    spots = {spot["variant"]: spot for spot in drawing["plane"]["spots"]}
    assert {row["variant"]: float(row["latency@prefill low"]) for row in rows} == {
        name: spot["x"]["low"] for name, spot in spots.items()
    }
    page.goto(f"{site.url}{measured['study']}?tab=effects")
    expect(page.locator('[data-chart="effects"] .plot .point:visible').first).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Effects as CSV").click()
    table = list(csv.reader(io.StringIO(waiting.value.path().read_text())))
    assert table[0][0] == "Variant"
    assert any("bf16" in row[0] and "faster" in row[1] for row in table)


def test_nothing_jumps_while_the_charts_are_drawn(measured: dict[str, str], site: Site, watched: Watched) -> None:
    page = watched.page
    for tab in ("trade-off", "effects", "memory"):
        page.goto(f"{site.url}{measured['study']}?tab={tab}")
        expect(page.locator("[data-chart] .plot .point").first).to_be_visible()
        shifted = page.evaluate(
            """() => new Promise((done) => { let sum = 0;
              new PerformanceObserver((list) => { for (const one of list.getEntries()) sum += one.value; })
                .observe({type: "layout-shift", buffered: true});
              setTimeout(() => done(sum), 300); })"""
        )
        assert shifted <= 0.05, tab


def test_without_scripts_budgets_are_a_form(measured: dict[str, str], site: Site, browser: Browser) -> None:
    context = browser.new_context(viewport=NARROW, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(site.link())
    page.goto(site.url + measured["study"])
    expect(page.locator(".still")).to_be_visible()
    page.get_by_role("spinbutton", name="Peak allocated in MiB").fill("26")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("[data-fitting]")).to_have_text("2 of 6 options")
    assert page.locator(".still g[opacity='0.18']").count() == 4
    page.get_by_role("link", name="Relax by").click()
    expect(page.locator("[data-fitting]")).to_have_text("3 of 6 options")
    page.get_by_role("navigation", name="Views of this study").get_by_role("link", name="Memory").click()
    expect(page.get_by_role("link", name="Memory", exact=True)).to_have_attribute("aria-current", "page")
    assert f"max.{PEAK}=" in page.url
    context.close()
