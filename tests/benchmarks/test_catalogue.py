"""The table of the catalogue has a row for every entry, measured or refused with a reason."""

import pytest

from benchmarks.catalogue import Row, choices, line, measured, rows
from workers import isolation
from workers.catalog.evaluations import EVALUATIONS
from workers.catalog.models import MODELS
from workers.catalog.techniques import TECHNIQUES
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.workloads import WORKLOADS


@pytest.fixture(scope="module")
def every() -> list[Row]:
    return list(rows())


def test_every_entry_of_every_menu_has_a_row(every: list[Row]) -> None:
    entries = {entry.word for menu in (TECHNIQUES, MODELS, WORKLOADS, EVALUATIONS) for entry in menu}
    assert {row.name.split()[0] for row in every} == entries


def test_on_a_cpu_only_what_needs_a_gpu_or_files_is_not_measured(every: list[Row]) -> None:
    left = {row.name: row.reason for row in every if row.spec is None}
    assert set(left) == {"cuda_graphs", "activation_offload", "folder", "hub"}
    assert "runs on cuda" in left["cuda_graphs"]
    assert "missing" in left["hub"]


def test_a_choice_is_a_row(every: list[Row]) -> None:
    assert [entry["implementation"] for entry in choices(KvCache)][:3] == ["off", "dynamic", "static"]
    assert {"kv_cache int8", "precision bf16", "optimizer lion"} <= {row.name for row in every}


def test_what_cannot_be_ordered_is_told(every: list[Row]) -> None:
    refused = next(row for row in every if row.spec is None)
    shown = measured(refused, 1, None, isolation.Stop())  # type: ignore[arg-type]
    assert shown["outcome"] == "refused"
    assert line(shown)[-1] == refused.reason[:110]
