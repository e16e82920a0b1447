"""Rows of a forest plot: ratios on an axis that holds the baseline, marks that say what they are, names as typed."""

import math

import pytest

from app.charts.axis import LARGEST, ratio_axis
from app.charts.rows import Panel, Row, Shade, panels, row_of, same, unchanged
from tests.app.charts.handmade import over, read, run


def row(value: float, spread: float = 0.1, **more: object) -> Row:
    reading = over(value, spread).reading
    plain = Row("01K", "bf16", f"×{value}", reading, "precision", False, ("bf16", "told"))
    return plain._replace(**more)  # type: ignore[arg-type]


def test_the_baseline_is_always_on_the_axis_and_intervals_have_room() -> None:
    axis = ratio_axis("Latency", "lower", [row(0.2).reading, row(0.3).reading])
    assert axis.low < 0.2 / 1.1
    assert axis.high >= 1.25
    assert axis.title == "Latency, over the baseline · left is better"
    assert ratio_axis("Scale", "neither", [row(1.0).reading]).title == "Scale, over the baseline"


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0.2, 0.9, ["×0.2", "×0.25", "×0.3", "×0.4", "×0.5", "×0.6", "×0.7", "×0.8", "×0.9", "×1"]),
        (0.5, 20.0, ["×0.5", "×1", "×2", "×5", "×10", "×20"]),
        (0.5, 200.0, ["×1", "×10", "×100"]),
    ],
)
def test_marks_are_written_as_they_are(low: float, high: float, marks: list[str]) -> None:
    layout = ratio_axis("Latency", "lower", [row(low, 0.0).reading, row(high, 0.0).reading]).layout()
    shown = layout["ticktext"]
    assert [float(text[1:]) for text in shown] == layout["tickvals"]
    assert [text for text in shown if text in marks] == marks


def test_ratios_beyond_reason_stay_at_the_edge() -> None:
    axis = ratio_axis("Latency", "lower", [row(1e-9).reading, row(1e9).reading], [(3.0, math.inf)])
    assert (axis.low, axis.high) == (1 / LARGEST, LARGEST)


def test_rows_stand_below_each_other_with_what_is_shaded_behind_them() -> None:
    rows = [row(0.5), row(1.5, hollow=True, name="<b>", brief="short & <b>")]
    axis = ratio_axis("Latency", "lower", [one.reading for one in rows])
    data, layout = panels([Panel(axis, rows, (Shade(0.2, 0.3, "red"), *unchanged(0.02)))])
    assert data[0]["y"] > data[1]["y"]
    assert [trace["marker"]["symbol"] for trace in data] == ["square", "square-open"]
    assert [(round(shape["x0"], 2), shape["line"]["width"]) for shape in layout["shapes"]] == [
        (0.2, 0),
        (0.98, 0),
        (1.0, 1),
    ]
    names = [(words["text"], words.get("name")) for words in layout["annotations"] if words["x"] == 0]
    assert names == [("bf16", None), ("&lt;b&gt;", "short &amp; &lt;b&gt;")]


def test_a_row_of_a_run_says_what_ran() -> None:
    fallen = run("bf16", ("precision bf16",), ran="fell_back")
    drawn = row_of(fallen, read(1.0), "×1", ["told"])
    assert drawn.hover == ("bf16", "told", "ran fell back")
    assert drawn.hollow
    assert row_of(run("fp32"), read(1.0), "×1", []).name == "fp32 · null test"


def test_counted_ratios_have_a_margin_of_their_own() -> None:
    assert same([over(1.0, 0.0).reading]) < same([over(1.0, 0.0).reading, over(1.0, 0.1).reading])
