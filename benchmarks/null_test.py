"""How far the harness is from its own null: repeated A/A runs, against one timer in one process doing the same twice."""

import json
import statistics
import subprocess
import sys
import time
from typing import Any

MLP = {"name": "mlp", "width": 512, "layers": 4}
SPEC: dict[str, Any] = {
    "model": MLP,
    "workload": {"name": "classify", "batch_size": 64},
    "baseline": {"name": "fp32", "stack": [{"technique": "precision", "dtype": "fp32"}]},
    "variant": {"name": "fp32", "stack": [{"technique": "precision", "dtype": "fp32"}]},
    "device": "cpu",
    "effort": "quick",
}

PLAIN_TIMER = """
import json, sys, torch
from torch.utils.benchmark import Timer
from workers.catalog.models.mlp import Mlp
from workers.catalog.technique import LoadOptions
torch.set_num_threads(torch.get_num_threads())
declared = Mlp(width=512, layers=4)
model = declared.build(LoadOptions())
batch = declared.inputs(model, batch_size=64, length=None, seed=0)
with torch.inference_mode():
    timer = Timer("model(x)", globals={"model": model, "x": batch["features"]}, num_threads=torch.get_num_threads())
    print(timer.blocked_autorange(min_run_time=3.0).median)
"""


def main(repeats: int = 10) -> None:
    """Print both distributions of |ratio - 1|, taken in turns, and the share of a core the coordinator used."""
    ours: list[float] = []
    theirs: list[float] = []
    verdicts: dict[str, int] = {}
    coordinator: list[float] = []
    for seed in range(repeats):
        started = time.monotonic()
        report = _measure(SPEC | {"seed": seed})
        effect = next(e for e in report["effects"] if e["metric"] == "latency")
        ours.append(abs(effect["ratio"] - 1))
        verdicts[effect["verdict"]] = verdicts.get(effect["verdict"], 0) + 1
        coordinator.append(time.monotonic() - started)
        first, second = _plain_timer(), _plain_timer()
        theirs.append(abs(second / first - 1))
    print(f"A/A, {repeats} times: |latency ratio - 1|, median and worst")
    print(f"  paired sitting (quick)            {statistics.median(ours):7.2%} {max(ours):7.2%}   verdicts {verdicts}")
    print(f"  torch timer, one process each     {statistics.median(theirs):7.2%} {max(theirs):7.2%}")
    print(f"  wall time of one quick run        {statistics.median(coordinator):.1f} s")
    print(f"  coordinator's own processor time  {_coordinator_share():.2%} of a core over a whole run")


def _measure(spec: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "workers.measurement"],
        input=json.dumps(spec),
        capture_output=True,
        text=True,
        check=True,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    if report["outcome"] != "ok":
        raise SystemExit(f"the run ended {report['outcome']}: {report['message']}")
    return report


def _plain_timer() -> float:
    done = subprocess.run([sys.executable, "-c", PLAIN_TIMER], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _coordinator_share() -> float:
    """Processor time of the coordinator alone: what its own children used is taken off by asking it for its own usage."""
    code = (
        "import resource, runpy, sys, atexit\n"
        "def tell():\n"
        "    use = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    print('own', use.ru_utime + use.ru_stime, file=sys.stderr)\n"
        "atexit.register(tell)\n"
        "sys.argv = ['workers.measurement']\n"
        "runpy.run_module('workers.measurement', run_name='__main__')\n"
    )
    before = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(SPEC), capture_output=True, text=True, check=True
    )
    wall = time.monotonic() - before
    own = float(done.stderr.rsplit("own", 1)[1])
    return own / wall
