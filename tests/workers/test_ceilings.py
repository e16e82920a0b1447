"""The file that keeps a device's ceilings: when it is written, when it is not, and the table of the command."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.workers.catalog.test_ceilings import MEASURED
from workers import ceilings, devices
from workers.catalog.ceilings import Ceilings, Transfer
from workers.isolation import Stop
from workers.settings import Settings

CPU = devices.cpu()


@pytest.fixture
def stop() -> Iterator[Stop]:
    stop = Stop()
    yield stop
    stop.close()


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    with (tmp_path / "lock").open("wb") as file:
        yield file.fileno()


def standing_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> Settings:
    """Settings whose program of ceilings is a few lines of Python; it writes its arguments down."""
    program = tmp_path / "program.py"
    program.write_text(
        f"import sys, time\nopen({str(tmp_path / 'asked')!r}, 'a').write(repr(sys.argv[1:]) + '\\n')\n{code}"
    )
    monkeypatch.setattr(ceilings, "program", lambda _: [sys.executable, "-I", str(program)])
    return Settings(data=tmp_path / "data", locks=tmp_path / "locks")


def test_the_program_stands_beside_the_measuring_program() -> None:
    plain = Settings()
    assert ceilings.program(plain) == [sys.executable, "-I", "-m", "workers.measurement.ceilings"]
    assert ceilings.program(plain.model_copy(update={"program": ("python", "double.py")})) is None


def test_what_is_measured_is_kept_and_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Stop, lock: int
) -> None:
    settings = standing_in(tmp_path, monkeypatch, f"print({MEASURED.model_dump_json()!r})")
    file = ceilings.ensure(settings, CPU, lock, stop)
    assert file == ceilings.path(settings, CPU)
    assert ceilings.read(file) == MEASURED
    written = file.stat().st_mtime_ns
    assert ceilings.ensure(settings, CPU, lock, stop) == file
    assert file.stat().st_mtime_ns == written, "what has not changed is not written again"
    ceilings.ensure(settings, CPU, lock, stop, again=True)
    known = ["--device", "cpu", "--known", str(file)]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [repr(known), repr(known), repr(["--device", "cpu"])]
    assert [each.name for each in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("code", ["sys.exit('no torch')", "print('no JSON')", "print('{}')"])
def test_what_fails_leaves_runs_without_ceilings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Stop, lock: int, code: str
) -> None:
    settings = standing_in(tmp_path, monkeypatch, code)
    assert ceilings.ensure(settings, CPU, lock, stop) is None
    assert not ceilings.path(settings, CPU).exists()


def test_a_request_to_stop_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Stop, lock: int) -> None:
    settings = standing_in(tmp_path, monkeypatch, "import os\nos.kill(os.getppid(), 10)\ntime.sleep(600)")
    before = signal.signal(signal.SIGUSR1, lambda *_: stop.ask("cancelled"))
    try:
        assert ceilings.ensure(settings, CPU, lock, stop) is None
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert stop.reason == "cancelled"


def test_a_program_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Stop, lock: int
) -> None:
    monkeypatch.setattr(ceilings, "MOST_S", 0.2)
    settings = standing_in(tmp_path, monkeypatch, "time.sleep(600)")
    assert ceilings.ensure(settings, CPU, lock, stop) is None


def test_every_device_has_a_file_of_its_own(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    gpu = CPU.model_copy(update={"key": "host/GPU-1234"})
    other = CPU.model_copy(update={"key": "host/GPU-1235"})
    assert len({ceilings.path(settings, device) for device in (CPU, gpu, other)}) == 3
    assert ceilings.path(settings, gpu) == tmp_path / "ceilings" / "host_GPU-1234.json"


def test_the_table_says_everything() -> None:
    way = Transfer(direction="to_device", value=2.5e10, low=2.4e10, high=2.6e10, n=5, seconds=0.1)
    shown = MEASURED.model_copy(
        update={"transfers": (way,), "contention": 0.4, "notes": ("No products in int8: none",)}
    )
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(ceilings.table(shown))
    text = console.export_text()
    for words in ("a processor", "512 x 512 ←", "25.0 GB/s", "40% of the processors", "1.00 µs", "No products in int8"):
        assert words in text


def test_the_command_prints_what_is_known(tmp_path: Path) -> None:
    """Through the real program, which measures because nothing is known; what is known and undisturbed is only read."""
    own = {"TRADESPACE_DATA": str(tmp_path / "data"), "TRADESPACE_LOCKS": str(tmp_path / "locks")}
    command = [sys.executable, "-c", "from app.cli import main; main()", "ceilings", "--device", "cpu", "--json"]

    def printed() -> Ceilings:
        done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=True, timeout=120)
        return Ceilings.model_validate_json(done.stdout)

    measured = printed()
    file = ceilings.path(Settings(data=tmp_path / "data"), CPU)
    assert ceilings.read(file) == measured
    known = MEASURED.model_copy(update={"environment": measured.environment})
    file.write_text(known.model_dump_json())
    assert printed() == known


def test_a_device_that_is_not_here_is_named(tmp_path: Path) -> None:
    own = {"TRADESPACE_DATA": str(tmp_path / "data"), "TRADESPACE_LOCKS": str(tmp_path / "locks")}
    command = [sys.executable, "-m", "workers.ceilings", "--device", "cuda:77"]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == ceilings.BAD_SETTINGS
    assert "cuda:77" in done.stderr


def test_a_data_folder_that_cannot_be_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Stop, lock: int
) -> None:
    settings = standing_in(tmp_path, monkeypatch, f"print({MEASURED.model_dump_json()!r})")
    (tmp_path / "data").write_text("a file")
    with pytest.raises(OSError, match="TRADESPACE_DATA"):
        ceilings.ensure(settings, CPU, lock, stop)
    assert not (tmp_path / "asked").exists()


def test_a_data_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    own = {"TRADESPACE_DATA": "/etc/passwd", "TRADESPACE_LOCKS": str(tmp_path / "locks")}
    command = [sys.executable, "-m", "workers.ceilings", "--device", "cpu"]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == ceilings.BAD_SETTINGS
    assert done.stderr.count("\n") == 1
    assert "TRADESPACE_DATA: ceilings cannot be kept in /etc/passwd" in done.stderr
