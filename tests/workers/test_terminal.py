"""`tradespace measure`: a whole study with no server, its table, its exit codes, and what it says about a wrong study."""

import base64
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from workers import device_lock, devices, isolation, processes, results, terminal
from workers.catalog import metrics
from workers.catalog.report import Arm, Artifact, Bottleneck, Effect, Measurement, Proof, Report
from workers.catalog.spec import StudySpec
from workers.results import Ended
from workers.settings import Settings

DOUBLE = Path(__file__).parents[1] / "programs" / "double.py"
STUDY: dict[str, Any] = {
    "name": "tiny llama, precision",
    "model": {"name": "llama", "preset": "tiny"},
    "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 128},
    "baseline": {"name": "fp32", "stack": [{"technique": "precision", "dtype": "fp32"}]},
    "variants": [{"name": "bf16", "stack": [{"technique": "precision", "dtype": "bf16"}]}],
    "sweep": {"sequence_length": [128, 256]},
    "device": "cpu",
    "effort": "quick",
}


def start(study: object, tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    """`tradespace measure` on a study, with the double."""
    path = tmp_path / "study.json"
    path.write_text(study if isinstance(study, str) else json.dumps(study), encoding="utf-8")
    own = {"TRADESPACE_LOCKS": str(tmp_path / "locks"), "TRADESPACE_PROGRAM": f"{sys.executable} -I {DOUBLE}"}
    return subprocess.Popen(
        [sys.executable, "-c", "from app.cli import main; main()", "measure", str(path), *words],
        env=os.environ | own | {"COLUMNS": "140"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_study_is_measured_and_shown(tmp_path: Path) -> None:
    process = start(STUDY, tmp_path, "--json", str(tmp_path / "reports.json"))
    shown, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    for words in ("fp32 (against itself)", "bf16 sequence_length=256", "Latency, forward", "0.450 to 0.550", "faster"):
        assert words in shown
    assert "20.0 ms" in shown, "the baseline's value"
    assert "10.0 ms" in shown, "the variant's value"
    assert "which another program holds" not in shown
    kept = json.loads((tmp_path / "reports.json").read_text(encoding="utf-8"))
    assert [run["variant"] for run in kept["runs"]] == ["fp32", "bf16"] * 2
    assert Report.model_validate(kept["runs"][0]["report"]).outcome == "ok"


def test_a_run_that_does_not_end_ok_is_exit_code_1(tmp_path: Path) -> None:
    variants = [{"name": "exit_3", "stack": []}, {"name": "well", "stack": []}]
    process = start(STUDY | {"variants": variants, "sweep": {}}, tmp_path, "--json", "-")
    printed, shown = process.communicate(timeout=120)
    assert process.returncode == 1
    assert [run["report"]["outcome"] for run in json.loads(printed)["runs"]] == ["ok", "error", "ok"]
    assert "RuntimeError: no kernel image" in shown


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"model": {"name": "lama", "preset": "tiny"}},
            "model.name: 'lama' is not one of the choices. Did you mean 'llama'?",
        ),
        ({"model": {"name": "llama", "preset": "huge"}}, "model.preset: 'huge' is not one of the choices."),
        ({"workload": {"name": "prefill", "batch_size": 0}}, "workload.batch_size: 0 is not possible."),
        ({"sweep": {"sequence_lenght": [1]}}, "Did you mean 'sequence_length'?"),
        (
            {"variants": [{"name": "v", "stack": [{"technique": "precision", "dtype": "fp1"}]}]},
            "variants.0.stack.0.dtype: 'fp1' is not one of the choices.",
        ),
    ],
)
def test_a_wrong_study_is_named_by_field_with_what_is_valid(change: dict[str, Any], says: str) -> None:
    with pytest.raises(terminal.Wrong) as wrong:
        terminal.read_study(json.dumps(STUDY | change).encode())
    assert says in str(wrong.value)


def test_no_json_is_exit_code_2(tmp_path: Path) -> None:
    process = start("{", tmp_path)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("the study is not JSON")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[" * 100_000, "the study is nested too deeply."),
        (b'{"name": "x", "effort": "quick", "effort": "normal"}', "effort: is given twice."),
        (b"\xff", "the study is not UTF-8."),
    ],
)
def test_what_python_would_let_through_is_refused(text: bytes, says: str) -> None:
    with pytest.raises(terminal.Wrong) as wrong:
        terminal.read_study(text)
    assert says in str(wrong.value)


