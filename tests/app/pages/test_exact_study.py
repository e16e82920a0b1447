"""A study of effort exact on every page: counted figures are shown, and what was not measured is said to be missing."""

from typing import Any, get_args

import pytest

from app.ordering import menu
from app.pages.study_view import TABS
from tests import demo
from tests.app.pages.conftest import House
from tests.app.pages.test_pages import read
from tests.doubles import WorkerDouble
from workers.catalog import metrics
from workers.catalog.report import Arm, Effect, Measurement, Report
from workers.catalog.spec import Effort

GIB = 2**30
PARTS = {
    metrics.MEMORY_EXACT_PARAMETERS: 15,
    metrics.MEMORY_EXACT_GRADIENTS: 0,
    metrics.MEMORY_EXACT_OPTIMIZER: 30,
    metrics.MEMORY_EXACT_ACTIVATIONS: 40,
    metrics.MEMORY_EXACT_TEMPORARY: 5,
    metrics.MEMORY_EXACT_OTHER: 1,
}
ORDER: dict[str, Any] = {
    "name": "counted",
    "model": {"name": "llama", "preset": "8b"},
    "workload": {"name": "train_step", "batch_size": 4, "sequence_length": 2_048},
    "baseline": {"name": "bf16", "stack": [{"technique": "precision", "dtype": "bf16"}]},
    "variants": [
        {
            "name": "checkpointed",
            "stack": [{"technique": "precision", "dtype": "bf16"}, {"technique": "gradient_checkpointing"}],
        }
    ],
    "effort": "exact",
}


def counted(less: float) -> Report:
    """What a run of effort exact brings back; the variant has so much less of activations."""

    def of(arm: Arm, activations: float) -> list[Measurement]:
        held = {metric: size * GIB for metric, size in PARTS.items()}
        held[metrics.MEMORY_EXACT_ACTIVATIONS] = int(held[metrics.MEMORY_EXACT_ACTIVATIONS] * activations)
        held = {metrics.MEMORY_EXACT_PEAK: sum(held.values()), **held}
        return [
            Measurement(metric=metric.name, phase="step", arm=arm, value=size, low=size, high=size, unit="B", n=1)
            for metric, size in held.items()
        ]

    both = [*of("baseline", 1.0), *of("variant", less)]
    peaks = [each.value for each in both if each.metric == metrics.MEMORY_EXACT_PEAK.name]
    ratio = peaks[1] / peaks[0]
    effect = Effect(
        metric=metrics.MEMORY_EXACT_PEAK.name, phase="step", ratio=ratio, low=ratio, high=ratio,
        verdict="smaller" if ratio < 1 else "same", pairs=1,
    )  # fmt: skip
    return Report(
        outcome="ok", measurements=tuple(both), effects=(effect,), notes=("Counted, not measured.",), seconds=14
    )


@pytest.fixture
def study(house: House) -> str:
    """Its id; the null test and the variant are done."""
    stored = demo.submit(house.database, ORDER, house.owner_id)
    worker = WorkerDouble(house.database)
    runs = house.browser.get(f"/api/v1/studies/{stored}").json()["runs"]
    for run, less in zip(runs, (1.0, 0.25), strict=True):
        worker.finish(worker.claim(run["id"]), counted(less))
    return stored


@pytest.mark.parametrize("tab", [name for name, _ in TABS])
def test_every_tab_is_there(house: House, study: str, tab: str) -> None:
    assert "counted" in read(house, f"/studies/{study}?tab={tab}")


def test_what_was_counted_is_shown_by_its_own_name(house: House, study: str) -> None:
    told = house.browser.get(f"/api/v1/studies/{study}").json()
    assert told["state"] == "done"
    variant = next(run for run in told["runs"] if run["variant"] == "checkpointed")
    peak = next(each for each in variant["effects"] if each["metric"] == "memory.exact.peak")
    assert peak["verdict"] == "smaller"
    assert {each["metric"] for each in variant["measurements"]} == {"memory.exact.peak", *(part.name for part in PARTS)}
    page = read(house, f"/studies/{study}")
    assert "Exact peak" in page
    run = read(house, f"/runs/{variant['id']}")
    assert "Exact peak" in run
    assert "Activations at the exact peak" in run
    assert "Counted, not measured." in run


def test_its_parts_and_its_gain_are_shown(house: House, study: str) -> None:
    page = read(house, f"/studies/{study}?tab=memory")
    assert "No run took the peak of its memory apart." not in page
    assert "No run measured its memory." not in page
    assert "No decided gain" not in page
    assert "A trade-off needs two kinds of figures" in read(house, f"/studies/{study}")
    figure = house.browser.get(f"/api/v1/studies/{study}/charts/anatomy").json()["figure"]
    of_variant = {trace["name"]: trace["x"][1] for trace in figure["data"]}
    assert of_variant == {"weights": 15, "optimizer states": 30, "activations": 10, "temporary": 5, "other": 1}


def test_it_is_never_pooled_with_what_was_measured(house: House, study: str) -> None:
    found = house.browser.get("/api/v1/explore").json()
    assert {row["effort"] for row in found["items"]} == {"exact"}
    for address in ("/explore", "/techniques/gradient_checkpointing", "/hardware", "/coverage", "/"):
        assert read(house, address)


def test_the_form_offers_every_effort() -> None:
    assert set(menu.menu()["efforts"]) == set(get_args(Effort))
