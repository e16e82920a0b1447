"""Raw samples of a run: every value in its order, warm-up apart, what was set aside shown as such."""

import pytest

from app.charts import samples
from app.charts.drawing import draw_run
from app.study.comparison import compare
from app.study.samples import Samples
from app.study.sittings import Sitting, sitting
from tests import demo

FULL = compare(*demo.rows(demo.order()))


def raw(values: tuple[float, ...], **changes: object) -> Samples:
    taken = {"metric": "latency", "phase": "prefill", "arm": "variant", "pair": 0, "warm_up": False, "contended": False}
    return Samples.model_validate(taken | {"values": values} | changes)


def sat(*rows: Samples) -> Sitting:
    return sitting(FULL, FULL.runs[1], raw=rows)


def test_warm_up_lies_before_step_one_and_is_shaded() -> None:
    drawn = draw_run(
        samples.RUN_CHART,
        sat(
            raw((0.05, 0.03), warm_up=True),
            raw((0.02, 0.021, 0.019)),
            raw((0.09,), warm_up=True, arm="baseline"),
            raw((0.04, 0.041), arm="baseline"),
            raw((0.5, 0.6), contended=True),
            raw((7.0,), metric="cold.load", phase="load"),
        ),
    )
    assert drawn.figure is not None
    baseline, variant, aside = drawn.figure["data"]
    assert variant["x"] == [-2, -1, 0, 1, 2]
    assert baseline["x"] == [-1, 0, 1]
    assert variant["y"][0] / variant["y"][2] == pytest.approx(2.5)
    assert "set aside" in aside["name"]
    assert aside["opacity"] < variant["opacity"]
    (shade,) = drawn.figure["layout"]["shapes"]
    assert (shade["x0"], shade["x1"]) == (-2.5, -0.5)
    assert "5 samples of 2 processes" in drawn.caption
    assert "The 3 of the warm-up are shaded" in drawn.caption
    assert "1 processes were disturbed" in drawn.caption


def test_a_long_run_keeps_its_extremes() -> None:
    long = tuple(9.0 if step == 17_001 else 1.0 + step / 1e6 for step in range(30_000))
    drawn = draw_run(samples.RUN_CHART, sat(raw(long), raw(long, arm="baseline")))
    assert drawn.figure is not None
    assert sum(len(line["x"]) for line in drawn.figure["data"]) <= samples.MOST + 4
    assert all(max(line["y"]) == pytest.approx(9.0) for line in drawn.figure["data"])
    assert drawn.figure["layout"]["shapes"] == []
    assert "No step of a warm-up was kept." in drawn.caption


def test_single_values_are_no_series() -> None:
    drawn = draw_run(samples.RUN_CHART, sat(raw((1.0,))))
    assert drawn.figure is None
    assert drawn.reason
