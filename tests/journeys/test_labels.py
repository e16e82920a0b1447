"""Names beside the points of a chart in Chromium: as the server places them, none over another, back where there is room."""

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.charts import labels
from app.charts.labels import Box
from tests import demo
from tests.app.charts.test_labels import CROWD, TALL, WIDTH, crosses, crowd
from tests.journeys.test_browser import NARROW, WIDE, Site, open_page, serving

pytestmark = [pytest.mark.browser]

PLACES_JS = """async ({ crowds, width, height }) => {
  const { places } = await import("/static/js/labels.js");
  return crowds.map(({ spots, around }) => places(spots, { width, height }, around));
}"""
FRONT_JS = """async (points) => {
  const { scatter } = await import("/static/js/scatter.js");
  const [x, y] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const names = points.map((_, i) => `a variant, number ${i}`);
  const drawn = { runs: names, names, families: names.map(() => "cache"),
    columns: { a: x, b: y, "a.low": x, "a.high": x, "b.low": y, "b.high": y, "a.pairs": x.map(() => 3), "b.pairs": y.map(() => 3) },
    standings: names.map(() => "f"), front: names.map((_, i) => i), knee: 0, objectives: ["a", "b"] };
  const figure = (column) => ({ column, title: column, unit: "×", better: "lower", low: 0.5, high: 1.5 });
  await scatter(document.getElementById("plane"), { zoomed() {}, asked: () => null })
    .show(drawn, { x: figure("a"), y: figure("b") }, new Set());
}"""
"""Shows a front of results instead of those that were measured."""
NEAR = tuple((0.90 + 0.002 * at, 1.05 - 0.002 * at) for at in range(8))
"""Within a few pixels."""
ROW = tuple((0.6 + 0.1 * at, 1.0) for at in range(8))
"""Too near for their names on a narrow screen, far enough on a wide one."""
DRAWN, STILL = ".plot .xy .textpoint text", ".still .name"


class Shown(NamedTuple):
    """A server, and the address of a study whose variants have nearly the same figures."""

    site: Site
    study: str


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with serving(tmp_path_factory.mktemp("labels")) as site:
        demo.present(site.database)
        site.link()
        variants = [{"name": name, "stack": [{"technique": "precision", "dtype": "bf16"}]} for name in CROWD]
        study = demo.submit(site.database, demo.order(variants=variants), demo.owner(site.database))
        demo.measure(site.database, study)
        yield Shown(site, f"/studies/{study}")


@contextmanager
def opened(shown: Shown, browser: Browser, path: str, **how: Any) -> Iterator[Page]:
    """A signed-in window on a page."""
    context = browser.new_context(**how)
    seen = open_page(shown.site, context)
    seen.page.goto(shown.site.link())
    seen.page.goto(shown.site.url + path)
    yield seen.page
    context.close()
    assert seen.faults == []


def names(page: Page, selector: str = DRAWN) -> Locator:
    """The names that are written."""
    return page.locator(selector).filter(has_text=re.compile(r"\S"), visible=True)


def over_another(found: Locator) -> int:
    """How many pairs of names cover each other."""
    boxes: list[Box] = []
    for one in found.all():
        box = one.bounding_box()
        assert box is not None
        # A font's box is higher than its letters.
        top, bottom = box["y"] + 1.5, box["y"] + box["height"] - 1.5
        boxes.append((box["x"] + 0.5, top, box["x"] + box["width"] - 0.5, bottom))
    return sum(crosses(one, other) for one, other in itertools.combinations(boxes, 2))


def put(page: Page, points: Sequence[tuple[float, float]]) -> int:
    """Show a front. Returns how many of its names are written."""
    expect(page.locator(".plot .point").first).to_be_visible()
    page.evaluate(FRONT_JS, points)
    return names(page).count()


def until_more(page: Page, than: int) -> None:
    """Wait until more names are written; they cover each other no more than before."""
    expect(names(page).nth(than)).to_be_visible()
    assert over_another(names(page)) == 0


def test_the_browser_places_names_as_the_server_does(shown: Shown, browser: Browser) -> None:
    dice = random.Random(21)
    crowds = [(crowd(dice, dice.randint(0, 14)), [spot.mark for spot in crowd(dice, 3)]) for _ in range(300)]
    asked = [{"spots": [spot._asdict() for spot in spots], "around": around} for spots, around in crowds]
    with opened(shown, browser, "/explore") as page:
        told = page.evaluate(PLACES_JS, {"crowds": asked, "width": WIDTH, "height": TALL})
    assert told == [labels.places(spots, WIDTH, TALL, around) for spots, around in crowds]


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_names_of_near_results_do_not_cover_each_other(shown: Shown, browser: Browser, viewport: Any) -> None:
    with opened(shown, browser, "/explore", viewport=viewport) as page:
        assert 1 < put(page, NEAR) < len(NEAR)
        assert over_another(names(page)) == 0
        told = page.evaluate("document.querySelector('.plot').data.flatMap(({ hovertext }) => hovertext ?? [])")
    assert {text.partition("<br>")[0] for text in told} == {f"a variant, number {at}" for at in range(len(NEAR))}


def test_zooming_in_brings_names_back(shown: Shown, browser: Browser) -> None:
    with opened(shown, browser, "/explore", viewport=WIDE) as page:
        before = put(page, NEAR)
        page.evaluate(
            """Plotly.relayout(document.querySelector(".plot"), {
              "xaxis.range[0]": 0.89, "xaxis.range[1]": 0.925, "yaxis.range[0]": 1.03, "yaxis.range[1]": 1.06 })"""
        )
        until_more(page, before)


def test_a_wider_window_brings_names_back(shown: Shown, browser: Browser) -> None:
    with opened(shown, browser, "/explore", viewport=NARROW) as page:
        before = put(page, ROW)
        assert before < len(ROW)
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        until_more(page, before)


@pytest.mark.parametrize("selector", [DRAWN, STILL], ids=["scripts", "no scripts"])
def test_names_of_a_study_do_not_cover_each_other(shown: Shown, browser: Browser, selector: str) -> None:
    with opened(shown, browser, shown.study, viewport=WIDE, java_script_enabled=selector == DRAWN) as page:
        expect(names(page, selector).nth(1)).to_be_visible()
        assert names(page, selector).count() <= len(CROWD)
        assert over_another(names(page, selector)) == 0
