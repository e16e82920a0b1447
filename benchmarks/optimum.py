"""The same forward pass by optimum-benchmark with its own defaults; prints its latencies as JSON. Run by .venv-peers."""

import json
import sys

from optimum_benchmark import Benchmark, BenchmarkConfig, InferenceConfig, ProcessConfig, PyTorchConfig

from benchmarks.forward import BATCH_SIZE


def main(folder: str) -> None:
    """Launch one benchmark of the model whose configuration lies in a folder."""
    config = BenchmarkConfig(
        name="forward",
        launcher=ProcessConfig(),
        scenario=InferenceConfig(memory=True, latency=True, input_shapes={"batch_size": BATCH_SIZE}),
        backend=PyTorchConfig(
            model=folder, task="image-classification", library="transformers", device="cpu", torch_dtype="float32"
        ),
    )
    report = Benchmark.launch(config)
    latency = report.forward.latency
    print(json.dumps({"values": latency.values, "p50": latency.p50, "mean": latency.mean}))


if __name__ == "__main__":
    main(sys.argv[1])
