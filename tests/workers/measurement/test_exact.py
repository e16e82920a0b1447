"""A run with effort exact from end to end: the program's report, and what is refused before."""

import json
import subprocess
from typing import Any

import pytest

from tests.workers.measurement.program import COMMAND, FP32, measure
from workers.catalog.applicability import problems
from workers.catalog.report import Report
from workers.catalog.spec import StudySpec

CHECKPOINTED = {"name": "checkpointed", "stack": [{"technique": "gradient_checkpointing"}]}
SPEC: dict[str, Any] = {
    "model": {"name": "reference_decoder"},
    "workload": {"name": "train_step", "batch_size": 2, "sequence_length": 64},
    "baseline": {"name": "fp32", "stack": [FP32]},
    "variant": CHECKPOINTED,
    "effort": "exact",
}
STUDY: dict[str, Any] = {
    "name": "counted",
    **{name: SPEC[name] for name in ("model", "workload", "baseline", "effort")},
    "variants": [CHECKPOINTED],
}


@pytest.fixture(scope="module")
def report() -> Report:
    found, lines = measure(SPEC)
    assert lines[-1]["fraction"] == 1.0
    return found


def test_a_run_counts_both_arms_and_times_nothing(report: Report) -> None:
    assert report.outcome == "ok"
    assert {each.metric.rpartition(".")[0] for each in report.measurements} == {"memory.exact"}
    assert {each.arm for each in report.measurements} == {"baseline", "variant"}
    assert "Counted, not measured" in report.notes[0]
    assert all(each.low == each.value == each.high for each in report.measurements)


def test_the_parts_of_a_peak_add_up_to_it(report: Report) -> None:
    for arm in ("baseline", "variant"):
        for phase in ("step", "forward", "backward", "optimizer"):
            held = {each.metric: each.value for each in report.measurements if (each.arm, each.phase) == (arm, phase)}
            assert held.pop("memory.exact.peak") == sum(held.values())


def test_effects_have_no_width(report: Report) -> None:
    peak = next(each for each in report.effects if (each.metric, each.phase) == ("memory.exact.peak", "step"))
    assert peak.low == peak.ratio == peak.high < 1
    assert peak.verdict == "smaller"
    assert peak.p_value is None


def test_a_technique_that_computes_ends_unsupported() -> None:
    scaled = {"name": "scaled", "stack": [{"technique": "autocast", "dtype": "fp16"}]}
    found, _ = measure(SPEC | {"variant": scaled})
    assert (found.outcome, found.arm) == ("unsupported", "variant")
    assert found.message is not None
    assert "cannot be counted" in found.message


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"device": "cuda"}, "device", "exact_needs_cpu"),
        ({"evaluation": {"name": "divergence"}}, "evaluation", "exact_computes_nothing"),
        ({"profile": True}, "profile", "exact_computes_nothing"),
        ({"workload": {"name": "generate"}, "variants": []}, "workload", "cannot_be_counted"),
        (
            {"variants": [{"name": "compiled", "stack": [{"technique": "torch_compile"}]}]},
            "variants.0.stack.0",
            "cannot_be_counted",
        ),
    ],
    ids=["device", "evaluation", "profile", "workload", "technique"],
)
def test_what_cannot_be_counted_is_refused_by_name(change: dict[str, Any], field: str, code: str) -> None:
    assert problems(StudySpec.model_validate(STUDY)) == []
    found = problems(StudySpec.model_validate(STUDY | change))
    assert [(each.field, each.code) for each in found] == [(field, code)]
    assert found[0].hint
    assert problems(StudySpec.model_validate(STUDY | change | {"effort": "quick"})) == []


def test_the_program_refuses_it_too() -> None:
    done = subprocess.run(
        COMMAND, input=json.dumps(SPEC | {"profile": True}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "profile: Effort exact computes nothing" in done.stderr
