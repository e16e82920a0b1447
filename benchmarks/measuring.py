"""How far verdicts can be trusted: null tests, a true slow-down, the harness's own cost, and other tools beside it.

``python -m benchmarks.measuring null|slowed|cost|precision|study [--rounds N] [--busy] [--json FILE]``; everything that is
compared is taken in turns within one invocation. Other tools run from ``.venv-peers`` (``make bench-measuring`` makes it). The
exit code is 1 when a goal was missed.
"""

import argparse
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import study
from benchmarks.forward import BATCH_SIZE, MODEL
from benchmarks.slowed_arm import SHARE
from workers import confine

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers/bin/python"
FP32 = {"name": "fp32", "stack": [{"technique": "precision", "dtype": "fp32"}]}
SPEC: dict[str, Any] = {
    "model": MODEL,
    "workload": {"name": "classify", "batch_size": BATCH_SIZE},
    "baseline": FP32,
    "variant": FP32,
    "device": "cpu",
}
DECODER: dict[str, Any] = SPEC | {
    "model": {"name": "reference_decoder"},
    "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 128},
}
"""What is slowed down: its processes lie closer together than the vision transformer's, whose spread hides 3 % more often."""
SLOWER = 0.03
CALM = 30
"""Studies of calm pairs that a judgement rests on."""
GOAL = 0.02
MOST_WRONG = 0.05
LEAST_FOUND = 0.90
MOST_SHARE = 0.005
MOST_ADDED = 0.001
MOST_STUDY_S = 360.0
SURROUNDINGS = (
    "cpu.model",
    "cpu.architecture",
    "cpu.physical",
    "cpu.virtual",
    "memory.total_bytes",
    "os.system",
    "python.version",
    "package.torch",
    "package.transformers",
    "library.blas",
    "library.onednn",
    "library.openmp_runtime",
)
"""Fields of a report's environment that go with the figures; a host's name does not."""


class Shot(NamedTuple):
    """One A/A comparison by one tool."""

    shift: float
    """|second / first - 1|."""
    latency: float
    """Seconds of one forward pass as the tool reports it."""
    wall_s: float


def null(rounds: int, peer_rounds: int, effort: str, busy: bool) -> dict[str, Any]:
    """The same configuration against itself, by each tool in turns."""
    shots: dict[str, list[Shot]] = {"tradespace": [], "plain loop": [], "optimum-benchmark": []}
    verdicts: Counter[str] = Counter()
    with _neighbour(busy), tempfile.TemporaryDirectory() as folder:
        _run(sys.executable, "-m", "benchmarks.forward", "folder", folder)
        for seed in range(rounds):
            began = time.monotonic()
            report = _measure(SPEC | {"effort": effort, "seed": seed})
            effect, latency = _latency(report)
            verdicts[effect["verdict"]] += 1
            shots["tradespace"].append(Shot(abs(effect["ratio"] - 1), latency, time.monotonic() - began))
            if seed < peer_rounds:
                shots["plain loop"].append(
                    _twice(lambda: float(_run(sys.executable, "-m", "benchmarks.forward", "loop")))
                )
                shots["optimum-benchmark"].append(_twice(lambda: _optimum(folder)))
            _tell(
                f"round {seed + 1} of {rounds}: {effect['ratio']:.3f} [{effect['low']:.3f}, {effect['high']:.3f}] {effect['verdict']}"
            )
    wrong = sum(count for word, count in verdicts.items() if word not in ("same", "undecided"))
    print(f"A/A, {'one core kept busy by something else' if busy else 'alone'}: latency of one forward pass")
    print(f"{'tool':20}{'n':>4}{'|shift| median':>16}{'p95':>9}{'latency median':>17}{'spread':>9}{'wall':>8}")
    table = {}
    for tool, taken in shots.items():
        shifts, latencies = [s.shift for s in taken], [s.latency for s in taken]
        spread = (max(latencies) - min(latencies)) / statistics.median(latencies)
        table[tool] = row = {
            "n": len(taken),
            "shift_median": statistics.median(shifts),
            "shift_p95": float(np.quantile(shifts, 0.95)),
            "latency_median_s": statistics.median(latencies),
            "latency_range_over_median": spread,
            "wall_median_s": statistics.median(s.wall_s for s in taken),
            "shifts": shifts,
            "latencies_s": latencies,
        }
        print(
            f"{tool:20}{row['n']:4}{row['shift_median']:16.2%}{row['shift_p95']:9.2%}{row['latency_median_s'] * 1e3:14.1f} ms"
            f"{spread:9.1%}{row['wall_median_s']:6.1f} s"
        )
    print(f"verdicts {dict(verdicts)}: {wrong} of {rounds} other than same or undecided")
    return {
        "tools": table,
        "verdicts": dict(verdicts),
        "busy": busy,
        "effort": effort,
        "met": wrong <= MOST_WRONG * rounds,
    }


