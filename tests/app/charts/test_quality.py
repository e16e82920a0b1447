"""Quality: a panel for each score, the baseline's interval shaded, and comparisons with the baseline without one."""

import pytest

from app.charts.chart import Choice
from app.charts.drawing import draw
from app.charts.quality import CHART
from app.study.comparison import Scale
from tests.app.charts.handmade import over, read, run, study

PERPLEXITY, KL = "quality.perplexity@quality", "quality.kl_divergence@quality"
SCORED = study(
    run(
        name,
        parts,
        readings={PERPLEXITY: read(value, 0.02, 512, "item"), KL: read(divergence, 0.1, 512, "item")},
        beside={PERPLEXITY: read(10.0, 0.02, 512, "item")},
        effects={PERPLEXITY: over(value / 10.0, items=512)},
    )
    for name, parts, value, divergence in (("fp32", (), 10.0, 0.0), ("int8", ("int8_weight_only",), 10.4, 0.012))
)


def test_every_score_has_its_panel_and_the_baseline_a_band() -> None:
    drawn = draw(CHART, SCORED, Choice())
    assert drawn.figure is not None
    layout = drawn.figure["layout"]
    assert {trace["yaxis"] for trace in drawn.figure["data"]} == {"y", "y2"}
    bands = {shape["xref"]: (shape["x0"], shape["x1"]) for shape in layout["shapes"]}
    # Menu order: divergence first; it compares with the baseline, so the baseline has none of its own.
    assert bands == {"x2": (pytest.approx(9.8), pytest.approx(10.2))}
    assert layout["yaxis2"]["domain"][1] < layout["yaxis"]["domain"][0]
    assert "What fp32 reaches" in drawn.caption or "what fp32 reaches" in drawn.caption
    assert "KL divergence compares outputs" in drawn.caption


def test_intervals_and_items_stand_in_the_hover_text() -> None:
    figure = draw(CHART, SCORED, Choice(x=PERPLEXITY)).figure
    assert figure is not None
    assert len(figure["data"]) == 2
    int8 = figure["data"][1]
    assert int8["error_x"]["arrayminus"] == [pytest.approx(0.208)]
    assert "10.4 (10.2–10.6), n\u202f=\u202f512 items" in int8["hovertext"][0]
    assert "baseline beside it: 10.0" in int8["hovertext"][0]


def test_ratios_leave_out_what_has_none() -> None:
    drawn = draw(CHART, SCORED, Choice(scale="ratio"))
    assert drawn.figure is not None
    assert [trace["x"] for trace in drawn.figure["data"]] == [[pytest.approx(1.0)], [pytest.approx(1.04)]]


@pytest.mark.parametrize("scale", ["ratio", "measured"])
def test_a_score_rests_on_its_items_on_either_scale(scale: Scale) -> None:
    drawn = draw(CHART, SCORED, Choice(scale=scale))
    assert drawn.figure is not None
    assert drawn.table is not None
    assert "n\u202f=\u202f512 items;" in drawn.caption
    assert all("512 items" in trace["hovertext"][0] for trace in drawn.figure["data"])
    assert all("512 items" in row[2] for row in drawn.table.rows)
    assert "pair" not in f"{drawn.caption}{drawn.figure['data']}{drawn.table.rows}"


def test_without_an_evaluation_it_says_so() -> None:
    bare = study([run("fp32", readings={"latency@prefill": read(1.0)})])
    assert "no evaluation" in (draw(CHART, bare, Choice()).reason or "")
    assert "no score" in (draw(CHART, bare, Choice(x="latency")).reason or "")
