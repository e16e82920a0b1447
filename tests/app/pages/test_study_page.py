"""The study page: every tab at its address, what a tab lacks and why, and a trade-off that needs no scripts to decide with."""

import re
from html import unescape
from typing import Any

import pytest

from app.pages.study_view import NAMES, TABS
from tests import demo
from tests.app.pages.conftest import House
from tests.app.pages.test_pages import read
from workers.catalog.report import Effect, Measurement, Report
from workers.catalog.spec import PlannedRun

PEAK = "memory.peak_allocated@prefill"
CHARTS = [name for name, _ in TABS if name not in ("environment", "log", "reproduce")]


def points(page: str) -> dict[str, float]:
    """Variants in the picture of the trade-off, with how strongly each is drawn."""
    found = re.findall(
        r'<a href="/runs/\w+"><g class="fill-\w+" opacity="([\d.]+)">.*?<text class="name"[^>]*>(.*?)</text>', page
    )
    return {unescape(name): float(strength) for strength, name in found}


def standings(page: str) -> dict[str, str]:
    """Variants in the table of options, with where they stand."""
    table = page[page.index('data-table="trade_off"') : page.index("</table>", page.index('data-table="trade_off"'))]
    rows = re.findall(
        r'<a href="/runs/\w+">(.*?)</a>.*?(?:class="standing[^"]*">|class="tag bad">)(.*?)</span>', table, re.DOTALL
    )
    return {unescape(name): unescape(words) for name, words in rows}


@pytest.mark.parametrize("tab", [name for name, _ in TABS])
@pytest.mark.parametrize("word", ["done", "swept", "queued", "mixed"])
def test_every_tab_is_an_address_and_none_is_empty(full: House, word: str, tab: str) -> None:
    page = read(full, f"/studies/{full.studies[word]}?tab={tab}")
    current = re.findall(r'data-tab="([^"]*)" aria-current="page"', page)
    assert current == ["" if tab == "trade-off" else tab]
    for section in re.findall(r'<section class="card chart.*?</section>', page, re.DOTALL):
        figure = "The chart needs JavaScript." in section or '<svg class="still' in section
        reason = re.search(r'<p class="chart-message">([^<]+)</p>', section)
        assert figure or (reason is not None and reason[1].endswith(".")), section
    assert len(re.sub(r"<[^>]+>|\s+", "", page[page.index('<nav class="tabs"') : page.index("</main>")])) > 200


@pytest.mark.parametrize("tab", CHARTS)
def test_every_chart_has_its_table_on_its_tab(full: House, tab: str) -> None:
    page = read(full, f"/studies/{full.studies['profiled']}?tab={tab}")
    drawn = [
        name
        for name, section in re.findall(
            r'<section class="card chart [^"]*" data-chart="(\w+)"(.*?)</section>', page, re.DOTALL
        )
        if 'class="chart-message">' not in section
    ]
    for name in drawn:
        table = page[page.index(f'data-table="{name}"') :]
        assert table[: table.index("</table>")].count("<tr") > 1


def test_a_tab_keeps_what_was_picked_on_another(full: House) -> None:
    page = read(full, f"/studies/{full.studies['swept']}?y=memory.weights&max.{PEAK}=4e7&point=1")
    link = re.search(r'href="([^"]+)" data-tab="memory"', page)
    assert link is not None
    assert unescape(link[1]) == (
        f"/studies/{full.studies['swept']}?point=1&y=memory.weights&max.{PEAK}=40000000&tab=memory"
    )


