"""What the harness itself takes: processor time of the coordinator, and time that reading the clock adds to a step."""

import json
import statistics
import subprocess
import sys
import time
from time import perf_counter_ns
from typing import Any

STEP_S = 0.010
TURNS = 15
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


def added() -> float:
    """Share by which a step of ten milliseconds is longer under the probe than bare, over turns of both."""
    import torch

    from workers.catalog.workload import Mark, Session
    from workers.catalog.workloads.classify import Classify
    from workers.measurement.probes import latency

    class Spin(Session):
        """Ten milliseconds of work that the scheduler sees as such."""

        def step(self, mark: Mark) -> None:
            until = perf_counter_ns() + int(STEP_S * 1e9)
            while perf_counter_ns() < until:
                continue

    session, workload, cpu = Spin(), Classify(), torch.device("cpu")
    differences = []
    for _ in range(TURNS):
        began = perf_counter_ns()
        for _ in range(STEPS):
            session.step(lambda phase: None)
        bare = perf_counter_ns() - began
        timed = sum(latency.steps(session, workload, cpu, STEPS, 1)[0].values) * 1e9
        differences.append(timed / bare - 1)
    return statistics.median(differences)
