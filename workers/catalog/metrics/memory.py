"""What is held at the peak and of what: allocated, reserved, by the process, on the device; measured and counted."""

from workers.catalog.metrics.metric import Metric

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
MEMORY: tuple[Metric, ...] = (
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
)
