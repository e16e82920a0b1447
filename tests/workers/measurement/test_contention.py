"""What others do to a machine, from made-up counters and looks: how much, in which words, and whose it is."""

import os
import time
from pathlib import Path

import pytest

from workers.measurement import contention, environment
from workers.measurement.contention import Counters, Seen, Watch
from workers.measurement.nvml import Gpu, Sight

MINE = sorted(os.sched_getaffinity(0))
N = len(MINE)
QUIET = Counters(at_s=100.0, busy_s=50.0, own_s=10.0, stolen_s=1.0, stalled_s=5.0, swapped=7)
TICK = os.sysconf("SC_CLK_TCK")


def seen_between(after: Counters, before: Counters = QUIET) -> Seen:
    seen = Seen(lambda: None)
    contention.machine(seen, "measure", before, after)
    return seen


def later(**more: float) -> Counters:
    """Ten seconds on, in which ours kept half a processor busy and nobody else did anything, unless said otherwise."""
    changed = {"at_s": 10.0, "busy_s": 5.0, "own_s": 5.0} | more
    return QUIET._replace(**{name: getattr(QUIET, name) + value for name, value in changed.items()})


def test_what_ours_do_is_no_contention() -> None:
    seen = seen_between(later())
    assert (seen.share, seen.reasons, seen.spoilt) == (0.0, (), False)
    assert seen.fields["state.contention.measure"] == 0.0


def test_what_others_use_is_a_share_of_the_processors() -> None:
    seen = seen_between(later(busy_s=5.0 + 0.4 * 10 * N))
    assert seen.share == pytest.approx(0.4)
    assert seen.reasons == ("others kept 40% of the processors busy",)
    assert seen_between(later(busy_s=1e6)).share == 1.0
    assert seen_between(later(own_s=5.2)).share == 0.0, "clock ticks do not make less than nothing"


def test_other_guests_waiting_and_swapping_are_told() -> None:
    seen = seen_between(later(stolen_s=0.05 * 10 * N, stalled_s=3.0, swapped=1000))
    assert seen.reasons == (
        "the hypervisor gave 5% of the processors' time to other guests",
        "processes waited for a processor 30% of the time",
        "1000 pages went to or came from swap",
    )
    assert seen.fields["state.contention.measure.stalled"] == 0.3


def test_a_kernel_without_pressure_accounting_says_nothing_about_it() -> None:
    before = QUIET._replace(stalled_s=None)
    seen = seen_between(later()._replace(stalled_s=None), before)
    assert seen.fields["state.contention.measure.stalled"] is None
    assert seen.reasons == ()


def sight(
    clock_mhz: int = 1980, reasons: tuple[str, ...] = (), processes: dict[int, int] | None = None, heat_s: float = 0.0
) -> Sight:
    return Sight(clock_mhz * 1_000_000, None, 50, 300.0, reasons, {"heat": heat_s, "power cap": 0.0}, processes or {})


def device_seen(*sights: Sight, own: tuple[int, ...] = (1, 2)) -> Seen:
    seen = Seen(lambda: None)
    contention.device(seen, "measure", sights, 10.0, own, len(own))
    return seen


def test_a_gpu_to_itself_is_no_contention_and_its_clock_is_kept() -> None:
    ours = {1: 2**30, 2: 2**30}
    seen = device_seen(sight(processes=ours), sight(1900, ("power cap",), ours), sight(1950, processes=ours))
    assert (seen.reasons, seen.spoilt) == ((), False), "a power cap that is reached is how a GPU runs at full load"
    assert seen.fields["state.gpu.measure.start.sm_clock_hz"] == 1_980_000_000
    assert seen.fields["state.gpu.measure.middle.clock_reasons"] == "power cap"
    assert seen.fields["state.gpu.measure.end.sm_clock_hz"] == 1_950_000_000
    assert seen.fields["state.gpu.measure.foreign_processes"] == 0


def test_a_stranger_on_the_gpu_spoils_what_is_measured() -> None:
    seen = device_seen(sight(processes={1: 0, 2: 0}), sight(processes={1: 0, 2: 0, 77: 5 * 2**20}))
    assert seen.reasons == ("others were on the GPU: process 77 with 5 MiB",)
    assert seen.spoilt


@pytest.mark.parametrize(
    ("listed", "own", "processes", "strangers"),
    [
        ({}, (), 0, []),
        ({9: 2**20}, (), 0, ["process 9 with 1 MiB"]),
        ({9: 0, 10: None}, (), 0, ["process 9 with 0 MiB", "process 10"]),
        ({1: 0, 2: 0}, (1, 2), 2, []),
        # In a container the driver lists numbers of the host.
        ({901: 0, 902: 0}, (1, 2), 2, []),
        ({901: 0, 902: 0, 903: 0}, (1, 2), 2, ["1 more than ours"]),
        ({}, (1, 2), 2, []),
    ],
)
def test_who_is_a_stranger(
    listed: dict[int, int | None], own: tuple[int, ...], processes: int, strangers: list[str]
) -> None:
    assert contention.foreign(listed, own, processes) == strangers


