"""Side by side: what differs and what it affects, ratios through a common baseline, and the selection as one chart."""

import math
from typing import Any

import pytest

from app.charts import forest
from app.charts.chart import Choice
from app.charts.drawing import draw
from app.study.compare import OWN, Belonging, SideBySide, as_one, between, side_by_side
from app.study.comparison import ComparedRun, compare
from app.study.interaction import quotient
from app.study.verdicts import Ratio
from app.terminal.beside import lines
from tests import demo
from workers.catalog.spec import StudySpec

HERE = {"cpu.model": "EPYC", "torch.version": "2.13.0", "host.name": "one"}
THERE = {"cpu.model": "Xeon", "torch.version": "2.13.0", "host.name": "two"}


def chosen(*names: str, study: str = "01", environment: str = "here", **order: Any) -> list[Belonging]:
    """Runs of a measured study by the names of their variants."""
    row, runs, measurements, effects = demo.rows(demo.order(**order))
    row.id = study
    for run in runs:
        run.environment_id = environment
    found = compare(row, runs, measurements, effects, {"here": HERE, "there": THERE})
    specs = {planned.variant.name: planned.spec for planned in StudySpec.model_validate(row.spec).runs()}

    def of(run: ComparedRun) -> Belonging:
        moved = run.model_copy(update={"run": f"{study}-{run.run}"})
        return Belonging(moved, found, row.model, row.workload, specs[run.variant].model_dump(mode="json"))

    return [of(run) for name in names for run in found.runs if run.variant == name]


def scored(one: Belonging) -> Belonging:
    """The run with a score of quality besides."""
    score = {
        "key": "quality.perplexity@quality",
        "metric": "quality.perplexity",
        "phase": "quality",
        "aspect": "quality",
    }
    quantities = (*one.study.quantities, one.study.quantities[0].model_copy(update=score))
    effects = one.run.effects | {score["key"]: effect(1.02, 0.01)}
    return one._replace(
        run=one.run.model_copy(update={"effects": effects}),
        study=one.study.model_copy(update={"quantities": quantities}),
    )


def beside(*selection: Belonging) -> SideBySide:
    return side_by_side(selection, {"here": HERE, "there": THERE})


def effect(ratio: float, spread: float) -> Ratio:
    """A ratio whose interval reaches ``spread`` to each side on the logarithmic scale."""
    return Ratio(ratio=ratio, low=ratio / math.exp(spread), high=ratio * math.exp(spread), verdict="same", pairs=3)


def test_variants_of_one_study_differ_in_their_stack_alone() -> None:
    side = beside(*chosen("bf16", "compile"))
    assert (side.comparable, side.same_baseline, side.environment) == (True, True, ())
    assert [(one.field, one.affects) for one in side.order] == [("variant.stack", "nothing")]
    assert [(one.letter, one.environment) for one in side.runs] == [("A", 1), ("B", 1)]
    assert side.opens == "latency@prefill"


def test_a_ratio_through_the_baseline_needs_positive_intervals() -> None:
    assert between(effect(0.5, 0.3), effect(0.8, 0.4)) == quotient(effect(0.5, 0.3), effect(0.8, 0.4))
    below = Ratio(ratio=1.0, low=-0.2, high=2.0, verdict="undecided", pairs=3)
    assert between(below, effect(1.0, 0.1)) is None
    assert between(effect(1.0, 0.1), below) is None


def test_scores_of_quality_are_not_held_against_each_other() -> None:
    side = beside(*map(scored, chosen("bf16", "compile")))
    assert all("quality.perplexity@quality" in one.run.effects for one in side.runs)
    assert {one.quantity for one in side.between} == set(side.runs[0].run.effects) - {"quality.perplexity@quality"}


