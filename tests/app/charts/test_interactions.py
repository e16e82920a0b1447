"""Interactions: together over the product, with an interval from three; what is missing is named."""

import json

import pytest

from app.charts.chart import Choice
from app.charts.drawing import Drawing, draw
from app.charts.interactions import CHART, SIGNS, WORDS, interactions
from app.study.comparison import Comparison
from app.study.interaction import Says, quotient
from app.study.stacks import parts
from app.study.verdicts import Ratio
from tests import demo
from tests.app.charts.handmade import over, read, run, study
from workers.catalog.spec import StudySpec

TIME = "latency@prefill"


def stacked(together: float, spread: float = 0.01, metric: str = TIME) -> Comparison:
    """A alone takes half, B alone four fifths, so both should take 0.4."""
    stacks: dict[tuple[str, ...], float] = {(): 1.0, ("A",): 0.5, ("B",): 0.8, ("A", "B"): together}
    return study(
        run(" + ".join(found) or "fp32", found, readings={metric: read(1.0)}, effects={metric: over(ratio, spread)})
        for found, ratio in stacks.items()
    )


def drawn(comparison: Comparison, metric: str = "latency") -> Drawing:
    return draw(CHART, comparison, Choice(x=metric))


def test_each_technique_of_a_stack_is_held_against_the_rest() -> None:
    measured = {frozenset(one.parts): (one, one.effects[TIME]) for one in stacked(0.3).runs if one.parts}
    found = list(interactions(measured))
    assert {(one.technique, *one.rest) for one in found} == {("A", "B"), ("B", "A")}
    assert {one.over for one in found} == {quotient(over(0.3), over(0.5), over(0.8))}
    assert [(one.alone.ratio, one.other.ratio) for one in found] == [(0.5, 0.8), (0.8, 0.5)]


@pytest.mark.parametrize(
    ("together", "spread", "word"),
    [(0.3, 0.01, "adds"), (0.5, 0.01, "cancels"), (0.4, 0.005, "independent"), (0.42, 0.05, "undecided")],
)
def test_it_says_whether_one_takes_what_the_other_brought(together: float, spread: float, word: Says) -> None:
    told = drawn(stacked(together, spread))
    figure = told.figure
    assert figure is not None
    assert told.table is not None
    assert {note["text"].partition("<br>")[2] for note in figure["layout"]["annotations"]} == {SIGNS[word]}
    assert {row[3] for row in told.table.rows} == {WORDS[word]}
    assert figure["data"][0]["z"][0][0] is None, "nothing stands on top of itself"


def test_where_more_is_better_a_larger_product_adds() -> None:
    figure = drawn(stacked(0.5, metric="throughput.tokens@prefill"), "throughput.tokens").figure
    assert figure is not None
    assert figure["layout"]["annotations"][0]["text"].endswith("adds")
    assert figure["data"][0]["z"][0][1] > 0


def test_each_interaction_is_judged_by_its_own_margin() -> None:
    """Bytes that never varied beside bytes that did: 1 % more is something in the one, and the same in the other."""
    metric = "memory.peak_allocated@prefill"
    effects = {
        ("A",): over(0.5, 0.0),
        ("B",): over(0.8, 0.0),
        ("A", "B"): over(0.404, 0.0),
        ("C",): over(0.9, 0.001),
        ("A", "C"): over(0.4545, 0.001),
    }
    found = study(
        [run("fp32", readings={metric: read(1.0)})]
        + [
            run("+".join(each), each, readings={metric: read(1.0)}, effects={metric: one})
            for each, one in effects.items()
        ]
    )
    told = drawn(found, "memory.peak_allocated").table
    assert told is not None
    assert {(*row[:2], row[3]) for row in told.rows} == {
        ("A", "B", WORDS["cancels"]),
        ("B", "A", WORDS["cancels"]),
        ("A", "C", WORDS["independent"]),
        ("C", "A", WORDS["independent"]),
    }


def test_scores_of_quality_are_refused_with_the_reason() -> None:
    told = drawn(stacked(0.3, metric="quality.perplexity@quality"), "quality.perplexity")
    assert told.figure is None
    assert "the same items against the same baseline" in (told.reason or "")


def test_a_technique_can_stand_on_a_whole_stack() -> None:
    effects = {("A",): 0.5, ("A", "B"): 0.4, ("C",): 0.9, ("A", "B", "C"): 0.36}
    found = study(
        [run("fp32", readings={TIME: read(1.0)})]
        + [
            run("+".join(each), each, readings={TIME: read(1.0)}, effects={TIME: over(ratio)})
            for each, ratio in effects.items()
        ]
    )
    told = drawn(found)
    assert told.table is not None
    assert [row[:2] for row in told.table.rows] == [("C", "A + B")]
    json.dumps(told.model_dump(), allow_nan=False)


def test_missing_variants_are_named() -> None:
    found = stacked(0.3)
    without = found.model_copy(update={"runs": tuple(one for one in found.runs if one.parts != ("B",))})
    assert "Missing: “B”." in (drawn(without).reason or "")
    fallen = found.model_copy(
        update={
            "runs": tuple(
                one.model_copy(update={"ran": "fell_back"}) if one.parts == ("B",) else one for one in found.runs
            )
        }
    )
    assert "Missing: “B”." in (drawn(fallen).reason or ""), "what fell back was not measured as asked"
    singles = found.model_copy(update={"runs": found.runs[:3]})
    assert "No variant stacks two techniques" in (drawn(singles).reason or "")
    assert "A + B" in (drawn(singles).reason or "")


def test_an_interval_that_reaches_nothing_is_left_out() -> None:
    found = stacked(0.3)
    empty = Ratio(ratio=0.5, low=0.0, high=0.9, verdict="undecided", pairs=1)
    runs = tuple(
        one.model_copy(update={"effects": {TIME: empty}}) if one.parts == ("A",) else one for one in found.runs
    )
    assert "Missing: “A”." in (drawn(found.model_copy(update={"runs": runs})).reason or "")


def test_parts_of_a_stack_are_what_the_baseline_does_not_have() -> None:
    spec = StudySpec.model_validate(demo.order())
    found = {variant.name: parts(variant, spec.baseline) for variant in spec.variants}
    assert found["bf16"] == ("precision bf16",)
    assert found["flash attention"] == ("attention flash",)
    assert found["compile"][-1] == "without precision fp32"
    assert len(found["bf16 + flash + compile"]) == 3