def test_without_scripts_a_form_sets_budgets_and_the_server_draws(full: House) -> None:
    study = f"/studies/{full.studies['done']}"
    page = read(full, study)
    assert points(page)["fp32"] == 0.5
    form = page[page.index('id="budgets"') : page.index("</form>", page.index('id="budgets"'))]
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))
    assert set(fields) >= {f"max.{PEAK}", f"per.{PEAK}", "max.latency@prefill"}
    # As a browser would send it: the number in the unit beside it, and that unit's size.
    sent = "&".join(f"{name}={value}" for name, value in (fields | {f"max.{PEAK}": "26"}).items())
    page = read(full, f"{study}?{sent}")
    faded = {name for name, strength in points(page).items() if strength < 0.3}
    assert faded == {"fp32", "bf16", "flash attention", "compile"}
    assert standings(page) == {
        "fp32": "over budget: Peak allocated",
        "bf16": "over budget: Peak allocated",
        "flash attention": "over budget: Peak allocated",
        "compile": "over budget: Peak allocated",
        "int8 weights": "on the front",
        "bf16 + flash + compile": "on the front",
        "nf4": "not supported in convert",
        "llm.int8": "out of host memory in load",
    }
    says = re.search(
        r"Removes 4 of 6\.\s*<a [^>]*href=\"([^\"]+)\">Relax by 1\.28 MiB</a> and 1 more option fits\.", page
    )
    assert says is not None
    assert "2 of 6 options</b> fit" in page
    assert "3 of 6 options</b> fit" in read(full, unescape(says[1]))


def test_the_page_and_its_twin_have_the_same_front(full: House) -> None:
    query = f"x=cold_start.first_call&y=latency&max.{PEAK}=4e7"
    page = read(full, f"/studies/{full.studies['done']}?{query}")
    plane = full.browser.get(f"/api/v1/studies/{full.studies['done']}/charts/trade_off?{query}").json()["plane"]
    names = {spot["run"]: spot["variant"] for spot in plane["spots"]}
    shown = {name for name, words in standings(page).items() if words.startswith("on the front")}
    assert shown == {names[run] for run in plane["front"]}
    assert shown


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("x=energy.step", "x: 'energy.step' was not measured in this study. Measured: latency@prefill,"),
        ("max.energy.step=3", "max.energy.step: 'energy.step' was not measured in this study."),
        ("max.latency=soon", "max.latency is not a number. For example 20 ms, or 0.02;"),
        (f"max.{PEAK}=8 apples", f"max.{PEAK} is not a number. For example 8 GiB, or 8e9;"),
        (f"max.{PEAK}=1e308&per.{PEAK}=1e308", f"per.{PEAK} is not a number above zero."),
        (f"max.{PEAK}=1e99&per.{PEAK}=1e99", f"max.{PEAK} is too large."),
        (f"max.{PEAK}=26&per.{PEAK}=0", f"per.{PEAK} is not a number above zero."),
        (f"max.{PEAK}=26&per.{PEAK}=-1", f"per.{PEAK} is not a number above zero."),
        ("max.zzz=1", "max.zzz: 'zzz' was not measured in this study. Measured: latency@prefill,"),
        (f"min.{PEAK}=1", f"so its budget is written max.{PEAK}."),
        ("max.quality.top1_agreement=1", "so its budget is written min.quality.top1_agreement@quality."),
    ],
)
def test_a_link_that_does_not_fit_leaves_the_page_usable(full: House, query: str, words: str) -> None:
    page = unescape(read(full, f"/studies/{full.studies['done']}?{query}"))
    assert words in page
    assert page.count('class="name-cell"') >= 8


def test_a_wrong_budget_takes_neither_the_chart_nor_the_others_away(full: House) -> None:
    page = read(full, f"/studies/{full.studies['done']}?max.zzz=1&min.{PEAK}=1&max.{PEAK}=26 MiB&max.latency=soon")
    notice = page[page.index('<div class="notice bad"') :]
    assert notice[: notice.index("</div>")].count("<p>") == 3
    assert "2 of 6 options</b> fit" in page
    assert points(page)["fp32"] < 0.3
    field = re.search(r'<input ([^>]*name="max.latency@prefill"[^>]*)>', page)
    assert field is not None
    assert 'type="text" aria-invalid="true"' in field[1]
    assert 'value="soon"' in field[1]


@pytest.mark.parametrize(("text", "fit"), [("26 MiB", 2), ("28.7 MB", 3), ("24e6B", 1), ("1 TiB", 6), ("27262976", 2)])
def test_budgets_are_read_in_units(full: House, text: str, fit: int) -> None:
    page = read(full, f"/studies/{full.studies['done']}?max.{PEAK}={text}")
    assert f"{fit} of 6 options</b> fit" in page
    assert 'class="notice bad"' not in page