def test_variants_are_held_against_the_first_of_their_study() -> None:
    side = beside(*chosen("bf16", "compile", "int8 weights"), *chosen("bf16", study="02"))
    assert side.pairs == (("B", "A"), ("C", "A"))
    a, b = (one.run.effects["latency@prefill"] for one in side.runs[:2])
    found = side.indirect(("B", "A"), "latency@prefill")
    assert found is not None
    assert found.ratio == pytest.approx(b.ratio / a.ratio)
    assert found.high / found.low > max(a.high / a.low, b.high / b.low)


def test_the_null_test_and_another_point_are_held_against_nothing() -> None:
    assert beside(*chosen("fp32", "bf16")).pairs == ()
    assert beside(*chosen("bf16", sweep={"sequence_length": [128, 512]})).pairs == ()


def test_environments_that_matter_stop_values_and_not_effects() -> None:
    side = beside(*chosen("bf16"), *chosen("bf16", study="02"), *chosen("compile", study="03", environment="there"))
    assert not side.comparable
    assert [(one.number, one.letters) for one in side.environments] == [(1, ("A", "B")), (2, ("C",))]
    assert [(one.field, one.values, one.affects) for one in side.environment] == [
        ("cpu.model", ("EPYC", "Xeon"), "values"),
        ("host.name", ("one", "two"), "nothing"),
    ]
    assert all("latency@prefill" in one.run.effects for one in side.runs)


def test_the_same_study_on_two_machines_is_not_held_against_itself() -> None:
    here, there = chosen("bf16"), chosen("compile", environment="there")
    assert beside(*here, *there).pairs == ()


def test_an_unknown_environment_is_not_called_the_same() -> None:
    known, unknown = chosen("bf16", "compile")
    unknown = unknown._replace(run=unknown.run.model_copy(update={"environment": None}))
    side = beside(known, unknown)
    assert (side.comparable, side.runs[1].environment, side.pairs) == (False, None, ())


def test_orders_say_what_each_difference_affects() -> None:
    other = chosen(
        "bf16",
        study="02",
        workload={"name": "prefill", "batch_size": 4, "sequence_length": 512},
        evaluation=None,
        effort="quick",
        seed=3,
        baseline={"name": "as built", "stack": []},
    )
    side = beside(*chosen("bf16"), *other)
    assert {one.field: one.affects for one in side.order} == {
        "workload.batch_size": "values",
        "seed": "values",
        "baseline.stack": "ratios",
        "evaluation.name": "quality",
        "evaluation.items": "quality",
        "effort": "nothing",
    }
    assert [one.values for one in side.order if one.field == "evaluation.name"] == [("divergence", None)]
    assert (side.comparable, side.same_baseline) == (False, False)


def test_the_forest_draws_every_run_over_its_own_baseline() -> None:
    side = beside(*chosen("bf16", "compile"), *chosen("bf16", study="02", baseline={"name": "as built", "stack": []}))
    drawn = draw(forest.CHART, as_one(side), Choice(x=side.opens))
    assert drawn.figure is not None
    assert [trace["customdata"][0]["run"] for trace in drawn.figure["data"]] == [one.run.run for one in side.runs]
    assert as_one(side).baseline == OWN
    assert "The baselines are not the same" in drawn.caption
    assert "3 pairs" in drawn.figure["data"][0]["hovertext"][0]
    unmeasured = side.runs[2].run.model_copy(update={"effects": {}})
    without = side.model_copy(update={"runs": (*side.runs[:2], side.runs[2].model_copy(update={"run": unmeasured}))})
    assert "Without an effect in it: C · bf16." in draw(forest.CHART, as_one(without), Choice(x=side.opens)).caption


def test_the_terminal_shows_the_same() -> None:
    side = beside(*chosen("bf16"), *chosen("compile", study="02", environment="there"))
    text = list(lines(side.model_dump(mode="json")))
    assert text[0].startswith("A  bf16")
    assert "not comparable as measured: cpu.model" in text
    latency = next(line for line in text if line.startswith("Latency"))
    assert "×0.52" in latency
    assert "faster" in latency
    assert "n 3" in latency