def slowed(rounds: int, calm_rounds: int | None) -> dict[str, Any]:
    """A variant that is truly 3 % slower, at standard effort; ends early with as many studies of calm pairs as are asked for."""
    os.environ[SHARE] = str(SLOWER)
    taken: list[dict[str, Any]] = []
    for seed in range(rounds):
        report = _measure(DECODER | {"effort": "standard", "seed": seed}, "benchmarks.slowed")
        effect, _ = _latency(report)
        spread = _spread(report)
        taken.append({name: effect[name] for name in ("ratio", "low", "high", "verdict", "pairs")} | {"spread": spread})
        calm = [each for each in taken if each["spread"] <= GOAL]
        _tell(f"round {seed + 1} of {rounds}, {len(calm)} of them calm: {taken[-1]}")
        if len(calm) == calm_rounds:
            break
    found, all_found = (Counter(each["verdict"] for each in some) for some in (calm, taken))
    pooled = math.sqrt(statistics.mean(each["spread"] ** 2 for each in taken))
    print(f"A variant that is {SLOWER:.0%} slower, {len(taken)} studies at standard effort")
    print(f"  pairs of all studies lie {pooled:.1%} apart (standard deviation, pooled); of all: {dict(all_found)}")
    print(f"  pairs lie within {GOAL:.0%} in {len(calm)}: {dict(found)}")
    enough = len(calm) >= (calm_rounds or CALM)
    if not enough:
        print(f"  {calm_rounds or CALM} such studies are asked for: not judged; go on with --rounds")
    met = enough and found["slower"] >= LEAST_FOUND * len(calm) and not all_found["faster"]
    return {"studies": taken, "slower_by": SLOWER, "pooled_spread": pooled, "met": met}


def cost() -> dict[str, Any]:
    """What the coordinator takes of a core while it measures, and what timing adds to a step of ten milliseconds."""
    from benchmarks.harness import added, coordinator_share

    share, wall = coordinator_share(SPEC | {"effort": "standard"})
    longer = added()
    print(f"coordinator: {share:.3%} of a core over a sitting of {wall:.0f} s")
    print(f"timing adds {longer.calls:.4%} to a step of 10 ms by its calls")
    print(f"the same work takes {longer.work:.3%} longer under it [{longer.low:.3%}, {longer.high:.3%}]")
    met = share <= MOST_SHARE and max(longer.calls, longer.low) <= MOST_ADDED
    return {"coordinator_share": share, "sitting_s": wall, "added": longer._asdict(), "met": met}


def precision(rounds: int) -> dict[str, Any]:
    """Time until a ratio's interval is ±2 %: ours at standard effort, and pyperf with as many processes as that takes."""
    taken = []
    for seed in range(rounds):
        began = time.monotonic()
        effect, _ = _latency(_measure(SPEC | {"effort": "standard", "seed": seed}))
        ours = time.monotonic() - began
        theirs, half_width, processes = _pyperf()
        taken.append(
            {
                "ours_s": ours,
                "ours_half_width": math.log(effect["high"] / effect["low"]) / 2,
                "ours_pairs": effect["pairs"],
                "pyperf_s": theirs,
                "pyperf_half_width": half_width,
                "pyperf_processes": processes,
            }
        )
        _tell(f"round {seed + 1} of {rounds}: {taken[-1]}")
    middle = {name: statistics.median(each[name] for each in taken) for name in taken[0]}
    print("time to a ratio within ±2 %, medians")
    print(f"  tradespace {middle['ours_s']:6.1f} s, ±{middle['ours_half_width']:.1%}, {middle['ours_pairs']:.0f} pairs")
    print(
        f"  pyperf     {middle['pyperf_s']:6.1f} s, ±{middle['pyperf_half_width']:.1%}, {middle['pyperf_processes']:.0f} processes an arm"
    )
    return {"rounds": taken, "met": middle["ours_half_width"] <= GOAL}


def six(rounds: int) -> dict[str, Any]:
    """A study of six variants at standard effort with quality."""
    taken = []
    for _ in range(rounds):
        took, table = study.seconds()
        taken.append(took)
        _tell(table)
    print(f"six variants with quality at standard effort: {', '.join(f'{took:.0f} s' for took in taken)}")
    return {"seconds": taken, "study": study.STUDY, "met": max(taken) <= MOST_STUDY_S}


