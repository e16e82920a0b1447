"""What binds, checked: the class that a run would report against what changing the work from outside says (``make bench-binding``).

The report's class comes from counted work, measured ceilings, and the step's reaction. The check knows nothing of roofs: it
takes the step in turns with two twins, one half as wide, and one whose layers all have the first one's weights, which then lie in
a cache while calls and arithmetic stay what they are.

- half the width hardly changes the time: the size of the work does not matter, so calling operators binds;
- otherwise weights in a cache make it much faster: reading them binds;
- otherwise they hardly matter: arithmetic binds;
- anything between decides nothing, and the case is not counted.

Each case has a fresh process. The exit code is 1 when fewer than 20 cases were decided or fewer than 90 % of them agree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.sized import sized

SMALL = 1.35
"""Times as long as the narrow twin up to which the size of the work counts as of no matter."""
NEAR = 1.2
"""Times as long as with weights in a cache up to which reading them counts as of no matter."""
FAR = 1.5
"""The same from which it binds."""
FEWEST = 20
GOAL = 0.9
ROUNDS = 9
BLOCK_S = 0.03
LAST = 1_000_000


class Case(NamedTuple):
    """A model, twice as wide as its twin, and what it does."""

    name: str
    model: str
    width: int
    layers: int
    workload: dict[str, Any]


CASES = (
    *(Case(f"MLP {width} x {layers}, {batch} samples", "mlp", width, layers, {"name": "classify", "batch_size": batch}) for width, layers, batch in (
        (64, 8, 1), (128, 8, 1), (128, 12, 4), (768, 100, 1), (896, 80, 1), (1_024, 64, 1), (1_280, 32, 2), (1_536, 24, 1), (2_048, 16, 1), (1_024, 8, 512), (1_536, 6, 256), (2_048, 4, 512),
    )),
    *(Case(f"decoder {width} x {layers}, prefill {length}", "decoder", width, layers, {"name": "prefill", "batch_size": 1, "sequence_length": length}) for width, layers, length in (
        (64, 6, 8), (128, 8, 8), (128, 4, 16), (512, 4, 256), (768, 4, 256), (1_024, 3, 256), (1_024, 4, 384),
    )),
    *(Case(f"decoder {width} x {layers}, decode after {length}", "decoder", width, layers, {"name": "decode", "batch_size": 1, "context_length": length}) for width, layers, length in (
        (64, 6, 32), (128, 8, 32), (128, 4, 64), (512, 40, 64), (640, 24, 64), (768, 16, 64), (768, 20, 128),
    )),
)  # fmt: skip


def declared(case: Case, width: int) -> Any:
    """The model of a case at a width."""
    if case.model == "mlp":
        from workers.catalog.models.mlp import Mlp

        return Mlp(width=width, layers=case.layers)
    return sized(width, case.layers, heads=max(1, case.width // 64))


def look(case: Case, ceilings_file: Path) -> dict[str, Any]:
    """One case in this process: the reported class, and how time grows from outside."""
    import torch

    from workers.catalog import workloads
    from workers.catalog.ceilings import Ceilings
    from workers.catalog.technique import LoadOptions
    from workers.catalog.workload import Bench, unmarked
    from workers.measurement import binding, environment
    from workers.measurement.probes import peaks, perturbation, work

    torch.set_num_threads(environment.physical_cores())
    ceilings = Ceilings.model_validate_json(ceilings_file.read_text())
    kind = {each.word: each for each in workloads.WORKLOADS}[case.workload["name"]]

    workload = kind.model_validate(case.workload)

    def session(width: int, *, one_for_all: bool = False) -> Any:
        model = declared(case, width)
        built = model.build(LoadOptions()).eval()
        if one_for_all:
            share_weights(built)
        bench = Bench(built, model, (), "cpu", 0)
        return bench, workload.prepare(bench)

    bench, now = session(case.width)
    for _ in range(3):
        now.step(unmarked)
        now.between()
    counted = work.count(now.step)
    now.between()
    reaction = perturbation.react(bench, now, workload, torch.device("cpu"))
    found = binding.bottlenecks(
        "variant", workload, counted, reaction, ceilings, peaks.dispatch_seconds(torch.device("cpu"))
    )
    whole = next(one for one in found if one.phase == workload.main_phase)
    near, narrow = session(case.width, one_for_all=True)[1], session(case.width // 2)[1]
    times: dict[str, list[float]] = {"now": [], "near": [], "narrow": []}
    for number in range(ROUNDS + 1):
        for name, one in (("now", now), ("near", near), ("narrow", narrow)):
            seconds = _block(one)
            if number:
                times[name].append(seconds)
    over = {
        name: statistics.median(a / b for a, b in zip(times["now"], times[name], strict=True))
        for name in ("near", "narrow")
    }
    return {
        "name": case.name, "seconds": statistics.median(times["now"]), **over, "truth": truth(over["near"], over["narrow"]),
        "reported": whole.kind, "headroom": whole.headroom, "sentence": whole.sentence, "evidence": whole.evidence,
    }  # fmt: skip


def share_weights(model: Any) -> None:
    """Give all layers the weights of the first one."""
    layers = model.blocks if hasattr(model, "blocks") else model.model.layers
    first = dict(layers[0].named_parameters())
    for layer in layers[1:]:
        for name, weight in first.items():
            holder, _, own = name.rpartition(".")
            setattr(layer.get_submodule(holder), own, weight)


def _block(session: Any) -> float:
    """Seconds of a step, typical of some."""
    from workers.catalog.workload import unmarked

    times: list[float] = []
    while len(times) < 3 or (sum(times) < BLOCK_S and len(times) < LAST):
        began = perf_counter()
        session.step(unmarked)
        times.append(perf_counter() - began)
        session.between()
    return statistics.median(times)


def truth(near: float, narrow: float) -> str | None:
    """What the twins say; None where they decide nothing.

    Args:
        near: times as long as with weights in a cache.
        narrow: times as long as half as wide.
    """
    if narrow <= SMALL:
        return "overhead"
    if near >= FAR:
        return "bandwidth"
    return "compute" if near <= NEAR else None


def main() -> None:
    """Look at every case, print the table, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ceilings", type=Path, help="ceilings of this CPU; measured when left out")
    asked = parser.parse_args()
    if asked.case is not None:
        print(json.dumps(look(CASES[asked.case], asked.ceilings)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = asked.ceilings or _ceilings(Path(folder))
        rows = [_fresh(number, file) for number in range(len(CASES))]
    decided = [row for row in rows if row["truth"] is not None]
    agreeing = [row for row in decided if row["truth"] == row["reported"]]
    share = len(agreeing) / len(decided) if decided else 0.0
    unclear = sum(row["reported"] == "unclear" for row in decided)
    print(
        f"{len(agreeing)} of {len(decided)} decided cases agree ({share:.0%}, goal {GOAL:.0%}); {unclear} unclear, {len(rows) - len(decided)} not decided by the twins"
    )
    if asked.json:
        from workers.measurement import environment

        asked.json.write_text(
            json.dumps({"goal": GOAL, "share": share, "cases": rows, "environment": environment.host()}, indent=1)
            + "\n"
        )
    sys.exit(int(share < GOAL or len(decided) < FEWEST))


def _ceilings(folder: Path) -> Path:
    file = folder / "ceilings.json"
    told = subprocess.run(
        [sys.executable, "-m", "workers.measurement.ceilings"], capture_output=True, text=True, check=True
    )
    file.write_text(told.stdout)
    return file


def _fresh(number: int, ceilings: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.binding", "--case", str(number), "--ceilings", str(ceilings)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    print(
        f"{row['name']:34} {row['seconds'] * 1e3:8.2f} ms  over cached weights {row['near']:.2f}  over half width {row['narrow']:.2f}  twins say {row['truth'] or 'nothing':10} reported {row['reported']}",
        flush=True,
    )
    return row


if __name__ == "__main__":
    main()
