"""Two fingerprints: what differs, what matters, and that nothing which matters is overlooked."""

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from workers.catalog.environment import ABSENT, RULES, Change, comparable, difference, rule_of

STORED: dict[str, JsonValue] = json.loads((Path(__file__).parent / "environment.json").read_text(encoding="utf-8"))
"""The fingerprint of a run on a processor, with fields of a GPU as a driver tells them, as a report brought it."""

SEEDED: tuple[tuple[str, JsonValue], ...] = (
    ("torch.threads", 1),
    ("cpu.governor", "powersave"),
    ("torch.version", "2.12.1+cpu"),
    ("package.transformers", "4.57.0"),
    ("run.seed", 1),
    ("gpu.driver", "580.65.06"),
    ("gpu.power_cap_w", 500.0),
    ("cpu.model", "AMD EPYC 9B14"),
    ("cpu.microcode", "0x1000066"),
    ("limit.cpu", 1.5),
    ("variable.OMP_WAIT_POLICY", "ACTIVE"),
    ("cpu.mitigations", "spectre_v2: Vulnerable"),
    ("cpu.flags", "avx avx2 avx512f f16c fma"),
    ("os.kernel", "6.12.44-fc-v657"),
    ("os.boot_options", "isolcpus=1"),
    ("memory.huge_pages", "[always] madvise never"),
    ("memory.total_bytes", 8_589_934_592),
    ("torch.fp32_precision", "tf32"),
    ("torch.deterministic", True),
    ("library.onednn", "v3.11.0"),
    ("library.openmp_runtime", "libiomp5.so"),
    ("allocator.host", "libjemalloc.so.2"),
    ("gpu.name", "NVIDIA H100 80GB HBM3"),
    ("gpu.ecc", False),
    ("gpu.mig", True),
    ("python.version", "3.12.3"),
    ("energy.method", "RAPL package counter of 1 CPU package"),
)
HARMLESS: tuple[tuple[str, JsonValue], ...] = (
    ("host.name", "another"),
    ("tradespace.commit", "0" * 40),
    ("os.kernel", "6.18.45-fc-v658"),
    ("os.release", "Debian GNU/Linux 12 (bookworm, patched)"),
    ("python.version", "3.11.9"),
    ("memory.total_bytes", 25_276_510_208 - 1_000_000),
    ("package.pydantic", "2.99.0"),
    ("gpu.uuid", "GPU-00000000-0000-0000-0000-000000000000"),
)


@pytest.mark.parametrize(("field", "value"), SEEDED, ids=lambda value: str(value)[:40])
def test_a_difference_that_matters_is_flagged(field: str, value: JsonValue) -> None:
    assert field in STORED, "a stored fingerprint has the field"
    (change,) = difference(STORED, STORED | {field: value})
    assert change[:4] == (field, STORED[field], value, "matters")
    assert change.reason.endswith(".")
    assert not comparable(STORED, STORED | {field: value})


@pytest.mark.parametrize(("field", "value"), HARMLESS, ids=lambda value: str(value)[:40])
def test_a_harmless_difference_is_told_and_does_not_stand_in_the_way(field: str, value: JsonValue) -> None:
    (change,) = difference(STORED, STORED | {field: value})
    assert (change.field, change.matters) == (field, "minor")
    assert comparable(STORED, STORED | {field: value})


def test_a_fingerprint_has_at_least_forty_fields_and_equals_itself() -> None:
    assert len([name for name in STORED if not name.startswith("state.")]) >= 40
    assert difference(STORED, dict(STORED)) == ()
    assert comparable(STORED, STORED)


def test_what_changes_while_a_machine_runs_is_no_difference() -> None:
    assert difference(STORED, STORED | {"state.start.load": 9.0, "state.gpu.measure.end.temperature_c": 80}) == ()


def test_those_that_matter_come_first() -> None:
    changes = difference(STORED, STORED | {"host.name": "a", "torch.threads": 1, "cpu.model": "b"})
    assert [change.field for change in changes] == ["cpu.model", "torch.threads", "host.name"]


def test_a_field_that_an_older_fingerprint_did_not_have_is_minor() -> None:
    older = {name: value for name, value in STORED.items() if name != "cpu.numa_nodes"}
    assert difference(older, STORED) == (Change("cpu.numa_nodes", None, STORED["cpu.numa_nodes"], "minor", ABSENT),)


def test_a_processor_is_not_a_gpu() -> None:
    processor = {name: value for name, value in STORED.items() if not name.startswith("gpu.")}
    assert not comparable(processor, STORED)
    assert difference(processor, STORED)[0].field == "gpu.name"


def test_a_variable_that_is_set_differs_from_one_that_is_not() -> None:
    assert STORED["variable.OMP_NUM_THREADS"] is None
    assert not comparable(STORED, STORED | {"variable.OMP_NUM_THREADS": "1"})


def test_of_a_field_that_nothing_is_known_about_the_worst_is_assumed() -> None:
    assert not comparable({"new.field": 1}, {"new.field": 2})


def test_every_field_of_a_fingerprint_has_a_rule_of_its_own_or_of_its_kind() -> None:
    assert [name for name in STORED if not name.startswith("state.") and not rule_of(name).field] == []
    assert len({rule.field for rule in RULES}) == len(RULES)