def test_heat_spoils_by_its_bit_or_by_the_drivers_sum() -> None:
    by_bit = device_seen(sight(), sight(reasons=("hardware thermal slowdown",)), sight())
    assert by_bit.spoilt
    assert by_bit.reasons == ("the GPU was held back: hardware thermal slowdown",)
    by_sum = device_seen(sight(heat_s=100.0), sight(heat_s=101.0))
    assert by_sum.spoilt
    assert by_sum.reasons == ("the GPU was held back: heat",)
    assert by_sum.fields["state.gpu.measure.held_back.heat"] == 0.1
    assert not device_seen(sight(heat_s=100.0), sight(heat_s=100.1)).spoilt


def test_a_clock_that_sags_between_blocks_is_told() -> None:
    assert device_seen(sight(), sight(1200), sight()).reasons == ("the GPU's clock fell to 1200 MHz",)
    assert device_seen(sight(300), sight(1900), sight(300)).reasons == (), "at rest before and after it may be low"


def write(proc: Path, busy: int, steal: int = 0, own: int = 0, stalled_us: int = 0, swapped: int = 0) -> None:
    """A kernel's folder in which every processor was busy for so many ticks, and process 5 of group 5 for ``own``."""
    (proc / "5").mkdir(parents=True, exist_ok=True)
    (proc / "pressure").mkdir(exist_ok=True)
    lines = ["cpu  9 9 9 9 9 9 9 9 0 0"]
    lines += [f"cpu{number} {busy} 0 0 1000 0 0 0 {steal} 0 0" for number in MINE]
    lines += [f"cpu{max(MINE) + 1} 99999 0 0 0 0 0 0 0 0 0", "intr 5"]
    (proc / "stat").write_text("\n".join(lines))
    (proc / "vmstat").write_text(f"nr_free_pages 5\npswpin {swapped}\npswpout 0\n")
    (proc / "pressure" / "cpu").write_text(f"some avg10=0.00 avg60=0.00 avg300=0.00 total={stalled_us}\nfull total=0\n")
    (proc / "5" / "stat").write_text(f"5 (an (odd) name) S 1 5 5 0 -1 0 0 0 0 0 {own} 0 0 0 20 0 1 0\n")


def test_counters_are_of_the_processors_this_process_may_use_and_of_its_groups(tmp_path: Path) -> None:
    write(tmp_path, busy=300, steal=100, own=40, stalled_us=2_500_000, swapped=12)
    found = contention.read({5}, tmp_path)
    assert found.busy_s == pytest.approx(400 * N / TICK)
    assert found.stolen_s == pytest.approx(100 * N / TICK)
    assert 40 / TICK <= found.own_s <= 40 / TICK + time.process_time()
    assert (found.stalled_s, found.swapped) == (2.5, 12)
    assert environment.members({5}, tmp_path) == {5}
    assert environment.group_seconds({6}, tmp_path) == 0
    nothing = contention.read(set(), tmp_path / "5")
    assert (nothing.busy_s, nothing.stolen_s, nothing.stalled_s, nothing.swapped) == (0, 0, None, 0)


class Group:
    group = 5


def test_a_watch_keeps_the_worst_of_all_stretches_and_says_what_disturbed_them(tmp_path: Path) -> None:
    watch = Watch(proc=tmp_path)
    for swapped in (900, 300, 0):
        write(tmp_path, busy=0)
        with watch.over("measure", [Group()]) as seen:
            write(tmp_path, busy=0, swapped=swapped)
        assert seen.fields["state.contention.measure.swapped_pages"] == swapped
    assert watch.fields["state.contention.measure.swapped_pages"] == 900
    assert watch.notes == ("Contention (measure): 300 pages went to or came from swap.",)


def test_how_busy_the_processors_were_is_said_with_the_intervals_and_not_again(tmp_path: Path) -> None:
    write(tmp_path, busy=0)
    watch = Watch(proc=tmp_path)
    with watch.over("measure") as seen:
        write(tmp_path, busy=10_000_000)
    assert seen.share == 1.0
    assert seen.reasons
    assert watch.notes == ()


class Looked(Gpu):
    """A GPU that counts who looks at it."""

    def __init__(self, busy: float = 0.0) -> None:
        super().__init__("the GPU")
        self.looks = 0
        self.working = busy

    def look(self) -> Sight:
        self.looks += 1
        return sight()

    def busy(self) -> float:
        return self.working


def test_a_gpu_is_looked_at_when_a_stretch_begins_and_ends_and_at_most_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    write(tmp_path, busy=0)
    gpu = Looked()
    with Watch(gpu, tmp_path).over("measure") as seen:
        for _ in range(100):
            now[0] += 0.05
            seen.look()
    assert gpu.looks == 2 + 4
    assert seen.fields["state.gpu.measure.end.temperature_c"] == 50


def test_a_gpu_that_is_busy_before_anything_of_ours_runs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    write(tmp_path, busy=0)
    watch = Watch(Looked(0.6), tmp_path)
    seen = watch.rest("before")
    assert seen.spoilt
    assert watch.notes == ("Contention (before): others' kernels ran on the GPU 60% of the time.",)
    assert watch.fields["state.contention.before.gpu_busy"] == 0.6
    assert not watch.rest("after").spoilt, "its last moments before were ours"