@contextmanager
def _neighbour(busy: bool) -> Iterator[None]:
    """Something else that keeps one core busy meanwhile."""
    if not busy:
        yield
        return
    # It ends with this process, however that ends: a neighbour nobody knows of would spoil everything measured later.
    process = subprocess.Popen(confine.command([sys.executable, "-c", "while True: pass"], end=signal.SIGKILL))
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _measure(spec: dict[str, Any], program: str = "workers.measurement") -> dict[str, Any]:
    report: dict[str, Any] = json.loads(_run(sys.executable, "-m", program, text=json.dumps(spec)))
    if report["outcome"] != "ok":
        raise SystemExit(f"the run ended {report['outcome']}: {report['message']}")
    return report


def _surroundings() -> dict[str, Any]:
    """What a report says about the machine."""
    fields = _measure(SPEC | {"effort": "quick"})["environment"]
    return {name: fields.get(name) for name in SURROUNDINGS}


def _latency(report: dict[str, Any]) -> tuple[dict[str, Any], float]:
    effect = next(each for each in report["effects"] if each["metric"] == "latency")
    value = next(e["value"] for e in report["measurements"] if e["metric"] == "latency" and e["arm"] == "baseline")
    return effect, value


def _spread(report: dict[str, Any]) -> float:
    """Standard deviation of the pairs' log-ratios, from the raw samples."""
    medians: dict[tuple[str, int], float] = {
        (each["arm"], each["pair"]): statistics.median(each["values"])
        for each in report["samples"]
        if each["metric"] == "latency" and not each["warm_up"] and not each["contended"]
    }
    pairs = sorted({pair for _, pair in medians})
    return statistics.stdev(math.log(medians["variant", pair] / medians["baseline", pair]) for pair in pairs)


def _twice(measure: Any) -> Shot:
    began = time.monotonic()
    first, second = measure(), measure()
    return Shot(abs(second / first - 1), first, time.monotonic() - began)


def _optimum(folder: str) -> float:
    """optimum-benchmark's median latency of the forward pass."""
    said = _run(str(PEERS), "-m", "benchmarks.optimum", folder)
    # Its own processes sometimes write behind what is printed, on the same line.
    found, _ = json.JSONDecoder().raw_decode(said, said.rindex('{"values"'))
    return float(found["p50"])


def _pyperf() -> tuple[float, float, int]:
    """Seconds, half-width reached and processes an arm: both arms get more processes until the ratio is within ±2 %."""
    began = time.monotonic()
    values: tuple[list[float], list[float]] = ([], [])
    while True:
        for arm in values:
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "out.json"
                _run(str(PEERS), "-m", "benchmarks.forward", "pyperf", "--processes", "3", "--quiet", "--inherit-environ",
                     "PYTHONPATH", "-o", str(out))  # fmt: skip
                runs = json.loads(out.read_text())["benchmarks"][0]["runs"]
                arm += [math.log(statistics.mean(run["values"])) for run in runs if "values" in run]
        error = math.sqrt(sum(statistics.variance(arm) / len(arm) for arm in values))
        half_width = 1.96 * error
        if half_width <= GOAL or len(values[0]) >= 30:
            return time.monotonic() - began, half_width, len(values[0])


def _run(*words: str, text: str = "") -> str:
    done = subprocess.run(
        words,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def main(words: Sequence[str] | None = None) -> None:
    """Run what is asked for and keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measuring", description=str(__doc__).partition("\n")[0])
    parser.add_argument("what", choices=("null", "slowed", "cost", "precision", "study"))
    parser.add_argument("--rounds", type=int, default=None, help="30 of null and slowed, 1 of precision and study")
    parser.add_argument(
        "--calm", type=int, metavar="N", help="slowed: no further once N studies have pairs within 2 %% of one another"
    )
    parser.add_argument("--effort", choices=("quick", "standard"), default="quick", help="of the null tests")
    parser.add_argument("--peer-rounds", type=int, default=10, help="rounds in which other tools take part")
    parser.add_argument("--busy", action="store_true", help="keep one core busy meanwhile")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    chosen = parser.parse_args(words)
    if chosen.what == "null":
        figures = null(chosen.rounds or 30, chosen.peer_rounds, chosen.effort, chosen.busy)
    elif chosen.what == "slowed":
        figures = slowed(chosen.rounds or 30, chosen.calm)
    elif chosen.what == "cost":
        figures = cost()
    elif chosen.what == "precision":
        figures = precision(chosen.rounds or 1)
    else:
        figures = six(chosen.rounds or 1)
    if chosen.json:
        chosen.json.write_text(json.dumps({"environment": _surroundings()} | figures, indent=1) + "\n")
    if not figures["met"]:
        raise SystemExit("a goal was missed")


if __name__ == "__main__":
    main()
