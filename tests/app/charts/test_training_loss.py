"""Training loss: a line for each arm over the steps, the mean of its trainings, which are drawn faintly."""

import math

import pytest

from app.charts.drawing import draw_run
from app.charts.training_loss import RUN_CHART
from app.study.samples import Samples
from app.study.sittings import sitting
from tests.app.charts.test_charts import FULL
from workers.catalog.report import Arm

BASELINE, VARIANT = [[4.0, 2.0, 1.0], [9.0, 3.0, 1.0]], [[4.0, 2.2, 1.5], [9.0, 3.3, 1.5]]


def kept(arm: Arm, curves: list[list[float]], ends: int = 2) -> tuple[Samples, ...]:
    def of(metric: str, values: list[float]) -> Samples:
        logarithms = tuple(math.log(value) for value in values)
        return Samples(
            metric=metric, phase="quality", arm=arm, pair=0, warm_up=False, contended=False, values=logarithms
        )

    losses = [loss for curve in curves for loss in curve]
    return of("quality.loss", losses), of("quality.final_loss", [curve[-1] for curve in curves][:1] * ends)


def test_arms_are_lines_over_the_steps() -> None:
    raw = (*kept("baseline", BASELINE), *kept("variant", VARIANT))
    drawn = draw_run(RUN_CHART, sitting(FULL, FULL.runs[1], (), raw))
    assert drawn.figure is not None
    strong = [line for line in drawn.figure["data"] if line["opacity"] == 1.0]
    assert [line["x"] for line in strong] == [[1.0, 2.0, 3.0]] * 2
    assert strong[0]["y"] == pytest.approx([6.0, math.sqrt(6.0), 1.0])
    assert strong[1]["y"] == pytest.approx([6.0, math.sqrt(2.2 * 3.3), 1.5])
    assert [line["line"]["dash"] for line in strong] == ["dot", "solid"]
    assert len(drawn.figure["data"]) == 2 + 4
    assert "Mean of 2 trainings" in drawn.caption


def test_losses_that_are_not_all_there_are_not_drawn() -> None:
    whole, thinned = kept("baseline", BASELINE), kept("variant", VARIANT, ends=4)
    reasons = [draw_run(RUN_CHART, sitting(FULL, FULL.runs[1], (), raw)).reason for raw in (whole, (*whole, *thinned))]
    assert "no losses" in str(reasons[0])
    assert "cannot be told" in str(reasons[1])
