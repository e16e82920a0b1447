"""Counters of known joules under a made-up clock: what a window holds, and what is said where nothing can be counted."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.workers.measurement.drivers import Driver, NVMLError
from workers.measurement import nvml
from workers.measurement.probes import energy
from workers.measurement.probes.energy import GpuCounter, Look, Rapl

REFRESH_S = 0.1


def watched(
    watts: Callable[[float], float],
    until_s: float,
    *,
    poll_s: float = 0.02,
    sensor: float | None = 1.0,
    late_s: float = 0.0,
) -> list[Look]:
    """Looks at a counter that moves every tenth of a second, over a load of known power.

    ``sensor`` is what the power sensor shows of the true power, or None for none; ``late_s`` shifts the counter's jumps.
    """
    fine = np.arange(0.0, until_s + 1.0, 0.001)
    spent = np.concatenate(([0.0], np.cumsum([watts(at) * 0.001 for at in fine[:-1]])))
    looks = []
    for at in np.arange(0.0, until_s, poll_s):
        moved = max(0.0, np.floor((at - late_s) / REFRESH_S) * REFRESH_S + late_s)
        power = None if sensor is None else watts(float(at)) * sensor
        looks.append(Look(float(at), float(np.interp(moved, fine, spent)), power))
    return looks


def stepped(at: float) -> float:
    """Rest at 80 W until the third second, then work at 300 W."""
    return 80.0 if at < 3 else 300.0


@pytest.mark.parametrize("start_s", [5.0, 5.013, 5.05, 5.0999])
@pytest.mark.parametrize("length_s", [10.0, 12.37])
@pytest.mark.parametrize("late_s", [0.0, 0.07])
def test_a_window_of_ten_seconds_holds_the_true_joules_within_a_percent(
    start_s: float, length_s: float, late_s: float
) -> None:
    seen = energy.window(watched(stepped, 19.0, late_s=late_s), start_s, start_s + length_s)
    assert seen is not None
    assert seen.joules == pytest.approx(300.0 * length_s, rel=0.01)
    assert seen.power_w == pytest.approx(300.0, rel=0.01)
    assert seen.long_enough
    assert seen.refresh_s == pytest.approx(REFRESH_S, rel=0.2)


def test_windows_of_a_changing_load_spread_by_less_than_two_percent() -> None:
    def wavy(at: float) -> float:
        return 300.0 + 60.0 * float(np.sin(at * 7))

    looks = watched(wavy, 130.0)
    powers = [seen.power_w for n in range(11) if (seen := energy.window(looks, 2 + n * 11.03, 12 + n * 11.03))]
    assert len(powers) == 11
    assert float(np.std(powers, ddof=1) / np.mean(powers)) <= 0.02


def test_a_short_window_says_that_it_is_short() -> None:
    seen = energy.window(watched(stepped, 8.0), 4.0, 7.0)
    assert seen is not None
    assert 29 <= seen.updates <= 31
    assert not seen.long_enough


def test_a_counter_that_does_not_move_holds_nothing_rather_than_zero() -> None:
    stuck = [Look(at, 1234.5, 300.0) for at in np.arange(0.0, 12.0, 0.02)]
    assert energy.window(stuck, 1.0, 11.0) is None
    assert energy.window([], 1.0, 11.0) is None
    assert energy.refresh(stuck) is None


def test_a_sensor_that_agrees_leaves_no_gap_and_one_that_does_not_is_flagged() -> None:
    agreeing = energy.window(watched(stepped, 15.0), 4.0, 14.0)
    assert agreeing is not None
    assert agreeing.gap is not None
    assert agreeing.gap < energy.MOST_GAP
    assert agreeing.peak_w == 300.0
    # 187 J by the counter against 327 J by power readings: zeus's issue 181.
    apart = energy.window(watched(stepped, 15.0, sensor=1.75), 4.0, 14.0)
    assert apart is not None
    assert apart.gap is not None
    assert apart.gap == pytest.approx(0.75, abs=0.02)
    assert apart.gap > energy.MOST_GAP


def test_without_a_sensor_there_is_no_cross_check_and_no_peak() -> None:
    seen = energy.window(watched(stepped, 15.0, sensor=None), 4.0, 14.0)
    assert seen is not None
    assert (seen.gap, seen.peak_w, seen.integrated) == (None, None, None)


def test_the_refresh_is_found_from_the_counters_jumps() -> None:
    assert energy.refresh(watched(stepped, 3.0)) == pytest.approx(REFRESH_S, rel=0.2)


def package(root: Path, number: int, microjoules: int, most: int = 262_143_328_850, name: str | None = None) -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(f"{name or f'package-{number}'}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder


def test_packages_add_up_and_parts_of_them_are_not_counted_twice(tmp_path: Path) -> None:
    first, second = package(tmp_path, 0, 1_000_000), package(tmp_path, 1, 7_000_000)
    package(tmp_path, 2, 99_000_000, name="psys")
    package(tmp_path / "intel-rapl:0", 0, 500_000, name="core")
    source = energy.find("cpu", powercap=tmp_path)
    assert isinstance(source, Rapl)
    assert source.method == "RAPL package counter of 2 CPU packages"
    assert source.joules() == 0.0
    (first / "energy_uj").write_text("4000000\n")
    (second / "energy_uj").write_text("7500000\n")
    assert source.joules() == 3.5
    assert energy.look(source, 1.0) == Look(1.0, 3.5, None)


def test_a_counter_that_wraps_goes_on(tmp_path: Path) -> None:
    folder = package(tmp_path, 0, 900, most=999)
    source = Rapl([folder])
    readings = [source.joules()]
    for now in (950, 20, 990, 15):
        (folder / "energy_uj").write_text(str(now))
        readings.append(source.joules())
    assert readings == pytest.approx([0.0, 50e-6, 120e-6, 1090e-6, 1115e-6])


def test_a_counter_that_falls_back_and_has_no_range_cannot_be_read(tmp_path: Path) -> None:
    folder = package(tmp_path, 0, 900)
    (folder / "max_energy_range_uj").unlink()
    source = Rapl([folder])
    assert source.joules() == 0.0
    (folder / "energy_uj").write_text("5")
    assert source.joules() is None


def test_where_no_counter_is_there_or_readable_a_sentence_says_so(tmp_path: Path) -> None:
    assert (
        energy.find("cpu", powercap=tmp_path / "none") == f"the kernel shows no RAPL package under {tmp_path / 'none'}"
    )
    folder = package(tmp_path, 0, 900)
    (
        folder / "energy_uj"
    ).unlink()  # As for who may not read it: root may read everything, so that a mode would not tell.
    assert "not readable without the right to read" in str(energy.find("cpu", powercap=tmp_path))


def test_the_hottest_package_gives_the_temperature(tmp_path: Path) -> None:
    for number, (kind, degrees) in enumerate((("x86_pkg_temp", 51_000), ("x86_pkg_temp", 63_500), ("acpitz", 90_000))):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "type").write_text(kind)
        (zone / "temp").write_text(str(degrees))
    assert Rapl([], tmp_path).temperature_c() == 63.5
    assert Rapl([], tmp_path / "none").temperature_c() is None


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return driver


def test_a_gpus_counter_is_in_joules_and_has_a_second_sensor(driver: Driver) -> None:
    source = energy.find("cuda", nvml.by_uuid("GPU-1"))
    assert isinstance(source, GpuCounter)
    assert (source.joules(), source.power_w(), source.temperature_c()) == (5.0, 300.0, 41)
    assert energy.look(source, 2.0) == Look(2.0, 5.0, 300.0)


def test_a_gpu_without_a_counter_is_not_measurable(driver: Driver) -> None:
    driver.answers["nvmlDeviceGetTotalEnergyConsumption"] = NVMLError("Not Supported")
    gpu = nvml.by_uuid("GPU-1")
    assert energy.find("cuda", gpu) == "this GPU has no total-energy counter"
    assert energy.find("cuda", "the driver is gone") == "the driver is gone"
    assert isinstance(gpu, nvml.Gpu)
    assert energy.look(GpuCounter(gpu), 1.0) is None
