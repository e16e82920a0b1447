"""What is measured in invented studies: models, workloads, devices, and what each variant does to the baseline's figures."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.results.figures import LENGTHS
from app.study.stacks import apart, family, label
from workers.catalog.lease import Device
from workers.catalog.spec import StudySpec

DEVICES = (
    Device(key="box-01:cpu", kind="cpu", name="Invented CPU, 16 cores", memory_bytes=64 * 1024**3),
    Device(key="box-02:gpu-0", kind="cuda", name="Invented GPU, 24 GB", memory_bytes=24 * 10**9),
    Device(key="box-03:gpu-0", kind="cuda", name="Invented GPU, 80 GB", memory_bytes=80 * 10**9),
)
SPEED = {"box-01:cpu": 1.0, "box-02:gpu-0": 24.0, "box-03:gpu-0": 70.0}


class Shape(NamedTuple):
    """What a variant does to the baseline's figures."""

    latency: float
    peak: float
    weights: float
    kl: float
    first_call: float
    spread: float


FP32: dict[str, Any] = {"technique": "precision", "dtype": "fp32"}
BF16: dict[str, Any] = {"technique": "precision", "dtype": "bf16"}
FP16: dict[str, Any] = {"technique": "precision", "dtype": "fp16"}
FLASH: dict[str, Any] = {"technique": "attention", "backend": "flash"}
COMPILE: dict[str, Any] = {"technique": "torch_compile"}
INT8: dict[str, Any] = {"technique": "int8_weight_only"}
NULL = Shape(1.0, 1.0, 1.0, 0.0, 1.0, 0.02)
VARIANTS: dict[str, tuple[list[dict[str, Any]], Shape]] = {
    "bf16": ([BF16], Shape(0.55, 0.55, 0.5, 2.1e-4, 0.9, 0.02)),
    "fp16": ([FP16], Shape(0.57, 0.55, 0.5, 9e-5, 0.9, 0.02)),
    "flash attention": ([FP32, FLASH], Shape(0.9, 0.66, 1.0, 1e-9, 1.02, 0.03)),
    "compile": ([FP32, COMPILE], Shape(0.72, 0.98, 1.0, 3e-9, 41.0, 0.02)),
    "bf16 + compile": ([BF16, COMPILE], Shape(0.43, 0.54, 0.5, 2.2e-4, 44.0, 0.02)),
    "bf16 + flash": ([BF16, FLASH], Shape(0.5, 0.42, 0.5, 2.2e-4, 1.0, 0.03)),
    "int8 weights": ([INT8], Shape(1.15, 0.44, 0.28, 9.4e-4, 1.3, 0.04)),
    "nf4": ([{"technique": "nf4"}], Shape(1.3, 0.31, 0.16, 6e-3, 2.1, 0.04)),
}
MODELS: tuple[tuple[dict[str, Any], float, float], ...] = (
    ({"name": "llama", "preset": "tiny"}, 0.021, 2.1e7),
    ({"name": "llama", "preset": "125m"}, 0.31, 5.4e8),
    ({"name": "llama", "preset": "1b"}, 2.4, 4.9e9),
    ({"name": "vit", "preset": "small"}, 0.12, 8.8e7),
)
"""With the seconds of one step on the CPU and the bytes of the weights, both in fp32."""


class Planned(NamedTuple):
    """One run of a kind of study, as all studies of this kind have it."""

    variant: str
    is_baseline: bool
    point: dict[str, int]
    spec: dict[str, Any]
    shape: Shape
    label: str
    family: str
    techniques: str
    batch_size: int | None
    length: int | None


class Kind(NamedTuple):
    """Studies that differ by their figures alone."""

    spec: dict[str, Any]
    model: str
    workload: str
    phase: str
    device: Device
    effort: str
    baseline: str
    against: str
    evaluation: str
    latency: float
    weights: float
    runs: tuple[Planned, ...]


def kinds() -> list[Kind]:
    """Every model with its workloads on every device, at several batch sizes and lengths."""
    found = []
    for model, seconds, weights in MODELS:
        for device in DEVICES:
            for batch_size, length in ((1, 128), (1, 512), (4, 512), (8, 2_048)):
                names = [name for name in VARIANTS if not (device.kind == "cpu" and name == "nf4")]
                chosen = random.Random(f"{model} {device.key} {batch_size} {length}").sample(names, 6)
                workload: dict[str, Any] = {"name": "prefill", "batch_size": batch_size, "sequence_length": length}
                if model["name"] == "vit":
                    workload = {"name": "classify", "batch_size": batch_size * length // 128}
                effort = "standard" if length < 2_048 else "quick"
                size = batch_size * length / 512
                found.append(
                    _kind(model, workload, device, effort, chosen, seconds * size / SPEED[device.key], weights)
                )
    return found


def _kind(
    model: Mapping[str, Any],
    workload: Mapping[str, Any],
    device: Device,
    effort: str,
    chosen: Sequence[str],
    latency: float,
    weights: float,
) -> Kind:
    spec = StudySpec.model_validate(
        {
            "name": "to be named",
            "model": model,
            "workload": workload,
            "evaluation": {"name": "divergence"},
            "baseline": {"name": "fp32", "stack": [FP32]},
            "variants": [{"name": name, "stack": VARIANTS[name][0]} for name in chosen],
            "device": device.kind,
            "effort": effort,
        }
    )
    runs = []
    for plan in spec.runs():
        sizes = plan.spec.workload.model_dump()
        runs.append(
            Planned(
                variant=plan.variant.name,
                is_baseline=plan.is_baseline,
                point=plan.point,
                spec=plan.spec.model_dump(mode="json"),
                shape=NULL if plan.is_baseline else VARIANTS[plan.variant.name][1],
                label=label(plan.variant),
                family="baseline" if plan.is_baseline else family(plan.variant, spec.baseline),
                techniques="" if plan.is_baseline else "+".join(apart(plan.variant, spec.baseline)),
                batch_size=sizes.get("batch_size"),
                length=next((sizes[name] for name in LENGTHS if name in sizes), None),
            )
        )
    return Kind(
        spec=spec.model_dump(mode="json"),
        model=spec.model.label,
        workload=spec.workload.word,
        phase=spec.workload.main_phase,
        device=device,
        effort=effort,
        baseline=spec.baseline.name,
        against=label(spec.baseline),
        evaluation=spec.evaluation.label() if spec.evaluation else "",
        latency=latency,
        weights=weights,
        runs=tuple(runs),
    )
