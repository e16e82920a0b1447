"""The demo data set is measured by one command: its studies can be measured, and what it writes can be loaded."""

import base64
import gzip
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from app.terminal.demo import load
from scripts.demo_studies import PLANNED, Planned
from scripts.measure_demo import ROOT, SHIPPED, shipped
from tests import demo, doubles
from workers.catalog import recorded
from workers.catalog.applicability import problems
from workers.catalog.recorded import RecordedRun, RecordedStudy
from workers.catalog.report import Artifact
from workers.catalog.spec import StudySpec

DOUBLE = ROOT / "tests/programs/double.py"


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script, with a program that takes no time in place of the one that measures."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRADESPACE_")}
    own = {"TRADESPACE_LOCKS": f"{folder}-locks", "TRADESPACE_PROGRAM": f"{sys.executable} -I {DOUBLE} --seconds 0.01"}
    return subprocess.run(
        [sys.executable, "-m", "scripts.measure_demo", "--folder", str(folder), *words],
        cwd=ROOT,
        env=inherited | own | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize("planned", PLANNED, ids=lambda planned: planned.word)
def test_every_study_can_be_measured(planned: Planned) -> None:
    assert problems(planned.study) == []


def test_names_are_told_apart() -> None:
    assert (
        len({planned.word for planned in PLANNED}) == len({planned.study.name for planned in PLANNED}) == len(PLANNED)
    )


def test_the_files_that_ship_and_the_words_about_them_are_of_these_studies() -> None:
    words = {planned.word for planned in PLANNED}
    assert {file.name.removesuffix(recorded.ENDING) for file in SHIPPED.iterdir()} == words
    told = (ROOT / "docs/demo.md").read_text()
    assert {word for word in words if f"| `{word}` |" in told} == words


def test_what_it_writes_can_be_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "kept.json.xz").write_bytes(b"of another study")
    done = run(folder, "llama-memory", "decoder-lengths")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("1/2 decoder-lengths: 6 runs in ")
    assert done.stdout.splitlines()[1].endswith(": 4 ok")
    assert sorted(file.name for file in folder.iterdir()) == [
        "decoder-lengths.json.xz",
        "kept.json.xz",
        "llama-memory.json.xz",
    ]
    study = recorded.read(folder / "llama-memory.json.xz")
    assert (study.worker.host, study.worker.device.key) == ("demo", "demo/cpu")
    assert all(each.pid for each in study.runs)
    (folder / "kept.json.xz").unlink()
    assert "2 studies, 10 runs, loaded" in load(Settings(data=tmp_path / "data"), folder)


def test_nothing_of_the_machine_but_its_hardware_ships(tmp_path: Path) -> None:
    spec = StudySpec.model_validate(demo.order(variants=[]))
    (planned,) = spec.runs()
    report = demo.report(planned)
    trace = {"host_name": socket.gethostname(), "traceName": f"{tmp_path}/trace.json", "traceEvents": []}
    data = base64.b64encode(gzip.compress(json.dumps(trace).encode())).decode()
    told = report.model_copy(
        update={
            "artifacts": (Artifact(name="trace.json", arm="variant", media_type="application/json", data=data),),
            "tail": f'File "{ROOT}/app.py"',
            "environment": {"host.name": socket.gethostname(), "cpu.model": "EPYC"},
        }
    )
    times = {"claimed_at": 1.0, "started_at": 2.0, "ended_at": 3.0}
    whole = RecordedStudy(
        study=spec,
        submitted_at=0.0,
        worker=doubles.announcement(),
        runs=(RecordedRun(**times, pid=1, log=(f"{ROOT}/x",), report=told),),
    )
    (kept,) = shipped(whole).runs
    assert kept.report.environment == {"host.name": "demo", "cpu.model": "EPYC"}
    assert kept.report.tail == 'File "./app.py"'
    assert kept.log == ("./x",)
    assert kept.report.measurements == report.measurements
    (artifact,) = kept.report.artifacts
    assert json.loads(gzip.decompress(base64.b64decode(artifact.data))) == {
        "host_name": "demo",
        "traceName": "trace.json",
        "traceEvents": [],
    }
    for before, after in zip(report.samples, kept.report.samples, strict=True):
        assert after.values == pytest.approx(before.values, rel=1e-4)


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (["decoder-lenghts"], {}, "there is no study 'decoder-lenghts'; there are decoder-compile, "),
        (["cnn-digits"], {"TRADESPACE_MEMORY_LIMIT": "much"}, "TRADESPACE_MEMORY_LIMIT"),
        (["cnn-digits"], {"TRADESPACE_PROGRAM": "/nowhere/python -m x"}, "'/nowhere/python' is not there"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, words: list[str], environment: dict[str, str], says: str) -> None:
    done = run(tmp_path / "demo", *words, **environment)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