def test_a_study_may_be_yaml(tmp_path: Path) -> None:
    good, bad = tmp_path / "study.yaml", tmp_path / "bad.yml"
    good.write_text("# as people write it\n" + json.dumps(STUDY | {"sweep": {}}))
    bad.write_text(json.dumps(STUDY, indent=1).replace('"tiny"', "tinny"))
    own = {"TRADESPACE_LOCKS": str(tmp_path / "locks"), "TRADESPACE_PROGRAM": f"{sys.executable} -I {DOUBLE}"}
    command = [sys.executable, "-m", "workers.terminal"]
    done = subprocess.run([*command, str(good)], env=os.environ | own, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run([*command, str(bad)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "model.preset: 'tinny' is not one of the choices. Did you mean 'tiny'? (line 5)" in done.stderr


def test_reports_that_cannot_be_written_are_known_before_anything_is_measured(tmp_path: Path) -> None:
    process = start(STUDY, tmp_path, "--json", str(tmp_path / "nowhere" / "reports.json"))
    shown, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "nowhere/reports.json" in said
    assert shown == ""


def test_looking_whether_a_file_can_be_written_leaves_it_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "reports.json"
    terminal.check_writable(file)
    assert not file.exists()
    file.write_text("older")
    terminal.check_writable(file)
    assert file.read_text() == "older"
    with pytest.raises(IsADirectoryError):
        terminal.check_writable(tmp_path)


def test_a_device_that_is_taken_does_not_take_what_has_ended_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study, file = tmp_path / "study.json", tmp_path / "reports.json"
    study.write_text(json.dumps(STUDY))
    first = [Report(outcome="ok", effects=(effect(0.5),))]

    def run(*_: object) -> Report:
        if not first:
            raise terminal.Wrong("another program has held the device")
        return first.pop()

    monkeypatch.setattr(terminal, "_run", run)
    monkeypatch.setattr(terminal, "_ceilings", lambda *_: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as ending:
            terminal.main([str(study), "--json", str(file)])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    shown, said = capsys.readouterr()
    assert ending.value.code == terminal.NOT_ALL_WELL
    assert "Latency, forward" in shown
    assert "Stopped after 1 of 4 runs." in shown
    assert said == "another program has held the device\n"
    assert len(json.loads(file.read_text())["runs"]) == 1


def test_a_device_that_another_program_holds_is_waited_for_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "DEVICE_WAIT_S", 0.5)
    settings = Settings(locks=tmp_path, program=(sys.executable, "-I", str(DOUBLE)))
    console = Console(width=200, file=io.StringIO(), record=True)
    stop = isolation.Stop()
    with device_lock.hold(tmp_path, devices.cpu().key, 0.0, lambda: True):
        ended, broken = terminal.measure(StudySpec.model_validate(STUDY), settings, console, stop)
    stop.close()
    assert ended == []
    assert "another program has held" in str(broken)
    assert console.export_text().count("waiting for the device, which another program holds") == 1


def test_ctrl_c_ends_the_program_and_shows_what_is_there(tmp_path: Path) -> None:
    process = start(STUDY | {"variants": [{"name": "silent", "stack": []}], "sweep": {}}, tmp_path)
    running = 0
    deadline = time.monotonic() + 60
    while not running:
        assert time.monotonic() < deadline
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes.children(process.pid)}
        running = next((pid for pid, words in commands.items() if b"double.py" in words), 0)
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped after" in shown
    assert not processes.alive(running)


def test_verdicts_are_corrected_for_the_comparisons_of_the_study() -> None:
    study = StudySpec.model_validate(
        STUDY | {"variants": [{"name": f"v{number}", "stack": []} for number in range(3)], "sweep": {}}
    )
    ended = [
        Ended(planned, Report(outcome="ok", effects=(effect(p_value),)))
        for planned, p_value in zip(study.runs(), (0.04, 0.001, 0.03, 0.04), strict=True)
    ]
    lines = printed(ended, 200).splitlines()
    verdicts = [line.split()[-1] for line in lines if line.startswith("Latency, forward")]
    assert verdicts == ["faster", "faster", "undecided", "undecided"]
    lost = "Latency, forward: undecided after correction for 3 comparisons (faster alone)."
    assert [line.strip() for line in lines].count(lost) == 2


def printed(ended: Sequence[Ended], width: int) -> str:
    """What the terminal shows of runs."""
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(results.shown(ended))
    return console.export_text()


def effect(p_value: float) -> Effect:
    return Effect(
        metric="latency", phase="forward", ratio=0.5, low=0.4, high=0.6, verdict="faster", pairs=1, p_value=p_value
    )


def test_a_run_that_fell_back_says_so() -> None:
    planned = next(StudySpec.model_validate(STUDY).runs())
    proof = Proof(technique="attention", arm="variant", ran="fell_back", detail="math ran")
    shown = printed([Ended(planned, Report(outcome="ok", proofs=(proof,)))], 200)
    assert "fp32 (against itself) sequence_length=128: fell back" in shown
    assert "Fell back: attention in the variant: math ran" in shown


def test_what_a_reader_must_know_stands_below_the_figures() -> None:
    planned = next(StudySpec.model_validate(STUDY).runs())
    report = Report(
        outcome="ok",
        measurements=(
            Measurement(metric="break_even.calls", phase="x", arm="variant", value=12, low=9, high=1500, unit="1", n=1),
        ),
        proofs=(
            Proof(technique="precision", arm="variant", ran="as_asked", detail="bf16"),
            Proof(technique="int8", arm="variant", ran="emulated", detail="in float"),
        ),
        bottlenecks=(
            Bottleneck(arm="baseline", phase="forward", kind="unclear", sentence="Long reasons."),
            Bottleneck(arm="variant", phase="forward", kind="bandwidth", sentence="It reads a lot."),
        ),
        unmet=("interval ±3.1 %, goal ±2 %",),
        notes=("int8 is emulated in the variant: in float", "Others were there."),
    )
    lines = [line.strip() for line in printed([Ended(planned, report)], 200).splitlines()]
    assert lines[1:8] == [
        "Emulated: int8 in the variant: in float",
        "Ran as asked: precision in the variant.",
        "What binds forward of the variant: It reads a lot.",
        "What binds is unclear: forward of the baseline.",
        "The variant's one-off cost is paid back after 12 calls (95 % interval: 9 to 1,500).",
        "Goal not met: interval ±3.1 %, goal ±2 %",
        "Note: Others were there.",
    ]


def test_no_metric_breaks_inside_a_word_on_80_columns() -> None:
    planned = next(StudySpec.model_validate(STUDY).runs())
    wide = {"ratio": 0.00648, "low": 0.00648, "high": 0.00123, "pairs": 1}
    effects, measurements = [], []
    for metric in metrics.BY_NAME.values():
        of = {"metric": metric.name, "phase": "gradient_step"}
        effects.append(Effect(**of, **wide, verdict="undecided"))
        for arm in get_args(Arm):
            measurements.append(
                Measurement(
                    **of, arm=arm, value=0.0123 if metric.unit == "s" else 123e9, low=1, high=1, unit=metric.unit, n=1
                )
            )
    shown = printed(
        [Ended(planned, Report(outcome="ok", effects=tuple(effects), measurements=tuple(measurements)))], 80
    )
    words = set(shown.replace(",", "").split())
    for metric in metrics.BY_NAME.values():
        assert words >= set(metric.title.replace(",", "").split()), metric.title
    assert "gradient_step" in words
    assert "…" not in shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0124, "s", "12.4 ms"),
        (0.0, "s", "0 s"),
        (1_395_864_371, "B", "1.30 GiB"),
        (24_038.4, "tokens/s", "24,038 tokens/s"),
        (1.2e6, "tokens/s", "1.20 M tokens/s"),
        (3.1e12, "FLOP", "3.10 TFLOP"),
        (0.996, "1", "0.996"),
        (2.1e-4, "nat", "2.10e-04 nat"),
    ],
)
def test_quantities_are_readable(value: float, unit: str, text: str) -> None:
    assert results.quantity(value, unit) == text


