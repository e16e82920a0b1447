"""Distribution: shares of raw samples, samples in their order, and no percentile that they cannot carry."""

import json
import random

import pytest

from app.charts.chart import Choice, NotDrawn
from app.charts.distribution import CHART, MOST, figure, percentile
from app.study.comparison import Comparison, compare
from app.study.samples import Samples
from tests import demo
from tests.app.charts.handmade import over, read, run, study

TIME = "latency@prefill"
FOUND = study(
    run(name, parts, readings={TIME: read(0.01, 0.02)}, beside={TIME: read(0.02)}, effects={TIME: over(0.5)})
    for name, parts in (("fp32", ()), ("bf16", ("precision bf16",)))
)
BF16 = FOUND.runs[1].run


def samples(n: int = 1_000, pairs: int = 2) -> dict[str, list[Samples]]:
    """Of bf16: a slow warm-up, then steps of about 10 ms against 20 ms; in the second pair the machine is twice as slow."""
    dice = random.Random(7)
    found = []
    for pair in range(pairs):
        for arm, seconds in (("baseline", 0.02), ("variant", 0.01)):
            slow = seconds * (1 + pair)
            steady = tuple(slow * dice.uniform(0.9, 1.1) for _ in range(n // pairs))
            found += [taken((slow * 50, slow * 2), arm, pair, warm_up=True), taken(steady, arm, pair)]
    return {BF16: [*found, taken((9.0, 9.0, 9.0), "variant", 1, contended=True)]}


def taken(values: tuple[float, ...], arm: str, pair: int, **more: bool) -> Samples:
    told = {"metric": "latency", "phase": "prefill", "arm": arm, "pair": pair, "warm_up": False, "contended": False}
    return Samples.model_validate(told | {"values": values} | more)


def test_a_percentile_needs_ten_samples_beyond_it() -> None:
    ordered = [float(value) for value in range(1, 1_001)]
    assert percentile(ordered, 0.99) == 990.0
    assert percentile(ordered[:999], 0.99) is None
    assert percentile(ordered[:20], 0.5) == 10.0
    assert percentile(ordered[:19], 0.5) is None


def test_shares_rise_to_one_without_warm_up_and_without_disturbed_pairs() -> None:
    drawn = figure(FOUND, Choice(), samples())
    baseline, variant = drawn["data"]
    assert (baseline["name"], variant["name"]) == ("fp32 beside bf16", "bf16")
    assert baseline["line"]["dash"] == "dot"
    assert variant["y"] == sorted(variant["y"])
    assert variant["y"][-1] == 1.0
    assert len(variant["x"]) <= MOST
    assert max(variant["x"]) < 0.03 * 1_000, "neither the warm-up nor the 9 s of the disturbed pair"
    assert all("n\u202f=\u202f1,000 samples" in text for text in variant["hovertext"])
    assert "(9.80–10.2)" in variant["hovertext"][0], "the run's own interval"
    assert "Left out: 3 samples" in drawn["layout"]["meta"]["caption"]
    json.dumps(drawn, allow_nan=False)


def test_the_table_refuses_percentiles_of_few_samples() -> None:
    columns, rows = (
        figure(FOUND, Choice(), samples(n=100))["layout"]["meta"]["table"][part] for part in ("columns", "rows")
    )
    told = dict(zip(columns, rows[1], strict=True))
    assert told["n"] == "100"
    assert told["Warm-up"] == "4"
    assert told["90 %"] != "n too small"
    assert told["95 %"] == told["99 %"] == "n too small"


def test_ratios_are_over_the_baseline_of_the_same_pair() -> None:
    drawn = figure(FOUND, Choice(scale="ratio"), samples())
    variant = drawn["data"][1]
    # The machine was twice as slow in the second pair; over the baseline beside it that does not show.
    assert 0.44 < min(variant["x"]) < max(variant["x"]) < 0.56


def test_over_time_the_warm_up_is_hollow_and_pairs_follow_each_other() -> None:
    drawn = figure(FOUND, Choice(view="over_time"), samples(n=100))
    traces = {trace["name"]: trace for trace in drawn["data"]}
    warm, steady = traces["bf16, warm-up"], traces["bf16"]
    assert warm["x"] == [0.0, 1.0, 52.0, 53.0]
    assert warm["y"][0] == pytest.approx(10 * steady["y"][0] * 5, rel=0.2)
    assert warm["marker"]["symbol"].endswith("-open")
    assert steady["x"] == [float(number) for number in (*range(2, 52), *range(54, 104))]
    assert "Hollow: warm-up" in drawn["layout"]["meta"]["caption"]
    json.dumps(drawn, allow_nan=False)


def test_without_samples_or_figures_it_says_so() -> None:
    with pytest.raises(NotDrawn, match="brought raw samples"):
        figure(FOUND, Choice(), {})
    with pytest.raises(NotDrawn, match="Nothing has been measured yet"):
        CHART.wanted(compare(*demo.rows(demo.order(), measured=False)), Choice())


def test_names_stay_text() -> None:
    hostile: Comparison = FOUND.model_copy(
        update={"runs": (FOUND.runs[0], FOUND.runs[1].model_copy(update={"variant": "<a href='x'>&amp;"}))}
    )
    for choice in (Choice(), Choice(view="over_time")):
        drawn = figure(hostile, choice, samples(n=100))
        assert "<a" not in json.dumps([drawn["data"], drawn["layout"]["annotations"]])
