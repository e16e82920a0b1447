"""Every quantity Tradespace measures: its name, unit, direction, and exactly what the number means."""

from typing import Literal, NamedTuple

Better = Literal["lower", "higher", "neither"]
Aspect = Literal["speed", "memory", "size", "quality", "work"]


class Metric(NamedTuple):
    """One quantity. Values are kept in the base unit (seconds, bytes, tokens per second)."""

    name: str
    title: str
    unit: str
    better: Better
    aspect: Aspect
    definition: str


LATENCY = Metric(
    "latency", "Latency", "s", "lower", "speed", "Time of one step of the workload, median over the steps."
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
MEMORY_PEAK_ALLOCATED = Metric(
    "memory.peak_allocated",
    "Peak allocated",
    "B",
    "lower",
    "memory",
    "Most bytes held by tensors during the phase. CUDA: the allocator's own peak. CPU: tensors held before the step "
    "plus the peak of torch's allocation events during it.",
)
MEMORY_PEAK_RESERVED = Metric(
    "memory.peak_reserved",
    "Peak reserved",
    "B",
    "lower",
    "memory",
    "Most bytes the CUDA caching allocator held from the driver during the phase.",
)
MEMORY_PROCESS = Metric(
    "memory.process", "Process on device", "B", "lower", "memory", "Device memory of this process as NVML reports it."
)
MEMORY_DEVICE = Metric(
    "memory.device", "Whole device", "B", "lower", "memory", "Device memory in use by everybody, as NVML reports it."
)
MEMORY_HOST = Metric(
    "memory.host_peak",
    "Peak host memory",
    "B",
    "lower",
    "memory",
    "Peak resident set of the measuring process during the phase; the kernel's own high-water mark, reset before it.",
)
MEMORY_WEIGHTS = Metric(
    "memory.weights", "Weights", "B", "lower", "memory", "Bytes of all parameters and buffers after conversion."
)
MEMORY_ACTIVATIONS = Metric(
    "memory.activations",
    "Activation peak",
    "B",
    "lower",
    "memory",
    "Peak of the bytes allocated during the phase above what was held when it began.",
)
MODEL_PARAMETERS = Metric(
    "model.parameters", "Parameters", "1", "neither", "size", "Number of parameters, as the model was built."
)
MODEL_SIZE = Metric(
    "model.size", "Model size", "B", "lower", "size", "Bytes of the state dict after conversion, as it would be saved."
)
COMPUTE_FLOPS = Metric(
    "compute.flops",
    "FLOPs per step",
    "FLOP",
    "neither",
    "work",
    "Floating-point operations of one eager step by torch's counter (matrix products and attention; a multiply-add is 2).",
)
COMPUTE_RATE = Metric(
    "compute.rate", "Achieved FLOP/s", "FLOP/s", "higher", "speed", "FLOPs of one step over its latency."
)
QUALITY_KL = Metric(
    "quality.kl_divergence",
    "KL divergence",
    "nat",
    "lower",
    "quality",
    "Mean over positions of KL(baseline || variant) between the output distributions on the same inputs.",
)
QUALITY_AGREEMENT = Metric(
    "quality.top1_agreement",
    "Top-1 agreement",
    "1",
    "higher",
    "quality",
    "Share of positions where the variant's most likely output is the baseline's.",
)

METRICS: tuple[Metric, ...] = (
    LATENCY,
    LATENCY_TTFT,
    LATENCY_TPOT,
    THROUGHPUT_TOKENS,
    THROUGHPUT_SAMPLES,
    COLD_LOAD,
    COLD_CONVERT,
    COLD_COMPILE,
    COLD_FIRST_CALL,
    MEMORY_PEAK_ALLOCATED,
    MEMORY_PEAK_RESERVED,
    MEMORY_PROCESS,
    MEMORY_DEVICE,
    MEMORY_HOST,
    MEMORY_WEIGHTS,
    MEMORY_ACTIVATIONS,
    MODEL_PARAMETERS,
    MODEL_SIZE,
    COMPUTE_FLOPS,
    COMPUTE_RATE,
    QUALITY_KL,
    QUALITY_AGREEMENT,
)
BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
