"""Energy and power, from counters."""

from workers.catalog.metrics.metric import Metric

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
ENERGY: tuple[Metric, ...] = (
    ENERGY_STEP,
    ENERGY_TOKEN,
    ENERGY_SAMPLE,
    POWER_MEAN,
    POWER_PEAK,
    POWER_IDLE,
)
