"""The study page: every tab at its address, what a tab lacks and why, and a trade-off that needs no scripts to decide with."""

import re
from html import unescape

import pytest

from app.pages.study_view import TABS
from tests.app.pages.conftest import House
from tests.app.pages.test_pages import read

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
        ("max.latency=soon", "max.latency is not a number"),
        ("max.quality.top1_agreement=1", "so its budget is written min.quality.top1_agreement@quality."),
    ],
)
def test_a_link_that_does_not_fit_leaves_the_page_usable(full: House, query: str, words: str) -> None:
    page = unescape(read(full, f"/studies/{full.studies['done']}?{query}"))
    assert words in page
    assert page.count('class="name-cell"') >= 8


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
