"""The program from end to end, as a process: what it prints, how it ends, and what each way of failing becomes."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workers.measurement.program import BF16, COMMAND, FP32, SPEC, arms, hurt, measure
from workers.catalog import metrics
from workers.catalog.models.mlp import Mlp
from workers.catalog.report import Report
from workers.catalog.technique import LoadOptions

pytestmark = pytest.mark.long

Run = tuple[Report, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def run() -> Run:
    return measure(SPEC)


@pytest.fixture(scope="module")
def null() -> Report:
    report, _ = measure(SPEC | {"variant": SPEC["baseline"]})
    return report


def values(report: Report, metric: str) -> dict[tuple[str, str], tuple[float, float, float]]:
    return {(m.phase, m.arm): (m.value, m.low, m.high) for m in report.measurements if m.metric == metric}


def test_a_run_ends_well_and_says_everything(run: Run) -> None:
    report, _ = run
    assert report.outcome == "ok"
    assert {(proof.technique, proof.arm) for proof in report.proofs} == {
        ("precision", "baseline"),
        ("precision", "variant"),
    }
    assert len(report.environment) >= 40
    assert report.environment["torch.threads"]
    assert report.seconds > 0


def test_every_time_has_an_interval(run: Run) -> None:
    report, _ = run
    timed = [m for m in report.measurements if m.unit == "s" or "/s" in m.unit]
    assert {m.metric for m in timed} >= {"latency", "cold_start.load", "cold_start.first_call", "throughput.samples"}
    for m in timed:
        assert 0 < m.low < m.value < m.high, m


def test_throughput_times_latency_is_the_batch(run: Run) -> None:
    report, _ = run
    latency, throughput = values(report, "latency"), values(report, "throughput.samples")
    for key, (value, *_) in latency.items():
        assert throughput[key][0] * value == pytest.approx(32)


def test_bytes_and_counts_are_those_of_the_model(run: Run) -> None:
    report, _ = run
    parameters = sum(weight.numel() for weight in Mlp(width=256, layers=3).build(LoadOptions()).parameters())
    assert values(report, "model.parameters")["load", "variant"][0] == parameters
    assert values(report, "memory.weights") == {
        ("load", "baseline"): (4 * parameters,) * 3,
        ("load", "variant"): (2 * parameters,) * 3,
    }
    assert values(report, "compute.flops")["classify", "baseline"][0] == 2 * 32 * (3 * 256 * 256 + 256 * 16)
    assert values(report, "memory.peak_allocated")["classify", "baseline"][0] > 4 * parameters


def test_effects_have_ratio_interval_and_a_verdict_in_the_metrics_words(run: Run) -> None:
    report, _ = run
    effects = {(e.metric, e.phase): e for e in report.effects}
    for effect in report.effects:
        assert effect.low <= effect.ratio <= effect.high
    latency, throughput = effects["latency", "classify"], effects["throughput.samples", "classify"]
    assert latency.ratio * throughput.ratio == pytest.approx(1)
    assert latency.verdict == throughput.verdict
    weights = effects["memory.weights", "load"]
    assert (weights.ratio, weights.verdict) == (0.5, "smaller")
    assert effects["model.size", "load"].verdict == "smaller"
    assert effects["quality.top1_agreement", "quality"].verdict in ("same", "undecided", "worse")
    divergence = effects["quality.kl_divergence", "quality"]
    assert divergence.low >= 1
    assert "64 items" in str(divergence.method)


def test_raw_samples_are_kept_with_their_warm_up(run: Run) -> None:
    report, _ = run
    latency = [s for s in report.samples if s.metric == "latency"]
    assert {(s.arm, s.warm_up) for s in latency} == {(a, w) for a in ("baseline", "variant") for w in (True, False)}
    assert sum(len(s.values) for s in report.samples) <= 61_000
    assert len(report.model_dump_json()) < 8_000_000


def test_progress_rises_and_names_its_phases(run: Run) -> None:
    _, lines = run
    fractions = [line["fraction"] for line in lines]
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    # Energy only where a counter is there.
    phases = [phase for phase in dict.fromkeys(line["phase"] for line in lines) if phase != "energy"]
    assert phases == ["start", "load", "convert", "first_call", "warm_up", "measure", "memory", "quality", "report"]


def test_every_name_in_a_report_is_on_the_menu(run: Run) -> None:
    report, _ = run
    for m in report.measurements:
        assert metrics.BY_NAME[m.metric].unit == m.unit
        assert all(map(math.isfinite, (m.value, m.low, m.high)))


def test_the_null_test_claims_no_difference(null: Report) -> None:
    assert null.outcome == "ok"
    assert {e.verdict for e in null.effects if e.metric.startswith(("latency", "throughput"))} <= {"same", "undecided"}
    for effect in null.effects:
        if effect.metric in ("memory.weights", "model.size", "memory.peak_allocated", "quality.top1_agreement"):
            assert (effect.ratio, effect.verdict) == (1.0, "same"), effect
    quality = values(null, "quality.kl_divergence")
    assert quality["quality", "variant"] == (0.0, 0.0, 0.0)


def test_what_the_device_cannot_do_is_unsupported() -> None:
    report, _ = measure(SPEC | {"variant": {"name": "tf32", "stack": [{"technique": "precision", "dtype": "tf32"}]}})
    assert (report.outcome, report.arm, report.phase) == ("unsupported", "variant", "start")
    assert report.message is not None
    assert "tf32 needs" in report.message
    assert report.effects == ()
    assert len(report.environment) >= 40


def test_a_device_that_is_not_there_is_unsupported() -> None:
    report, _ = measure(SPEC | {"device": "cuda", "device_index": 63})
    assert (report.outcome, report.arm) == ("unsupported", "baseline")


def test_a_model_beyond_the_limit_runs_out_of_host_memory() -> None:
    wide = {"name": "mlp", "width": 16_384, "layers": 2}
    report, _ = measure(SPEC | {"model": wide}, "--memory-limit", str(1_500_000_000))
    # Chance says which arm loads first.
    assert (report.outcome, report.phase) == ("oom_host", "load")
    assert report.arm in ("baseline", "variant")


def test_arms_that_do_not_fit_together_are_measured_one_after_the_other(tmp_path: Path) -> None:
    wide = {"name": "mlp", "width": 5_120, "layers": 4}
    # One arm holds 420 MB of weights, and at most 105 MB more while the largest of them is made.
    spec = SPEC | {"model": wide, "variant": SPEC["baseline"], "evaluation": None}
    report, _ = measure(spec, "--memory-limit", str(1_100_000_000), "--scratch", str(tmp_path))
    assert report.outcome == "ok", report.message
    assert any("one after the other" in note for note in report.notes)
    (effect,) = [e for e in report.effects if e.metric == "latency"]
    assert effect.verdict in ("same", "undecided")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("phase", "arm", "how", "outcome"),
    [
        ("warm_up", "baseline", signal.SIGSEGV, "crashed"),
        ("measure", "variant", signal.SIGABRT, "crashed"),
        ("measure", "baseline", signal.SIGKILL, "killed_unknown"),
    ],
)
def test_an_arm_that_dies_is_an_outcome(phase: str, arm: str, how: signal.Signals, outcome: str) -> None:
    report = hurt(SPEC, phase, arm, how)
    assert (report.outcome, report.arm, report.signal) == (outcome, arm, how)
    assert report.effects == ()
    assert values(report, "cold_start.load").keys() == {("load", "baseline"), ("load", "variant")}


def test_a_coordinator_that_is_asked_to_end_takes_its_arms_along() -> None:
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin is not None
        assert run.stderr is not None
        run.stdin.write(json.dumps(SPEC))
        run.stdin.close()
        for line in run.stderr:
            if '"load"' in line:
                break
        processes = arms(run.pid)
        run.send_signal(signal.SIGTERM)
        run.stderr.read()
    assert run.returncode == 128 + signal.SIGTERM
    assert len(processes) == 2
    for pid in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("{not json", "the whole: is not JSON"),
        ("[]", "the whole"),
        ("[" * 100_000, "the whole: is nested too deeply"),
        ('{"seed": 1, "seed": 2}', "seed: is given twice"),
        (json.dumps(SPEC | {"model": {"name": "mlp", "width": 1}}), "model.width: 1 is not possible."),
        (json.dumps(SPEC | {"model": {"name": "mlp", "width": 1}, "seeed": 1}), "; seeed: is not a field here."),
        (json.dumps({key: SPEC[key] for key in SPEC if key != "workload"}), "workload"),
        (json.dumps(SPEC | {"variant": {"name": "two", "stack": [BF16, FP32]}}), "variant.stack.1"),
        (json.dumps(SPEC | {"workload": {"name": "prefill"}}), "workload"),
    ],
)
def test_a_run_that_cannot_be_measured_is_refused_with_one_line(given: str, field: str) -> None:
    done = subprocess.run(COMMAND, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert field in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--ceilings", "ceilings.json", "ceilings.json: device: is missing; name: is missing"),
        ("--ceilings", "nothing.json", "nothing.json: No such file or directory"),
        ("--scratch", "nowhere", "--scratch: no folder can be made in"),
        ("--memory-limit", "-5", "--memory-limit: -5 is not a number of bytes"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_with_one_line(
    tmp_path: Path, option: str, value: str, says: str
) -> None:
    (tmp_path / "ceilings.json").write_text("{}")
    given = value if option == "--memory-limit" else str(tmp_path / value)
    done = subprocess.run(
        [*COMMAND, option, given], input=json.dumps(SPEC), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_the_coordinator_does_not_import_torch() -> None:
    code = "import workers.measurement.__main__, sys; assert 'torch' not in sys.modules, 'torch'"
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
