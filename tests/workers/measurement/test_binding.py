"""A real run with ceilings and a profile: utilisation, what binds, kernels and traces stand in its report."""

import json
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.workers.measurement.program import COMMAND, SPEC, measure
from tests.workers.measurement.test_roofline import CEILINGS
from workers.catalog.ceilings import Products
from workers.catalog.report import BottleneckClass, Report
from workers.measurement import sitting

pytestmark = pytest.mark.long

TRAINING: dict[str, Any] = SPEC | {
    "workload": {"name": "train_step", "batch_size": 8},
    "evaluation": None,
    "profile": True,
}
KNOWN = CEILINGS.model_copy(
    update={
        "products": (
            *CEILINGS.products,
            Products(dtype="bfloat16", size=1024, value=1e12, low=1e12, high=1e12, n=9, seconds=1.0),
        )
    }
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    file = tmp_path_factory.mktemp("known") / "ceilings.json"
    file.write_text(KNOWN.model_dump_json())
    found, _ = measure(TRAINING, "--ceilings", str(file))
    assert found.outcome == "ok", found.message
    return found


def test_every_part_of_a_step_has_its_work_and_its_utilisation(report: Report) -> None:
    found = {(m.metric, m.phase, m.arm): m for m in report.measurements}
    for arm in ("baseline", "variant"):
        flops = {phase: found["compute.flops", phase, arm].value for phase in ("step", "forward", "backward")}
        assert flops["forward"] == 2 * 8 * (3 * 256 * 256 + 256 * 16)
        assert flops["step"] == flops["forward"] + flops["backward"]
        for phase in ("step", "forward", "backward"):
            for metric in ("compute.mfu", "compute.mbu", "compute.intensity", "compute.bandwidth", "compute.rate"):
                assert found[metric, phase, arm].value > 0
        traffic = [found["compute.traffic", phase, arm].value for phase in ("forward", "backward", "optimizer")]
        assert sum(traffic) == found["compute.traffic", "step", arm].value
        least = found["compute.traffic.compulsory", "step", arm]
        assert least.low == least.value == least.high < found["compute.traffic", "step", arm].value
    mfu, rate = found["compute.mfu", "step", "variant"], found["compute.rate", "step", "variant"]
    assert mfu.value == pytest.approx(rate.value / 1e12)


def test_what_binds_is_said_of_both_arms_and_every_part(report: Report) -> None:
    phases = ["step", "forward", "backward", "optimizer"]
    assert [(each.arm, each.phase) for each in report.bottlenecks] == [
        (arm, phase) for arm in ("baseline", "variant") for phase in phases
    ]
    for each in report.bottlenecks:
        assert each.kind in get_args(BottleneckClass)
        assert each.sentence
    assert sitting.NO_CEILINGS not in report.notes


def test_a_profile_was_asked_for_and_is_there(report: Report) -> None:
    assert {kernel.arm for kernel in report.kernels} == {"baseline", "variant"}
    assert any("mm" in kernel.name for kernel in report.kernels)
    assert [(each.name, each.arm) for each in report.artifacts] == [
        ("trace.json", "baseline"),
        ("trace.json", "variant"),
    ]


def test_ceilings_that_cannot_be_used_are_refused_by_name(tmp_path: Path) -> None:
    gpu = tmp_path / "gpu.json"
    gpu.write_text(KNOWN.model_copy(update={"device": "cuda"}).model_dump_json())
    torn = tmp_path / "torn.json"
    torn.write_text("{}")
    for file, reason in (
        (gpu, "is about cuda, the run about cpu"),
        (torn, "dispatch_s: is missing"),
        (tmp_path / "none", "No such"),
    ):
        done = subprocess.run(
            [*COMMAND, "--ceilings", str(file)], input=json.dumps(SPEC), capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "--ceilings" in done.stderr
        assert reason in done.stderr
