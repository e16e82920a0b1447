"""The plane of the trade-off: budgets in an address, who is left, whose front it is, colour and size, and its picture."""

import json
from typing import Any

import pytest

from app.charts import trade_off
from app.charts.chart import Choice, NotDrawn, UnknownQuantity
from app.charts.drawing import Drawing, draw
from app.charts.plane import drift, plane
from app.charts.still import still
from app.study import limits
from app.study.comparison import compare
from tests import demo

FULL = compare(*demo.rows(demo.order()))
PEAK, LATENCY, KL = "memory.peak_allocated@prefill", "latency@prefill", "quality.kl_divergence@quality"


def asked(address: dict[str, str], **more: Any) -> Choice:
    return Choice(limits=limits.read(address.items()), **more)


def drawn(choice: Choice) -> Drawing:
    found = draw(trade_off.CHART, FULL, choice)
    assert found.figure is not None
    return found


def test_a_budget_removes_what_is_over_it_and_the_front_is_of_the_rest() -> None:
    before, after = plane(FULL, Choice()), plane(FULL, asked({f"max.{PEAK}": "2.7e7"}))
    names = {spot.run: spot.variant for spot in after.spots}
    assert [names[run] for run in before.front or ()] == ["bf16 + flash + compile", "int8 weights"]
    over = {spot.variant for spot in after.spots if spot.standing == "over"}
    assert over == {"fp32", "bf16", "flash attention", "compile"}
    assert after.fitting == 2
    (budget,) = (budget for budget in after.budgets if budget.weighed)
    assert budget.weighed is not None
    assert (budget.weighed.removes, budget.weighed.gains) == (4, 1)
    assert budget.weighed.next_value == pytest.approx(5.2e7 * 0.55, rel=1e-3)
    tighter = plane(FULL, asked({f"max.{PEAK}": "2.4e7"}))
    assert [names[run] for run in tighter.front or ()] == ["int8 weights"]


def test_faded_points_say_why_and_the_axes_stay() -> None:
    before, after = drawn(Choice()), drawn(asked({f"max.{KL}": "1e-6"}))
    assert before.figure is not None
    assert after.figure is not None
    assert before.figure["layout"]["xaxis"] == after.figure["layout"]["xaxis"]
    int8 = next(trace for trace in after.figure["data"] if trace["name"] == "quantization")
    assert int8["marker"]["opacity"] == [trade_off.OPACITY["over"]]
    assert "over budget: KL divergence" in int8["hovertext"][0]
    assert "3 of 6 options keep the budget." in after.caption


def test_nothing_left_is_said() -> None:
    found = drawn(asked({f"max.{PEAK}": "1"}))
    assert found.caption.startswith("No option is left for a front. 0 of 6 options keep the budget.")
    assert found.plane is not None
    assert found.plane.front == ()


def test_what_fell_back_is_no_option() -> None:
    study, runs, measurements, stored = demo.rows(demo.order())
    next(run for run in runs if run.variant == "int8 weights").ran = "fell_back"
    found = plane(compare(study, runs, measurements, stored), asked({f"max.{PEAK}": "2.7e7"}))
    assert (found.options, found.fitting) == (5, 1)


def test_budgets_are_offered_of_what_was_measured() -> None:
    found = plane(FULL, asked({"max.cold_start.first_call": "1"}))
    assert [budget.field for budget in found.budgets] == [
        f"max.{PEAK}",
        f"max.{LATENCY}",
        f"max.{KL}",
        "max.cold_start.first_call@first_call",
    ]


def test_values_of_other_environments_are_under_no_budget() -> None:
    study, runs, measurements, stored = demo.rows(demo.order())
    for run in runs:
        run.environment_id = "b" if run.variant == "compile" else "a"
    mixed = compare(study, runs, measurements, stored, {"a": {"cpu.model": "EPYC"}, "b": {"cpu.model": "Xeon"}})
    found = plane(mixed, asked({f"max.{PEAK}": "1"}))
    assert (found.budgets, found.fitting) == ((), 6)
    assert "environments that differ" in (found.no_budgets or "")
    assert plane(mixed, asked({f"max.{PEAK}": "1"}, across_environments=True)).fitting == 0


def test_a_budget_for_what_was_not_measured_or_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(UnknownQuantity) as unknown:
        plane(FULL, asked({"max.energy.step": "1"}))
    assert unknown.value.field == "max.energy.step"
    with pytest.raises(NotDrawn, match=r"written min\.quality\.top1_agreement@quality"):
        plane(FULL, asked({"max.quality.top1_agreement": "0.9"}))


def test_colour_and_size_show_two_more_quantities() -> None:
    found = drawn(Choice(colour="quality.kl_divergence", size="memory.weights"))
    assert found.figure is not None
    json.dumps(found.model_dump(mode="json"), allow_nan=False)
    assert "KL divergence" in found.figure["layout"]["coloraxis"]["colorbar"]["title"]["text"]
    shades = found.figure["layout"]["coloraxis"]
    assert (shades["cmin"], shades["cmax"]) == pytest.approx((0.0, 9.4e-4), rel=1e-6)
    traces = {trace["name"]: trace for trace in found.figure["data"]}
    assert traces["precision"]["marker"]["coloraxis"] == "coloraxis"
    assert traces["quantization"]["marker"]["color"][0] > traces["precision"]["marker"]["color"][0]
    assert traces["quantization"]["marker"]["size"][0] < traces["precision"]["marker"]["size"][0]
    assert "KL divergence: 9.4×10⁻⁴" in traces["quantization"]["hovertext"][0]


def test_the_picture_shows_what_the_figure_shows_and_zooms() -> None:
    found = drawn(Choice())
    picture = still(found)
    assert {point.name for point in picture.points} == {
        spot.variant for spot in (found.plane or plane(FULL, Choice())).spots
    }
    left, top, right, bottom = picture.box
    for point in picture.points:
        assert left <= point.x_bar[0] <= point.x <= point.x_bar[1] <= right
        assert top <= point.y <= bottom
    assert len(picture.across) >= 3
    assert picture.front
    assert {point.name for point in still(found, "0.3,0.6").points} == {"bf16", "bf16 + flash + compile"}


@pytest.mark.parametrize(("times", "share", "told"), [(1.11, 0.11, "11"), (3.0, 2.0, "200"), (1.015, 0.0, None)])
def test_values_of_sittings_whose_baselines_differ_are_told(times: float, share: float, told: str | None) -> None:
    study, runs, measurements, stored = demo.rows(demo.order())
    later = next(run.id for run in runs if run.variant == "bf16")
    for row in measurements:
        if (row.run_id, row.arm, row.metric) == (later, "baseline", "latency"):
            row.value *= times
    apart = compare(study, runs, measurements, stored)
    across = apart.quantity(LATENCY)
    assert across is not None
    assert drift(apart.runs, across) == pytest.approx(share)
    says = f"baselines differ by up to {told}\u202f%; ratios over the baseline do not." if told else "sittings"
    assert (says in draw(trade_off.CHART, apart, Choice(scale="measured")).caption) == (told is not None)
    assert "sittings" not in draw(trade_off.CHART, apart, Choice(scale="ratio")).caption


def test_a_baseline_of_zero_has_no_share() -> None:
    across = FULL.quantity(LATENCY)
    assert across is not None
    first, second = (run for run in FULL.runs if run.variant in ("bf16", "compile"))
    zero = first.beside[LATENCY].model_copy(update={"value": 0.0})
    assert drift([first.model_copy(update={"beside": {LATENCY: zero}}), second], across) == 0.0
    assert drift([], across) == 0.0
