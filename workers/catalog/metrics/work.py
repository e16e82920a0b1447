"""How large a model is, what a step computes and moves, how much of a ceiling that is, and when a conversion has paid back."""

from workers.catalog.metrics.metric import Metric

MODEL_PARAMETERS = Metric(
    "model.parameters", "Parameters", "1", "neither", "size", "Number of parameters, as the model was built."
)
MODEL_NONZERO = Metric(
    "model.parameters.nonzero",
    "Parameters that are not zero",
    "1",
    "lower",
    "size",
    "Parameters of the converted model that are not zero; only where all of them are plain floating-point numbers.",
)
MODEL_TRAINABLE = Metric(
    "model.parameters.trainable",
    "Trainable parameters",
    "1",
    "neither",
    "size",
    "Parameters of the converted model that training changes.",
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
WORK: tuple[Metric, ...] = (
    MODEL_PARAMETERS,
    MODEL_NONZERO,
    MODEL_TRAINABLE,
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
)
