"""The program that measures ceilings: what it prints, when what is known counts, and what it says without a device."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import pytest

from tests.workers.catalog.test_ceilings import MEASURED
from tests.workers.measurement.drivers import Driver, NVMLError
from workers.catalog.ceilings import Bandwidth, Ceilings
from workers.measurement import ceilings, environment
from workers.measurement.probes import peaks

COMMAND = (sys.executable, "-I", "-m", "workers.measurement.ceilings")


def asked(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, timeout=120)


def test_a_cpu_has_ceilings_of_every_kind() -> None:
    done = asked("--seconds", "0.5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    found = Ceilings.model_validate_json(done.stdout)
    assert found.device == "cpu"
    assert found.name == environment.cpu_name()
    assert found.environment == ceilings.surroundings("cpu")
    assert found.threads == environment.physical_cores()
    assert {each.stream for each in found.bandwidths} == {"copy", "read"}
    assert {each.dtype for each in found.products} >= {"float32", "bfloat16"}
    assert found.seconds > 0
    assert 0 <= found.contention <= 1


def test_known_ceilings_of_this_environment_are_printed_as_they_are(tmp_path: Path) -> None:
    known = MEASURED.model_copy(update={"environment": ceilings.surroundings("cpu")})
    assert not known.contended
    file = tmp_path / "known.json"
    file.write_text(known.model_dump_json())
    done = asked("--known", str(file))
    assert Ceilings.model_validate_json(done.stdout) == known


def disturbed() -> str:
    """Ceilings of this environment that others made too low."""
    return MEASURED.model_copy(
        update={"environment": ceilings.surroundings("cpu"), "contention": 0.5, "name": "too low"}
    ).model_dump_json()


@pytest.mark.parametrize("kept", [MEASURED.model_dump_json(), disturbed(), '{"version": 9}', "no JSON"])
def test_ceilings_of_another_environment_or_that_cannot_be_read_are_measured(tmp_path: Path, kept: str) -> None:
    file = tmp_path / "known.json"
    file.write_text(kept)
    found = json.loads(asked("--known", str(file), "--seconds", "0.1").stdout)
    assert found["environment"] == ceilings.surroundings("cpu")
    assert found["name"] == environment.cpu_name()


def test_it_sweeps_again_when_others_disturb_and_keeps_the_higher(monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([50.0, 40.0, 60.0])
    shares = iter([0.0, 0.6, 0.0, 0.05])

    def sweep(*_: object) -> peaks.Sweep:
        value = next(values)
        band = Bandwidth(stream="copy", working_set=1_000, value=value, low=value, high=value, n=3, seconds=0.1)
        return peaks.Sweep(bandwidths=[band], dispatch_s=value)

    class Disturbing:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.share = next(shares)

    monkeypatch.setattr(peaks, "sweep", sweep)
    monkeypatch.setattr(ceilings, "Others", Disturbing)
    monkeypatch.setattr(ceilings, "LOOK_S", 0.0)
    found = ceilings.measure("cpu", "0123456789abcdef", 1.0)
    assert [each.value for each in found.bandwidths] == [50.0]
    assert found.dispatch_s == 40.0
    assert found.contention == 0.05
    assert next(values) == 60.0, "two sweeps were enough"


def test_what_a_ceiling_depends_on_is_in_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    fields: dict[str, Any] = environment.host()
    before = ceilings.surroundings("cpu")
    changed = {"cpu.microcode": "another", "package.torch": "9", "variable.OMP_NUM_THREADS": "1", "os.kernel": "9"}
    for name, value in changed.items():
        monkeypatch.setattr(environment, "host", lambda name=name, value=value: fields | {name: value})
        assert ceilings.surroundings("cpu") != before, name
    monkeypatch.setattr(environment, "host", lambda: fields | {"tradespace.commit": "another"})
    assert ceilings.surroundings("cpu") == before


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    return driver


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("nvmlSystemGetDriverVersion", "580.1"),
        ("nvmlDeviceGetUUID", "GPU-2"),
        ("nvmlDeviceGetEnforcedPowerLimit", 350_000),
        ("nvmlDeviceGetEnforcedPowerLimit", NVMLError("Not Supported")),
    ],
)
def test_ceilings_of_a_gpu_depend_on_it_its_driver_and_its_power_cap(
    driver: Driver, question: str, answer: object
) -> None:
    before = ceilings.surroundings("cuda")
    driver.answers["nvmlDeviceGetTemperature"] = 80
    assert ceilings.surroundings("cuda") == before
    driver.answers[question] = answer
    assert ceilings.surroundings("cuda") != before


def test_ceilings_do_not_depend_on_a_gpu_that_may_be_another_one(driver: Driver) -> None:
    driver.answers["nvmlDeviceGetCount"] = 2
    before = ceilings.surroundings("cuda")
    driver.answers["nvmlDeviceGetUUID"] = "GPU-2"
    assert ceilings.surroundings("cuda") == before
    driver.answers["nvmlDeviceGetCount"] = 1
    assert ceilings.surroundings("cuda") != before


def test_without_the_drivers_library_there_is_a_digest_all_the_same(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ceilings.surroundings("cuda")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert ceilings.surroundings("cuda") not in (before, ceilings.surroundings("cpu"))


def test_a_device_that_is_not_there_is_one_line() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    done = asked("--device", "cuda")
    assert (done.returncode, done.stdout) == (ceilings.NO_DEVICE, "")
    assert done.stderr.startswith("The ceilings cannot be measured: ")