def test_traces_are_written_beside_the_reports_under_names_of_their_own(tmp_path: Path) -> None:
    variants = ({"name": "bf16, fast", "stack": []}, {"name": "bf16 / fast", "stack": []})
    study = StudySpec.model_validate(STUDY | {"variants": variants, "sweep": {"sequence_length": [128]}})
    packed = gzip.compress(b'{"traceEvents": []}')
    ended = []
    for planned in study.runs():
        traced = tuple(
            Artifact(name="trace.json", arm=arm, media_type="application/json", data=base64.b64encode(packed).decode())
            for arm in get_args(Arm)
        )
        ended.append(Ended(planned, Report(outcome="ok", artifacts=traced)))
    written = terminal.traces(ended, tmp_path)
    assert [file.name for file in written] == [
        "trace-fp32-sequence_length-128-baseline.json.gz",
        "trace-fp32-sequence_length-128-variant.json.gz",
        "trace-bf16-fast-sequence_length-128-baseline.json.gz",
        "trace-bf16-fast-sequence_length-128-variant.json.gz",
        "4-trace-bf16-fast-sequence_length-128-baseline.json.gz",
        "5-trace-bf16-fast-sequence_length-128-variant.json.gz",
    ]
    assert all(file.read_bytes() == packed for file in written)
