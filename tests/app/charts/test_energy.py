"""Energy: joules with their method, a cost only at the reader's price, and why there is none."""

import pytest

from app.charts.chart import Choice
from app.charts.drawing import draw
from app.charts.energy import CHART
from app.study.comparison import Comparison
from app.study.environments import Change, Elsewhere
from tests.app.charts.handmade import over, read, run, study

TOKEN, STEP = "energy.token@prefill", "energy.step@prefill"
METHOD = "NVML total-energy counter of the whole GPU"


def measured() -> Comparison:
    return study(
        run(
            name,
            parts,
            readings={TOKEN: read(joules, 0.1), STEP: read(joules * 512, 0.1), "power.mean@prefill": read(300.0)},
            effects={TOKEN: over(joules / 3.6)},
            energy_method=METHOD,
        )
        for name, parts, joules in (("fp32", (), 3.6), ("bf16", ("precision bf16",), 1.8))
    )


def test_each_variant_has_an_interval_and_its_method() -> None:
    drawn = draw(CHART, measured(), Choice())
    assert drawn.figure is not None
    bf16 = drawn.figure["data"][1]
    assert bf16["x"] == [pytest.approx(1.8)]
    assert bf16["error_x"]["array"] == [pytest.approx(0.18)]
    assert METHOD in bf16["hovertext"][0]
    assert "n\u202f=\u202f40" in bf16["hovertext"][0]
    assert METHOD in drawn.caption
    assert "Cost" not in drawn.caption


def test_a_price_gives_a_cost_and_nothing_else_does() -> None:
    drawn = draw(CHART, measured(), Choice(price=0.30))
    assert drawn.table is not None
    # 1.8 J a token are 0.5 kWh for a million of them.
    assert drawn.table.rows[1][3] == "0.150 (0.135–0.165) per million tokens"
    without = draw(CHART, measured(), Choice()).table
    assert without is not None
    assert without.columns == ("Variant", "Energy per token", "Read by")


def test_a_step_can_be_picked_and_time_cannot() -> None:
    drawn = draw(CHART, measured(), Choice(x="energy.step", price=1.0))
    assert drawn.table is not None
    assert drawn.table.rows[0][3].endswith("per thousand steps")
    refused = draw(CHART, measured(), Choice(x="power.mean"))
    assert refused.figure is None
    assert "no amount of energy" in (refused.reason or "")


def test_no_counter_says_why() -> None:
    blind = study(
        [run("fp32", readings={"latency@prefill": read(1.0)}, energy_method="not measurable here: no counter is there")]
    )
    assert draw(CHART, blind, Choice()).reason == "Not measurable here: no counter is there."


def test_joules_of_different_methods_are_ratios_unless_asked_for() -> None:
    found = measured()
    change = Change(field="energy.method", before="NVML", after="RAPL", matters=True, reason="Not the same quantity.")
    other = Elsewhere(environment="b", number=2, runs=(found.runs[1].run,), against="a", changes=(change,))
    mixed = found.model_copy(
        update={
            "elsewhere": (other,),
            "runs": (found.runs[0].model_copy(update={"effects": {TOKEN: over(1.0)}}), found.runs[1]),
        }
    )
    assert draw(CHART, mixed, Choice(price=0.3)).scale == "ratio"
    assert "Ratios have no cost" in draw(CHART, mixed, Choice(price=0.3)).caption
    assert "environments that differ" in (draw(CHART, mixed, Choice(scale="measured")).reason or "")