def test_a_unit_in_a_field_takes_the_place_of_the_one_beside_it(full: House) -> None:
    page = read(full, f"/studies/{full.studies['done']}?max.{PEAK}=26 MiB&per.{PEAK}=1024")
    assert "2 of 6 options</b> fit" in page


def test_budgets_are_awaited_only_where_nothing_was_measured(full: House) -> None:
    words = "Budgets appear here when options have been measured that differ."
    assert words in read(full, f"/studies/{full.studies['queued']}")
    undrawn = read(full, f"/studies/{full.studies['done']}?x=energy.step")
    assert words not in undrawn
    assert "Budgets appear here when the chart is drawn." in undrawn


@pytest.mark.parametrize("name", [*NAMES, f"max.{PEAK}", f"per.{PEAK}", "bogus"])
@pytest.mark.parametrize("tab", ["trade-off", "memory"])
def test_an_empty_field_is_not_said(full: House, name: str, tab: str) -> None:
    study = f"/studies/{full.studies['profiled']}"
    assert points(read(full, f"{study}?{name}=")) == points(read(full, study))
    shown = re.findall(r'data-tab="([^"]*)" aria-current="page"', read(full, f"{study}?tab={tab}&{name}="))
    assert shown == ["" if "trade-off" in (tab, name) or name == "tab" else tab]


def refused(house: House, query: str) -> dict[str, Any]:
    """The problem document of an address of a study's page."""
    answer = house.browser.get(f"/studies/{house.studies['done']}?{query}", headers={"Accept": "application/json"})
    assert answer.status_code == 422, query
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("text", ["1e308,1e309", "-1e999,1", "nan,1", "nan", "5,1", "1,1", "1,2,3", "left"])
@pytest.mark.parametrize("name", ["xr", "yr"])
def test_what_is_no_part_of_an_axis_is_refused_as_on_explore(full: House, name: str, text: str) -> None:
    here = refused(full, f"{name}={text}")
    there = full.browser.get(f"/explore?{name}={text}", headers={"Accept": "application/json"}).json()
    assert here["field"] == name
    assert here["detail"] == f"{name} is not two numbers, small and large."
    assert here["hint"] == "For example 0.5,2 in base units."
    assert here["errors"] == there["errors"]


@pytest.mark.parametrize("scale", ["ratio", "measured"])
@pytest.mark.parametrize("part", ["1e307,1e308", "-1e308,1e308", "1000,1000.0000000000001", "0,5e-324", "-5,-1"])
def test_a_part_too_far_or_too_narrow_to_draw_leaves_the_page_usable(full: House, scale: str, part: str) -> None:
    page = read(full, f"/studies/{full.studies['done']}?xr={part}&yr={part}&scale={scale}")
    assert '<svg class="still' in page


@pytest.mark.parametrize(
    "query", ["budget=1e308&per.budget=1e10", "budget=1e90&per.budget=1e90", "budget=1e-300&per.budget=1e-300"]
)
def test_a_budget_of_no_size_is_refused(full: House, query: str) -> None:
    assert refused(full, f"{query}&tab=memory")["field"] == "budget"


@pytest.mark.parametrize("query", ["budget=1e100&tab=memory", "budget=1e-300&tab=memory", "price=1e100&tab=energy"])
def test_amounts_at_the_ends_are_drawn(full: House, query: str) -> None:
    read(full, f"/studies/{full.studies['profiled']}?{query}")


@pytest.mark.parametrize("sign", ["", "-"])
def test_the_farthest_budgets_are_weighed(full: House, sign: str) -> None:
    names = ("max.latency", f"max.{PEAK}", "max.quality.kl_divergence")
    page = read(full, f"/studies/{full.studies['done']}?{'&'.join(f'{name}={sign}1e100' for name in names)}")
    assert f"{'0' if sign else '6'} of 6 options</b> fit" in page


@pytest.mark.parametrize("name", ["bogus", "memory__lte", "max", "max.", "per."])
def test_a_name_that_means_nothing_is_refused_with_those_that_do(full: House, name: str) -> None:
    found = refused(full, f"{name}=1GiB")
    assert found["field"] == name
    assert found["hint"].startswith("One of tab, point, ")
    assert "max.QUANTITY" in found["hint"]


