"""Explore in Chromium: sliders, brush, zoom, selection and links, with the table and the chart always showing the same."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.charts.units import readable
from app.study.amounts import amount
from tests import demo
from tests.journeys.test_browser import NARROW, RULES, WIDE, Site, open_page, serving

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a study of which two runs failed, and one over two lengths."""
    with serving(tmp_path_factory.mktemp("explore")) as here:
        demo.present(here.database)
        here.link()
        owner = demo.owner(here.database)
        variants = demo.order()["variants"]
        swept = demo.order(name="swept", sweep={"sequence_length": [128, 512]}, variants=variants[:4], effort="quick")
        for asked in (demo.order(), swept):
            demo.measure(here.database, demo.submit(here.database, asked, owner))
        yield here


@pytest.fixture
def page(site: Site, browser: Browser) -> Iterator[Page]:
    """A signed-in window on Explore that reports what it must not do."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    seen = open_page(site, context)
    seen.page.goto(site.link())
    seen.page.goto(f"{site.url}/explore")
    expect(drawn(seen.page).first).to_be_visible()
    yield seen.page
    context.close()
    assert [fault for fault in seen.faults if "status of 422" not in fault] == []


def drawn(page: Page) -> Any:
    return page.locator(".plot .point")


def rows(page: Page) -> Any:
    return page.locator("#results tbody tr[data-run]")


def test_a_slider_moves_front_and_table_and_stands_in_the_address(page: Page, browser: Browser, site: Site) -> None:
    before = rows(page).count()
    front = page.locator("#plane-caption").inner_text()
    slider = page.locator('[data-limit="memory_ratio__lte"] [type="range"]')
    page.evaluate("window.sameDocument = true")
    slider.focus()
    for _ in range(90):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#says-memory_ratio__lte")).to_contain_text("Removes")
    expect(slider).to_be_focused()
    assert page.evaluate("window.sameDocument")
    kept = rows(page).count()
    assert 0 < kept < before
    assert page.locator("#plane-caption").inner_text() != front
    points = page.evaluate("document.querySelector('.plot').data.flatMap(t => t.customdata ?? []).length")
    figures = rows(page).filter(has=page.locator("[name=runs]")).count()
    assert points == figures
    other = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    again = other.new_page()
    again.goto(site.link())
    again.goto(page.url)
    expect(rows(again)).to_have_count(kept)
    assert again.locator("#plane-caption").inner_text() == page.locator("#plane-caption").inner_text()
    other.close()
    page.get_by_role("link", name=re.compile("^Relax by")).first.click()
    expect(rows(page)).not_to_have_count(kept)
    page.go_back()
    expect(rows(page)).to_have_count(kept)


def test_a_box_filters_and_a_chip_takes_it_away(page: Page) -> None:
    everything = rows(page).count()
    box = page.locator('#facets [name="technique"][value="attention"]')
    box.check()
    expect(rows(page)).not_to_have_count(everything)
    assert "technique=attention" in page.url
    expect(box).to_be_focused()
    page.locator(".chip", has_text="attention").click()
    expect(rows(page)).to_have_count(everything)
    expect(box).not_to_be_checked()


def test_a_limit_that_is_no_number_is_said_and_changes_nothing(page: Page) -> None:
    everything = rows(page).count()
    field = page.locator('[name="memory_ratio__lte"]')
    field.fill("small")
    field.press("Enter")
    expect(page.locator("#fault")).to_contain_text("is not a number")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(rows(page)).to_have_count(everything)
    field.fill("0.6")
    field.press("Enter")
    expect(page.locator("#fault")).to_be_hidden()
    expect(rows(page)).not_to_have_count(everything)


def test_a_brush_on_an_axis_filters_the_table(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/explore?tab=parallel&axes=latency,memory,weights")
    expect(page.locator("[data-lines]")).to_contain_text("lines keep every limit")
    everything = rows(page).count()
    box = page.locator(".parallel").bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + box["height"] - 35)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    expect(rows(page)).not_to_have_count(everything)
    assert "memory_ratio__lte=" in page.url
    within = int(re.match(r"[\d,]+", page.locator("[data-lines]").inner_text().replace(",", ""))[0])  # type: ignore[index]
    assert within == rows(page).count()
    page.mouse.click(x, box["y"] + 60)
    expect(rows(page)).to_have_count(everything)
    assert "memory_ratio" not in page.url


def test_lines_need_two_of_the_axes_and_nothing_of_the_plane(page: Page, site: Site) -> None:
    # Nobody measured energy here, so that the plane of it is empty.
    page.goto(f"{site.url}/explore?tab=parallel&x=energy&z=first_call&axes=latency,memory,weights")
    wanted = page.request.get(f"{site.url}/api/v1/explore/points?axes=latency,memory,weights").json()["total"]
    assert wanted > 1
    expect(page.locator("[data-lines]")).to_have_text(f"{wanted} of {wanted} lines keep every limit.")
    expect(page.locator("#plane-caption")).to_contain_text(f"{wanted} results have at least two of these figures")


def test_a_point_says_what_it_rests_on(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/explore?y=kl&scale=measured&length=512&effort=standard")
    expect(drawn(page).first).to_be_visible()
    told = page.evaluate("document.querySelector('.plot').data.flatMap(({hovertext}) => hovertext ?? [])")
    assert told
    assert all(re.search(r"Latency: .*, n 3 pairs<br>KL divergence: .*, n 256 items", text) for text in told), told


def test_zoom_is_kept_in_the_address(page: Page) -> None:
    plot = page.locator(".plot .nsewdrag").bounding_box()
    assert plot is not None
    page.mouse.move(plot["x"] + 60, plot["y"] + 60)
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2, steps=5)
    page.mouse.up()
    page.wait_for_function("() => location.search.includes('xr=')")
    shown = page.evaluate("document.querySelector('.plot')._fullLayout.xaxis.range")
    page.reload()
    expect(page.locator("[data-unzoom]")).to_be_visible()
    assert page.evaluate("document.querySelector('.plot')._fullLayout.xaxis.range") == pytest.approx(shown, abs=1e-3)
    page.locator("[data-unzoom]").click()
    page.wait_for_function("() => !location.search.includes('xr=')")


def test_rows_are_picked_to_be_compared_by_key(page: Page) -> None:
    boxes = page.locator('#results [name="runs"]')
    ids = [str(boxes.nth(place).get_attribute("value")) for place in (0, 2)]
    for place in (0, 2):
        boxes.nth(place).focus()
        page.keyboard.press("Space")
    page.get_by_role("link", name="Latency", exact=True).click()
    page.wait_for_function("() => location.search.includes('sort=')")
    expect(page.locator('#results [name="runs"]:checked')).to_have_count(2)
    page.locator(".plot").focus()
    page.keyboard.press("c")
    page.wait_for_url("**/compare?runs=*")
    assert sorted(urlsplit(page.url).query.removeprefix("runs=").split(",")) == sorted(ids)


def test_keys_walk_along_the_front_and_open_a_run(page: Page) -> None:
    page.locator(".plot").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-walk]")).to_contain_text(re.compile(r"^1 of \d+ on the front: .*Latency: ×"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/runs/\w{26}$"))


def test_a_view_is_saved_renamed_and_opened(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/explore?technique=attention")
    page.locator("[data-views] > summary").click()
    page.get_by_label("Save what is shown as").fill("attention only")
    page.keyboard.press("Enter")
    expect(page.locator("[data-views] li a")).to_have_text("attention only")
    page.get_by_role("link", name="All views").click()
    page.get_by_role("button", name="Rename attention only").click()
    page.get_by_role("textbox", name="Name").fill("only attention")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="only attention").click()
    page.wait_for_url("**/explore?technique=attention")


def test_new_results_are_announced_and_nothing_moves(page: Page, site: Site) -> None:
    page.clock.install()
    page.goto(f"{site.url}/explore")
    before = rows(page).count()
    order = demo.order(name="later", variants=demo.order()["variants"][:1])
    demo.measure(site.database, demo.submit(site.database, order, demo.owner(site.database)))
    page.clock.run_for(21_000)
    expect(page.locator("#news")).to_contain_text("1 new result.")
    assert rows(page).count() == before
    page.get_by_role("button", name="Show them").click()
    expect(rows(page)).to_have_count(before + 1)
    expect(page.locator("#news")).to_be_hidden()


def test_many_points_lie_on_the_canvas_and_can_be_reached(page: Page, site: Site) -> None:
    page.evaluate(
        """async () => {
          const { scatter } = await import("/static/js/scatter.js");
          const n = 3000;
          const column = (seed) => Array.from({ length: n }, (_, i) => 0.5 + ((i * seed) % n) / n);
          const x = column(7), y = column(11);
          const points = { runs: x.map((_, i) => String(i)), names: x.map((_, i) => `v${i}`), families: x.map(() => 'cache'),
            columns: { a: x, b: y, 'a.low': x, 'a.high': x, 'b.low': y, 'b.high': y, 'a.pairs': x.map(() => 3), 'b.pairs': y.map(() => 3) },
            standings: x.map((_, i) => (i === 0 ? 'f' : 'd')), front: [0], knee: null, objectives: ['a', 'b'] };
          const figure = (column) => ({ column, title: column, unit: '×', better: 'lower', low: 0.5, high: 1.5 });
          window.drawnMany = scatter(document.getElementById('plane'), { zoomed() {}, asked: () => null });
          await window.drawnMany.show(points, { x: figure('a'), y: figure('b') }, new Set());
        }"""
    )
    assert page.evaluate("document.querySelector('.plot').data.flatMap(t => t.customdata ?? []).length") == 1
    ink = page.evaluate(
        """() => { const c = document.querySelector('.plot-stack > canvas');
          return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3 && v > 0).length; }"""
    )
    assert ink > 20_000


def test_units_in_the_browser_are_those_of_the_server(page: Page) -> None:
    cases = [
        (v, u)
        for u in ("B", "s", "1", "J", "tokens/s", "nat")
        for v in (0.0, 2.1e-5, 0.0213, 1.0, 999.6, 1.234e5, 5.2e7)
    ]
    said = page.evaluate(
        """async (cases) => {
          const { entered, readable } = await import("/static/js/units.js");
          return cases.map(([value, unit]) => [readable(value, unit), entered(value, unit)]);
        }""",
        cases,
    )
    assert [one for one, _ in said] == [readable(value, unit) for value, unit in cases]
    for (value, unit), (_, text) in zip(cases, said, strict=True):
        assert amount(text, unit) == pytest.approx(value, rel=5e-3), "the server reads back what a slider writes"


def test_a_cell_of_the_map_opens_the_form_with_its_study(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/coverage?workload=prefill&device=cpu")
    page.get_by_role("link", name="Never tried: autocast on llama tiny. Measure it").click()
    page.get_by_role("button", name="Open in the form").click()
    page.wait_for_url("**/studies/new?draft=*")
    expect(page.get_by_label("Name", exact=True).first).to_have_value(re.compile("llama tiny"))


@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", NARROW)], ids=["light wide", "dark narrow"])
def test_pages_are_accessible_and_fit(site: Site, browser: Browser, scheme: Any, viewport: Any) -> None:
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    seen = open_page(site, context)
    seen.page.goto(site.link())
    found: list[str] = []
    for path in (
        "/explore",
        "/explore?scale=measured&group=model",
        "/explore?tab=parallel&latency_ratio__lte=0.6",
        "/explore?technique=nothing",
        "/coverage",
        "/coverage?technique=autocast&model=llama%20tiny",
        "/views",
    ):
        seen.page.goto(site.url + path)
        seen.page.wait_for_load_state("networkidle")
        for fold in seen.page.locator("main details:not(.choose)").all():
            fold.evaluate("node => { node.open = true; }")
        answer = Axe().run(seen.page, options=RULES)
        found += [f"{path} {one['id']} {one['nodes'][0]['html'][:120]}" for one in answer.response["violations"]]
        if seen.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{path} is wider than the screen")
    context.close()
    assert found == []
    assert seen.faults == []
