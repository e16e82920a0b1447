"""One forward pass of a small vision transformer, for timers that know nothing of Tradespace.

``python -m benchmarks.forward loop``: a plain timed loop in a fresh process; ``folder DIR``: the model saved, for tools
that load from one; ``pyperf``: pyperf's runner over the same call, with pyperf's own options.
"""

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

MODEL = {"name": "vit", "preset": "tiny"}
BATCH_SIZE = 2
WARM_UP = 10
STEPS = 60


def forward() -> tuple[Any, Callable[[], object]]:
    """The model and the call that is timed."""
    import torch

    from workers.catalog.models.vit import Vit
    from workers.catalog.technique import LoadOptions

    declared = Vit(preset="tiny")
    model = declared.build(LoadOptions()).eval()
    batch = declared.inputs(model, batch_size=BATCH_SIZE, length=None, seed=0)
    pixels = next(value for value in batch.values() if value.is_floating_point())

    def call() -> object:
        with torch.inference_mode():
            return model(pixels)

    return model, call


def loop() -> float:
    """Median seconds of a plain loop after a fixed warm-up."""
    _, call = forward()
    times = []
    for _ in range(WARM_UP + STEPS):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return statistics.median(times[WARM_UP:])


def main() -> None:
    """Do what the first argument says."""
    what = sys.argv.pop(1)
    if what == "loop":
        print(loop())
    elif what == "folder":
        model, _ = forward()
        model.config.architectures = [type(model).__name__]
        model.save_pretrained(Path(sys.argv[1]))
    elif what == "pyperf":
        import pyperf

        runner = pyperf.Runner(program_args=("-m", "benchmarks.forward", "pyperf"))
        runner.bench_func("forward", forward()[1])


if __name__ == "__main__":
    main()
