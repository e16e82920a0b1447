"""Nothing is drawn without n, interval and environment: they stand below every chart, whatever it shows."""

import re
from collections.abc import Iterator, Mapping

import pytest

from app.charts import CHARTS, RUN_CHARTS, forest, trade_off
from app.charts.basis import MOST, behind, counted, environments, rests_on
from app.charts.chart import CeilingsChart, Chart, Choice, RunChart, SamplesChart, StudyChart
from app.charts.drawing import Drawing, draw, draw_run, finished
from app.study.comparison import ComparedRun, Comparison, compare
from app.study.samples import Samples
from app.study.sittings import Series, sitting
from tests import demo
from tests.app.charts.handmade import over, read, run, study
from tests.workers.catalog.test_ceilings import MEASURED

MACHINE = {"cpu.model": "AMD EPYC 9B45", "torch.version": "2.13.0"}
TOLD = re.compile(r"n\u202f=\u202f[\d,–]+ \w+.*; .*interval.*; environment: AMD EPYC 9B45, torch 2\.13\.0\.$")
TIME, PEAK, SCORE = "latency@prefill", "memory.peak_allocated@prefill", "quality.perplexity@quality"
PARTS = {"memory.peak.weights@prefill": 3e6, "memory.peak.other@prefill": 1e6}


def measured() -> Comparison:
    """A study that every chart can show: stacks and their parts, two lengths, scores, work and energy."""
    stacks = {"fp32": (), "bf16": ("precision bf16",), "flash": ("flash",), "both": ("flash", "precision bf16")}
    return study(
        run(
            name,
            parts,
            readings={
                TIME: read(0.02 / factor, 0.01),
                PEAK: read(4e6 / factor, n=3),
                SCORE: read(10.0, 0.01, 512, "item"),
                "compute.intensity@prefill": read(4.0, n=1),
                "compute.rate@prefill": read(30.0 * factor, 0.05),
                "energy.token@prefill": read(0.4, 0.05),
                **{key: read(value, n=3) for key, value in PARTS.items()},
            },
            beside={TIME: read(0.02), **{key: read(value, n=3) for key, value in PARTS.items()}},
            effects={TIME: over(1 / factor), PEAK: over(1 / factor, 0.0), SCORE: over(1.0 + factor / 100, items=512)},
            point={"sequence_length": length},
            environment="a1",
            measured_on="AMD EPYC 9B45, torch 2.13.0",
        )
        for length in (128, 512)
        for factor, (name, parts) in enumerate(stacks.items(), start=1)
    )


FOUND = measured()
BF16 = FOUND.runs[1]


def taken() -> Mapping[str, tuple[Samples, ...]]:
    told = {"metric": "latency", "phase": "prefill", "pair": 0, "warm_up": False, "contended": False}
    arms = ("baseline", "variant")
    rows = tuple(Samples.model_validate(told | {"arm": arm, "values": (0.01, 0.02, 0.015)}) for arm in arms)
    return {one.run: rows for one in FOUND.runs}


def drawn(chart: StudyChart) -> Drawing:
    match chart:
        case SamplesChart():
            return finished(chart, chart.figure(FOUND, Choice(), taken()))
        case CeilingsChart():
            return finished(chart, chart.figure(FOUND, Choice(), {one.run: MEASURED for one in FOUND.runs}))
        case Chart():
            return draw(chart, FOUND, Choice())


@pytest.mark.parametrize("chart", [*CHARTS, forest.CHART], ids=lambda chart: chart.name)
def test_below_every_chart_of_a_study(chart: StudyChart) -> None:
    found = draw(forest.CHART, FOUND, Choice(x=TIME)) if chart is forest.CHART else drawn(chart)
    assert found.figure is not None, found.reason
    assert TOLD.search(found.caption), found.caption
    assert "meta" not in found.figure["layout"]


@pytest.mark.parametrize("chart", RUN_CHARTS, ids=lambda chart: chart.name)
def test_below_every_chart_of_a_run(chart: RunChart) -> None:
    series = Series(metric="memory.allocated", phase="prefill", arm="variant", at_s=(0.0, 1.0), values=(1e6, 2e6))
    losses = [one for arm in ("baseline", "variant") for one in _losses(arm)]
    found = draw_run(chart, sitting(FOUND, BF16, (series,), (*taken()[BF16.run], *losses)))
    assert found.figure is not None, found.reason
    assert TOLD.search(found.caption), found.caption


def _losses(arm: str) -> tuple[Samples, ...]:
    """Of two trainings of two steps."""
    told = {"phase": "quality", "arm": arm, "pair": 0, "warm_up": False, "contended": False}
    return tuple(
        Samples.model_validate(told | {"metric": metric, "values": values})
        for metric, values in (("quality.loss", (1.0, 0.5, 1.1, 0.6)), ("quality.final_loss", (0.5, 0.6)))
    )


def test_counts_are_one_number_or_a_span() -> None:
    assert counted([3, 3], "pair") == "n\u202f=\u202f3 pairs"
    assert counted([8, 3, 1_200], "sample", "a line") == "n\u202f=\u202f3–1,200 samples a line"
    assert counted([1], "run") == "n\u202f=\u202f1 run"


def test_what_counts_differently_is_told_apart() -> None:
    scored, timed = over(1.1, items=1_200).reading, [over(0.5).reading, over(0.7).reading]
    assert rests_on([*timed, scored]) == "n\u202f=\u202f3 pairs or 1,200 items"
    assert rests_on([read(1.0, n=60), read(1.0, n=1)]) == "n\u202f=\u202f1–60 values"
    assert [behind(one) for one in (timed[0], scored, read(1.0, n=1_440))] == ["3 pairs", "1,200 items", "1,440"]
    drawn = draw(trade_off.CHART, FOUND, Choice(x=TIME, y=SCORE, scale="ratio"))
    assert drawn.figure is not None, drawn.reason
    assert "n\u202f=\u202f3 pairs or 512 items;" in drawn.caption
    told = [text for trace in drawn.figure["data"] for text in trace.get("hovertext", ()) if "bf16" in text]
    assert told
    assert all("3 pairs" in text and "512 items" in text for text in told)


def others(count: int) -> Iterator[ComparedRun]:
    for number in range(count):
        yield BF16.model_copy(update={"environment": f"e{number}", "measured_on": f"machine {number}"})


def test_several_environments_are_counted_and_the_first_are_named() -> None:
    untold = BF16.model_copy(update={"environment": None, "measured_on": None})
    nameless = BF16.model_copy(update={"measured_on": None})
    assert environments([untold]) == "environment: not told"
    assert environments([nameless]) == "environment: a1"
    assert environments([*others(2), untold]) == "2 environments: machine 0; machine 1; of some runs not told"
    many = environments(others(MOST + 2))
    assert many.startswith(f"{MOST + 2} environments: machine 0; ")
    assert many.endswith("machine 2 and 2 more")


def test_the_environment_of_a_stored_run_is_named_by_its_fields() -> None:
    study_, runs, measurements, effects = demo.rows(demo.order())
    for one in runs:
        one.environment_id = "a1"
    found = compare(study_, runs, measurements, effects, {"a1": MACHINE})
    assert environments(found.runs) == "environment: AMD EPYC 9B45, torch 2.13.0"
