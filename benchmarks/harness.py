"""What the harness itself takes: processor time of the coordinator, and time that reading the clock adds to a step."""

import json
import statistics
import subprocess
import sys
import time
from time import perf_counter_ns
from typing import Any, NamedTuple

STEP_S = 0.010
TURNS = 15
NUMBERS = 5_000
STEPS = 20

TELL = (
    "import resource, runpy, sys, atexit\n"
    "def tell():\n"
    "    use = resource.getrusage(resource.RUSAGE_SELF)\n"
    "    print('own', use.ru_utime + use.ru_stime, file=sys.stderr)\n"
    "import workers.measurement.sitting\n"
    "before = resource.getrusage(resource.RUSAGE_SELF)\n"
    "print('imported', before.ru_utime + before.ru_stime, file=sys.stderr)\n"
    "atexit.register(tell)\n"
    "sys.argv = ['workers.measurement']\n"
    "runpy.run_module('workers.measurement', run_name='__main__')\n"
)


def coordinator_share(spec: dict[str, Any]) -> tuple[float, float]:
    """Share of a core that the coordinator used after its imports, and the seconds of the sitting."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", TELL], input=json.dumps(spec), capture_output=True, text=True, check=True
    )
    wall = time.monotonic() - began
    own = float(done.stderr.rsplit("own", 1)[1])
    imported = float(done.stderr.split("imported", 1)[1].split()[0])
    return (own - imported) / wall, wall


class Added(NamedTuple):
    """By what share a step of ten milliseconds is longer under the probe than bare."""

    calls: float
    """Of a step that ends when the clock says so: what lies between the clock's readings and the step alone, to 0.01 %."""
    work: float
    """Of one that does the same work every time, so that what the harness leaves in the caches counts too; noisier."""
    low: float
    """Lower end of the 95 % interval of ``work``."""
    high: float


def added() -> Added:
    """Time the same steps bare and under the probe, in turns."""
    import torch

    from workers.catalog.workload import Mark, Session
    from workers.catalog.workloads.classify import Classify
    from workers.measurement import statistics as ours
    from workers.measurement.probes import latency

    class Spin(Session):
        """Ten milliseconds of work that the scheduler sees as such."""

        def step(self, mark: Mark) -> None:
            until = perf_counter_ns() + int(STEP_S * 1e9)
            while perf_counter_ns() < until:
                continue

    numbers = list(range(NUMBERS))
    rounds = _rounds(numbers)

    class Sum(Session):
        """The same work every time, on numbers that fit into a cache."""

        def step(self, mark: Mark) -> None:
            for _ in range(rounds):
                sum(numbers)

    workload, cpu = Classify(), torch.device("cpu")

    def longer(session: Session) -> float:
        began = perf_counter_ns()
        for _ in range(STEPS):
            session.step(lambda phase: None)
        bare = perf_counter_ns() - began
        return sum(latency.steps(session, workload, cpu, STEPS, 1)[0].values) * 1e9 / bare - 1

    spin, same = Spin(), Sum()
    differences = [(longer(spin), longer(same)) for _ in range(TURNS)]
    work = ours.median([each for _, each in differences])
    return Added(statistics.median(each for each, _ in differences), work.value, work.low, work.high)


def _rounds(numbers: list[int]) -> int:
    """How often the numbers add up in about ten milliseconds."""
    taken = []
    for _ in range(STEPS):
        began = perf_counter_ns()
        sum(numbers)
        taken.append(perf_counter_ns() - began)
    return max(1, round(STEP_S * 1e9 / statistics.median(taken)))
