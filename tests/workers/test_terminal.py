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
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from workers import processes, terminal
from workers.catalog.report import Arm, Artifact, Effect, Proof, Report
from workers.catalog.spec import StudySpec

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
    for words in ("fp32 (against itself)", "bf16 sequence_length=256", "latency, forward", "0.450 to 0.550", "faster"):
        assert words in shown
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
        terminal.read_study(json.dumps(STUDY | change))
    assert says in str(wrong.value)


def test_no_json_is_exit_code_2(tmp_path: Path) -> None:
    process = start("{", tmp_path)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("not JSON")


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
        terminal.Ended(planned, Report(outcome="ok", effects=(effect(p_value),)))
        for planned, p_value in zip(study.runs(), (0.04, 0.001, 0.03, 0.04), strict=True)
    ]
    shown = Console(width=200, record=True, file=io.StringIO())
    shown.print(terminal.table(ended))
    lines = [line for line in shown.export_text().splitlines() if "latency, forward" in line]
    assert "undecided" not in lines[0]
    assert "undecided" not in lines[1]
    for line in lines[2:]:
        assert "undecided after correction for 3 comparisons (faster alone)" in line


def effect(p_value: float) -> Effect:
    return Effect(
        metric="latency", phase="forward", ratio=0.5, low=0.4, high=0.6, verdict="faster", pairs=1, p_value=p_value
    )


def test_a_run_that_fell_back_says_so() -> None:
    planned = next(StudySpec.model_validate(STUDY).runs())
    proof = Proof(technique="attention", arm="variant", ran="fell_back", detail="math ran")
    shown = Console(width=200, record=True, file=io.StringIO())
    shown.print(terminal.table([terminal.Ended(planned, Report(outcome="ok", proofs=(proof,)))]))
    assert "fell back: math ran" in shown.export_text()


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
        ended.append(terminal.Ended(planned, Report(outcome="ok", artifacts=traced)))
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