@pytest.mark.parametrize("tab", [name for name, _ in TABS])
def test_what_the_page_links_to_and_sends_it_understands(full: House, tab: str) -> None:
    study = f"/studies/{full.studies['profiled']}"
    page = read(
        full, f"{study}?tab={tab}&max.{PEAK}=2.7e7&point=0&y=memory.weights&price=0.3&budget=26&per.budget=1048576"
    )
    links = {unescape(link) for link in re.findall(rf'href="({study}\?[^"]*)"', page)}
    for form in re.findall(r"<form [^>]*data-view.*?</form>", page, re.DOTALL):
        fields = dict(re.findall(r'<input [^>]*name="([^"]+)"[^>]* value="([^"]*)"', form))
        fields |= {
            name: options[0]
            for name, inside in re.findall(r'<select [^>]*name="([^"]+)".*?>(.*?)</select>', form, re.DOTALL)
            if (options := re.findall(r'<option value="([^"]*)"', inside))
        }
        links.add(f"{study}?{'&'.join(f'{name}={unescape(value)}' for name, value in fields.items())}")
    assert len(links) >= len(TABS) - 1
    for link in links:
        read(full, link)


def test_what_the_api_cannot_read_is_refused_by_field(full: House) -> None:
    chart = f"/api/v1/studies/{full.studies['done']}/charts/trade_off"
    for query, field in (
        ("max.latency=soon", "max.latency"),
        ("max.energy.step=3", "max.energy.step"),
        ("colour=x", "colour"),
    ):
        answer = full.browser.get(f"{chart}?{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_an_unknown_tab_is_refused(full: House) -> None:
    read(full, f"/studies/{full.studies['done']}?tab=pie", 422)


def test_zoom_of_an_address_is_drawn(full: House) -> None:
    page = read(full, f"/studies/{full.studies['done']}?xr=0.3,0.6")
    assert set(points(page)) == {"bf16", "bf16 + flash + compile"}
    read(full, f"/studies/{full.studies['done']}?xr=left", 422)


def scored(planned: PlannedRun) -> Report:
    """As ``demo.report``, with a score that has an effect."""
    found, name = demo.report(planned), "quality.perplexity"
    measured = [
        Measurement(metric=name, phase="quality", arm=arm, value=9.0, low=8.9, high=9.1, unit="1", n=256)
        for arm in ("baseline", "variant")
    ]
    effect = Effect(metric=name, phase="quality", ratio=1.0, low=0.99, high=1.01, verdict="same", pairs=1)
    more = {"measurements": (*found.measurements, *measured), "effects": (*found.effects, effect)}
    return found.model_copy(update=more)


def test_a_score_of_quality_has_an_effect_and_no_interaction(house: House) -> None:
    demo.present(house.database)
    study = demo.submit(house.database, demo.order(), house.owner_id)
    demo.measure(house.database, study, brings=scored)
    page = read(house, f"/studies/{study}?tab=effects&quantity=quality.perplexity")
    charts = re.findall(r'<section class="card chart [^"]*" data-chart="(\w+)"(.*?)</section>', page, re.DOTALL)
    sections = dict(charts)
    offered = {
        name: re.findall(r'<option value="quality.perplexity@quality" selected( disabled)?>', section)
        for name, section in sections.items()
    }
    assert offered == {"effects": [""], "interactions": [" disabled"]}
    assert "The chart needs JavaScript." in sections["effects"]
    assert "their errors are not independent" in unescape(sections["interactions"])
    assert re.search(r'<option value="latency@prefill">', sections["interactions"])


def test_memory_is_shown_as_predicted_counted_and_measured(full: House) -> None:
    page = read(full, f"/studies/{full.studies['done']}?tab=memory")
    table = page[page.index('data-table="predictions"') :]
    table = table[: table.index("</table>")]
    row = next(row for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL) if ">bf16</a>" in row)
    assert re.search(r"MiB<span class=\"sub\">prompt", row)
    assert re.search(r"[+-]\d+\.\d %", row)
    assert "run it again with effort exact" in page
