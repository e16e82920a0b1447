"""The forest of one technique: a row for each case with its interval, the literature behind it, and hostile names as text."""

import json

import pytest

from app.charts.technique_effects import drawing, merged
from app.knowledge.cases import Case, Effect
from app.knowledge.claims import Source, Statement
from app.results.figures import BY_WORD

SOURCE = Source(title="somebody", url=None)


def case(label: str, effect: Effect | None, **changes: object) -> Case:
    values = {
        "techniques": ("precision",),
        "label": label,
        "against": "precision fp32",
        "turned_on": True,
        "model": "llama tiny",
        "workload": "train_step",
        "device": "cpu",
        "hardware": "a processor",
        "batch_size": 1,
        "length": 128,
        "point": {},
        "family": "precision",
        "evaluation": None,
        "ran": "as_asked",
        "runs": 3,
        "environments": 2,
        "run": "01K",
        "url": "/runs/01K",
        "effects": {"latency": effect} if effect else {},
        "relative": {},
    }
    return Case.model_validate(values | changes)


def effect(ratio: float, verdict: str = "faster") -> Effect:
    return Effect.model_validate(
        {"ratio": ratio, "low": ratio * 0.9, "high": ratio * 1.1, "verdict": verdict, "runs": 3}
    )


def said(low: float, high: float | None, **changes: object) -> Statement:
    values = {"word": "x", "says": "X.", "stack": ("precision",), "figure": "latency", "low": low, "high": high}
    return Statement.model_validate(values | {"source": SOURCE, "grade": "D"} | changes)


def test_every_case_with_the_figure_is_a_row_with_its_interval() -> None:
    cases = [case("one", effect(0.5)), case("two", effect(1.4, "slower")), case("three", None)]
    drawn = drawing(cases, BY_WORD["latency"], [], "precision")
    assert drawn.figure is not None
    first, second = drawn.figure["data"]
    assert (first["x"], second["x"]) == ([0.5], [1.4])
    assert first["y"] > second["y"]
    assert first["error_x"]["array"][0] == pytest.approx(0.05)
    assert "3 runs, 2 environments" in first["hovertext"][0]
    assert "Better in 1, worse in 1." in drawn.caption
    json.dumps(drawn.model_dump(), allow_nan=False)


def test_the_literature_of_the_figure_is_shaded_and_inside_the_axis() -> None:
    statements = [
        said(0.2, 0.3),
        said(0.25, 0.4),
        said(0.5, 0.5, figure="memory"),
        said(0.9, 0.9, single=True),
        said(3, None),
    ]
    drawn = drawing([case("one", effect(0.9))], BY_WORD["latency"], statements, "precision")
    assert drawn.figure is not None
    layout = drawn.figure["layout"]
    shades = [shape for shape in layout["shapes"] if shape["fillcolor"] == "var(--accent-soft)"]
    assert [round(shape["x0"], 2) for shape in shades] == [0.2, 3]
    assert 10 ** layout["xaxis"]["range"][0] < 0.2
    assert 10 ** layout["xaxis"]["range"][1] >= shades[1]["x1"]
    assert "×3.00 and more" in drawn.caption
    json.dumps(drawn.model_dump(), allow_nan=False)


def test_ranges_that_overlap_are_one() -> None:
    assert merged([(3, 4), (1, 2), (1.5, 2.5)]) == [(1, 2.5), (3, 4)]


def test_hostile_names_are_taken_literally() -> None:
    drawn = drawing([case("<img src=x>", effect(0.9), model="<b>")], BY_WORD["latency"], [], "precision")
    assert "<img" not in json.dumps(drawn.figure)


def test_nothing_measured_is_said() -> None:
    drawn = drawing([case("one", None)], BY_WORD["latency"], [], "precision")
    assert (drawn.figure, "latency" in str(drawn.reason)) == (None, True)


def test_runs_intervals_and_environments_are_told() -> None:
    cases = [case("one", effect(0.5)), case("two", effect(1.4, "slower"), environments=5, hardware="another")]
    caption = drawing(cases, BY_WORD["latency"], [], "precision").caption
    assert caption.endswith("n\u202f=\u202f3 runs; 95 % intervals; 2–5 environments a case, on a processor; another.")
