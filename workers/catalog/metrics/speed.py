"""How long a step and a cold start take, and what comes out in that time."""

from workers.catalog.metrics.metric import Metric

LATENCY = Metric(
    "latency", "Latency", "s", "lower", "speed", "Time of one step of the workload, median over the steps."
)
LATENCY_DEVICE = Metric(
    "latency.device",
    "Latency on the device",
    "s",
    "lower",
    "speed",
    "Time of one step on the GPU's own clock, between an event that the idle GPU meets before the step and one after it. "
    "Waits of the GPU for the host are in it; the host's last wait for the GPU is not.",
)
LATENCY_TTFT = Metric(
    "latency.ttft", "Time to first token", "s", "lower", "speed", "From the call of generate to the first new token."
)
LATENCY_TPOT = Metric(
    "latency.tpot",
    "Time per output token",
    "s",
    "lower",
    "speed",
    "Time after the first token, divided by the number of tokens after the first.",
)
THROUGHPUT_TOKENS = Metric(
    "throughput.tokens", "Tokens per second", "tokens/s", "higher", "speed", "Tokens of one step over its latency."
)
THROUGHPUT_SAMPLES = Metric(
    "throughput.samples", "Samples per second", "samples/s", "higher", "speed", "Samples of one step over its latency."
)
COLD_LOAD = Metric(
    "cold_start.load", "Load", "s", "lower", "speed", "Building the model and filling its weights, on the device."
)
COLD_CONVERT = Metric(
    "cold_start.convert", "Convert", "s", "lower", "speed", "Transforming the loaded model: quantising, wrapping."
)
COLD_COMPILE = Metric(
    "cold_start.compile", "Compile", "s", "lower", "speed", "Time torch's compiler reports for all graphs it built."
)
COLD_FIRST_CALL = Metric(
    "cold_start.first_call",
    "First call",
    "s",
    "lower",
    "speed",
    "The first step, whatever it has to set up or compile.",
)
SPEED: tuple[Metric, ...] = (
    LATENCY,
    LATENCY_DEVICE,
    LATENCY_TTFT,
    LATENCY_TPOT,
    THROUGHPUT_TOKENS,
    THROUGHPUT_SAMPLES,
    COLD_LOAD,
    COLD_CONVERT,
    COLD_COMPILE,
    COLD_FIRST_CALL,
)
