"""Every quantity Tradespace measures: its name, unit, direction, and exactly what the number means."""

from typing import Literal, NamedTuple

Better = Literal["lower", "higher", "neither"]
Aspect = Literal["speed", "memory", "size", "energy", "quality", "work"]


class Metric(NamedTuple):
    """One quantity. Values are kept in the base unit (seconds, bytes, tokens per second)."""

    name: str
    title: str
    unit: str
    better: Better
    aspect: Aspect
    definition: str
    version: int = 1
    """Of the definition. It rises when the same work would give another number; every stored figure names the version it followed."""


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
    "memory.weights",
    "Weights",
    "B",
    "lower",
    "memory",
    "Bytes of all parameters and buffers after conversion, with the scales that quantisation keeps beside them.",
)
MEMORY_ACTIVATIONS = Metric(
    "memory.activations",
    "Activation peak",
    "B",
    "lower",
    "memory",
    "Peak of the bytes allocated during the phase above what was held when it began.",
)
MEMORY_PEAK_WEIGHTS = Metric(
    "memory.peak.weights",
    "Weights at the peak",
    "B",
    "lower",
    "memory",
    "Part of the allocated peak: parameters and buffers, with the scales that quantisation keeps beside them.",
)
MEMORY_PEAK_GRADIENTS = Metric(
    "memory.peak.gradients",
    "Gradients at the peak",
    "B",
    "lower",
    "memory",
    "Part of the allocated peak: gradients of parameters, from their allocation to their release.",
)
MEMORY_PEAK_OPTIMIZER_STATES = Metric(
    "memory.peak.optimizer_states",
    "Optimizer states at the peak",
    "B",
    "lower",
    "memory",
    "Part of the allocated peak: what the optimizer keeps from one step to the next.",
)
MEMORY_PEAK_ACTIVATIONS = Metric(
    "memory.peak.activations",
    "Activations at the peak",
    "B",
    "lower",
    "memory",
    "Part of the allocated peak: what the forward pass, recomputation included, makes and what outlives the operator "
    "call that made it.",
)
MEMORY_PEAK_KV_CACHE = Metric(
    "memory.peak.kv_cache",
    "KV cache at the peak",
    "B",
    "lower",
    "memory",
    "Part of the allocated peak: keys and values of the tokens read so far.",
)
MEMORY_PEAK_TEMPORARY = Metric(
    "memory.peak.temporary",
    "Temporary at the peak",
    "B",
    "lower",
    "memory",
    "Part of the allocated peak: what one operator call makes and releases, gradients of activations on their way, and "
    "what the optimizer makes for an update.",
)
MEMORY_PEAK_OTHER = Metric(
    "memory.peak.other",
    "Other at the peak",
    "B",
    "lower",
    "memory",
    "Part of the allocated peak: inputs and whatever else was held before the step; on CUDA also what the allocator "
    "rounds up and library workspaces.",
)
MEMORY_ALLOCATED = Metric(
    "memory.allocated",
    "Allocated",
    "B",
    "lower",
    "memory",
    "Bytes held by tensors at one moment of a step; kept as a series over the step's time.",
)
MEMORY_EXACT_PEAK = Metric(
    "memory.exact.peak",
    "Exact peak",
    "B",
    "lower",
    "memory",
    "Most bytes that tensors of the phase would hold, counted while the model's own code ran on fake tensors, which have "
    "shapes and no memory. Not measured: nothing was computed.",
)
MEMORY_EXACT_PARAMETERS = Metric(
    "memory.exact.parameters",
    "Parameters at the exact peak",
    "B",
    "lower",
    "memory",
    "Part of the exact peak: parameters and buffers.",
)
MEMORY_EXACT_GRADIENTS = Metric(
    "memory.exact.gradients",
    "Gradients at the exact peak",
    "B",
    "lower",
    "memory",
    "Part of the exact peak: gradients of parameters, from their allocation to their release.",
)
MEMORY_EXACT_OPTIMIZER = Metric(
    "memory.exact.optimizer",
    "Optimizer states at the exact peak",
    "B",
    "lower",
    "memory",
    "Part of the exact peak: what the optimizer keeps from one step to the next.",
)
MEMORY_EXACT_ACTIVATIONS = Metric(
    "memory.exact.activations",
    "Activations at the exact peak",
    "B",
    "lower",
    "memory",
    "Part of the exact peak: what the forward pass, recomputation included, makes and what outlives the operator that made it.",
)
MEMORY_EXACT_KV_CACHE = Metric(
    "memory.exact.kv_cache",
    "KV cache at the exact peak",
    "B",
    "lower",
    "memory",
    "Part of the exact peak: keys and values of the tokens read so far.",
)
MEMORY_EXACT_TEMPORARY = Metric(
    "memory.exact.temporary",
    "Temporary at the exact peak",
    "B",
    "lower",
    "memory",
    "Part of the exact peak: gradients of activations on their way, workspaces of operators, and what the optimizer makes for an update.",
)
MEMORY_EXACT_OTHER = Metric(
    "memory.exact.other",
    "Other at the exact peak",
    "B",
    "lower",
    "memory",
    "Part of the exact peak: inputs and whatever else was held before the step.",
)
MEMORY_FRAGMENTATION = Metric(
    "memory.fragmentation",
    "Fragmentation",
    "B",
    "lower",
    "memory",
    "CUDA: reserved peak less allocated peak of the phase; what the caching allocator holds beyond what tensors took.",
)
MEMORY_OUTSIDE_TORCH = Metric(
    "memory.outside_torch",
    "Outside torch",
    "B",
    "lower",
    "memory",
    "Memory of the process that torch's allocator knows nothing of: interpreter, libraries, context. CPU: peak host "
    "memory less allocated peak. CUDA: process on device less what the allocator holds from the driver.",
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
COMPUTE_TRAFFIC = Metric(
    "compute.traffic",
    "Unfused traffic",
    "B",
    "neither",
    "work",
    "Bytes that all operators of one eager step read and write, each on its own: as if nothing stayed in a cache or a register "
    "between two of them.",
)
COMPUTE_TRAFFIC_LEAST = Metric(
    "compute.traffic.compulsory",
    "Compulsory traffic",
    "B",
    "neither",
    "work",
    "Least bytes one step can move: what was there before and is used (weights, inputs, caches) read once, what is changed of "
    "it written once, and the result written once.",
)
COMPUTE_INTENSITY = Metric(
    "compute.intensity",
    "Arithmetic intensity",
    "FLOP/B",
    "neither",
    "work",
    "FLOPs of one step over its unfused traffic; what fusion and caches save makes the true one higher.",
)
COMPUTE_INTENSITY_MOST = Metric(
    "compute.intensity.compulsory",
    "Arithmetic intensity at most",
    "FLOP/B",
    "neither",
    "work",
    "FLOPs of one step over its compulsory traffic; no implementation of the same step has a higher one.",
)
COMPUTE_BANDWIDTH = Metric(
    "compute.bandwidth",
    "Achieved bandwidth",
    "B/s",
    "higher",
    "work",
    "Compulsory traffic of one step over its latency: bytes that were moved for certain.",
)
COMPUTE_MFU = Metric(
    "compute.mfu",
    "Model FLOPs utilisation",
    "1",
    "higher",
    "work",
    "Time the step's products would take at the measured peak of their number format, over the latency.",
)
COMPUTE_MBU = Metric(
    "compute.mbu",
    "Bandwidth utilisation",
    "1",
    "higher",
    "work",
    "Achieved bandwidth over the device's measured bandwidth at a working set as large as the compulsory traffic.",
)
BREAK_EVEN = Metric(
    "break_even.calls",
    "Calls until paid back",
    "1",
    "lower",
    "speed",
    "Calls after which the variant's extra one-off cost (load, convert, what the first call takes beyond a usual one) is paid "
    "back by the time each call saves.",
)
ENERGY_STEP = Metric(
    "energy.step",
    "Energy per step",
    "J",
    "lower",
    "energy",
    "Energy of the whole GPU, or of all CPU packages, over a window of repeated steps, divided by the steps; idle power "
    "included.",
)
ENERGY_TOKEN = Metric(
    "energy.token", "Energy per token", "J", "lower", "energy", "Energy per step over the tokens of one step."
)
ENERGY_SAMPLE = Metric(
    "energy.sample", "Energy per sample", "J", "lower", "energy", "Energy per step over the samples of one step."
)
POWER_MEAN = Metric(
    "power.mean", "Mean power", "W", "lower", "energy", "Energy of a window of repeated steps over its length."
)
POWER_PEAK = Metric(
    "power.peak",
    "Peak power",
    "W",
    "lower",
    "energy",
    "Largest reading of the power sensor in that window; readings are averages, on newer GPUs of a second.",
)
POWER_IDLE = Metric(
    "power.idle",
    "Idle power",
    "W",
    "lower",
    "energy",
    "Power while all arms are loaded and rest; part of every other figure of energy.",
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
QUALITY_PERPLEXITY = Metric(
    "quality.perplexity",
    "Perplexity",
    "1",
    "lower",
    "quality",
    "exp of the mean negative log-likelihood of a held-out text's tokens, each predicted once from the window before it.",
)
QUALITY_NEXT_TOKEN = Metric(
    "quality.next_token_accuracy",
    "Next-token accuracy",
    "1",
    "higher",
    "quality",
    "Share of a held-out text's tokens that are the most likely one after the window before them.",
)
QUALITY_TOP1 = Metric(
    "quality.top1_accuracy",
    "Top-1 accuracy",
    "1",
    "higher",
    "quality",
    "Share of held-out samples whose most likely class is the right one.",
)
QUALITY_LOSS = Metric(
    "quality.loss",
    "Training loss",
    "nat",
    "lower",
    "quality",
    "Geometric mean of the loss over all steps of short trainings, each from the same start on the same batches in both arms.",
)
QUALITY_FINAL_LOSS = Metric(
    "quality.final_loss",
    "Final loss",
    "nat",
    "lower",
    "quality",
    "Geometric mean over short trainings of the mean loss of each one's last quarter of steps.",
)
QUALITY_LOSS_DEVIATION = Metric(
    "quality.loss_deviation",
    "Deviation of the loss",
    "1",
    "lower",
    "quality",
    "Mean over the steps of short trainings of the relative distance between the losses of variant and baseline.",
)
QUALITY_TASK = Metric(
    "quality.task_accuracy",
    "Task accuracy",
    "1",
    "higher",
    "quality",
    "Share of the items of lm-evaluation-harness tasks that are answered right (the harness's own acc).",
)

METRICS: tuple[Metric, ...] = (
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
    MEMORY_PEAK_ALLOCATED,
    MEMORY_PEAK_RESERVED,
    MEMORY_PROCESS,
    MEMORY_DEVICE,
    MEMORY_HOST,
    MEMORY_WEIGHTS,
    MEMORY_ACTIVATIONS,
    MEMORY_PEAK_WEIGHTS,
    MEMORY_PEAK_GRADIENTS,
    MEMORY_PEAK_OPTIMIZER_STATES,
    MEMORY_PEAK_ACTIVATIONS,
    MEMORY_PEAK_KV_CACHE,
    MEMORY_PEAK_TEMPORARY,
    MEMORY_PEAK_OTHER,
    MEMORY_ALLOCATED,
    MEMORY_EXACT_PEAK,
    MEMORY_EXACT_PARAMETERS,
    MEMORY_EXACT_GRADIENTS,
    MEMORY_EXACT_OPTIMIZER,
    MEMORY_EXACT_ACTIVATIONS,
    MEMORY_EXACT_KV_CACHE,
    MEMORY_EXACT_TEMPORARY,
    MEMORY_EXACT_OTHER,
    MEMORY_FRAGMENTATION,
    MEMORY_OUTSIDE_TORCH,
    MODEL_PARAMETERS,
    MODEL_SIZE,
    COMPUTE_FLOPS,
    COMPUTE_RATE,
    COMPUTE_TRAFFIC,
    COMPUTE_TRAFFIC_LEAST,
    COMPUTE_INTENSITY,
    COMPUTE_INTENSITY_MOST,
    COMPUTE_BANDWIDTH,
    COMPUTE_MFU,
    COMPUTE_MBU,
    BREAK_EVEN,
    ENERGY_STEP,
    ENERGY_TOKEN,
    ENERGY_SAMPLE,
    POWER_MEAN,
    POWER_PEAK,
    POWER_IDLE,
    QUALITY_KL,
    QUALITY_AGREEMENT,
    QUALITY_PERPLEXITY,
    QUALITY_NEXT_TOKEN,
    QUALITY_TOP1,
    QUALITY_LOSS,
    QUALITY_FINAL_LOSS,
    QUALITY_LOSS_DEVIATION,
    QUALITY_TASK,
)
BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
