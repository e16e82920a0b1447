"""What a study's variants will need, before they run: models, workloads and techniques of the catalogue in the planner's words."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from app.frozen import Frozen
from app.planner.machines import Machine
from app.planner.memory import inference, training
from app.planner.memory.fit import Verdict, of_bounds
from app.planner.memory.inference import Inference
from app.planner.memory.parts import Instant, Needed
from app.planner.memory.training import Training
from app.planner.models import families, known
from app.planner.models.anatomy import Anatomy
from workers.catalog.model import Model
from workers.catalog.models.architecture import Architecture
from workers.catalog.models.hub import Hub
from workers.catalog.models.llama import PRESETS, Llama
from workers.catalog.models.reference_decoder import SHAPE, ReferenceDecoder
from workers.catalog.spec import StudySpec
from workers.catalog.technique import Technique
from workers.catalog.workload import Workload
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.generate import Generate
from workers.catalog.workloads.prefill import Prefill
from workers.catalog.workloads.train_step import TrainStep

COMPUTED = {"fp32": "fp32", "tf32": "fp32", "bf16": "bf16", "fp16": "fp16"}
STATES: Mapping[str, Mapping[str, str]] = {
    "adamw": {"fp32": "adamw", "bf16": "adamw_bf16", "fp16": "adamw_bf16"},
    "sgd": {"fp32": "sgd_momentum", "bf16": "sgd_momentum_bf16", "fp16": "sgd_momentum_bf16"},
    "adamw_8bit": dict.fromkeys(("fp32", "bf16", "fp16"), "adamw_8bit"),
}
"""The planner's word for an algorithm, by the format of the weights, which torch's own states have too."""
WHOLE_SCORES = frozenset({"eager", "math"})
"""Kernels of attention that have all scores at a time."""


class NotPredicted(Exception):
    """The formulas do not reach this far; the message says why, for a reader."""


class Predicted(Frozen):
    """What one arm needs."""

    bytes: float
    """Of tensors, at the peak of a step: what ``memory.peak_allocated`` measures."""
    low: float
    high: float
    instant: str
    parts: dict[str, float]
    on_device: float
    """With what a device needs besides, loading and converting among it, at most."""
    on_device_low: float
    """The same at least."""


class PredictedVariant(Frozen):
    """What one variant of a study needs at the point at which it needs most."""

    variant: str
    point: dict[str, int]
    needs: Predicted | None
    reason: str | None
    """Why nothing can be said; None when it can."""
    verdict: Verdict | None
    """On the roomiest device of the study's kind that is present; None where none is, or nothing can be said."""
    device: str | None
    free: float | None


def arm(model: Model, workload: Workload, stack: Sequence[Technique], device: str = "cpu") -> Predicted:
    """What one arm needs.

    Raises:
        NotPredicted: the formulas do not reach this far.
    """
    anatomy = anatomy_of(model)
    gpu = device == "cuda"
    # What torch allocates has neither a context nor the allocator's reserve in it.
    allocated = _needed(anatomy, workload, stack, foreach=gpu, on_gpu=False)
    on_device = _needed(anatomy, workload, stack, foreach=gpu, on_gpu=gpu)
    peak = _peak(allocated, workload)
    return Predicted(
        bytes=peak.bytes,
        low=peak.low,
        high=peak.high,
        instant=peak.name,
        parts={part.name: part.bytes for part in peak.parts if part.high > 0},
        on_device=on_device.high,
        on_device_low=on_device.low,
    )


def variants(spec: StudySpec, machines: Sequence[Machine]) -> tuple[PredictedVariant, ...]:
    """The baseline's and every variant's largest need.

    Args:
        spec: the study.
        machines: devices of its kind that are present.
    """
    roomiest = max(machines, key=lambda machine: machine.free, default=None)
    return tuple(_variant(spec, variant.name, variant.stack, roomiest) for variant in (spec.baseline, *spec.variants))


def anatomy_of(model: Model) -> Anatomy:
    """A model of the catalogue, taken apart.

    Raises:
        NotPredicted: it is no decoder, or its configuration is not known before it is loaded.
    """
    if isinstance(model, Llama):
        return families.read(_config(model))
    if isinstance(model, Architecture):
        return families.read(model.config)
    if isinstance(model, ReferenceDecoder):
        return families.read(SHAPE)
    if isinstance(model, Hub):
        found = next((one for one in known.models() if one.hub.casefold() == model.repository.casefold()), None)
        if found is not None:
            return known.anatomy(found.name)
    if model.kind != "decoder":
        raise NotPredicted(f"{model.title} is no decoder, and formulas are for decoders.")
    raise NotPredicted("Its configuration is not known before the worker reads it.")


def _config(model: Llama) -> dict[str, JsonValue]:
    shape = PRESETS[model.preset]
    return {
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "tie_word_embeddings": shape.tied,
    }


def _variant(spec: StudySpec, name: str, stack: Sequence[Technique], roomiest: Machine | None) -> PredictedVariant:
    best: tuple[Predicted, dict[str, int]] | None = None
    try:
        for point in spec.points():
            workload = type(spec.workload).model_validate(spec.workload.model_dump() | point)
            found = arm(spec.model, workload, stack, spec.device)
            if best is None or found.bytes > best[0].bytes:
                best = found, dict(point)
    except NotPredicted as turned:
        return PredictedVariant(
            variant=name, point={}, needs=None, reason=str(turned), verdict=None, device=None, free=None
        )
    assert best is not None
    needs, point = best
    return PredictedVariant(
        variant=name,
        point=point,
        needs=needs,
        reason=None,
        verdict=of_bounds(needs.on_device_low, needs.on_device, roomiest.free) if roomiest else None,
        device=roomiest.title if roomiest else None,
        free=roomiest.free if roomiest else None,
    )


def _needed(anatomy: Anatomy, workload: Workload, stack: Sequence[Technique], *, foreach: bool, on_gpu: bool) -> Needed:
    asked = _settings(stack)
    flash, cached = asked.pop("attention", None) not in WHOLE_SCORES, asked.pop("cache", True)
    if isinstance(workload, TrainStep):
        pieces = asked.pop("pieces", 1)
        if asked["weights"] not in COMPUTED.values():
            raise NotPredicted("Formulas of training keep whole weights, or train adapters.")
        algorithm, made = asked.pop("algorithm", "adamw"), asked.pop("implementation", "auto")
        if "rank" in asked and (asked["weights"], asked["computing"]) != ("fp32", "fp32"):
            raise NotPredicted(
                "Formulas have what goes into adapters in their own format, which is fp32 whatever the weights are in."
            )
        step = Training(
            batch=-(-workload.batch_size // pieces), sequence=workload.sequence_length, optimizer=STATES[algorithm][asked["weights"]],
            accumulating=pieces > 1, flash=flash, fused=made == "fused", foreach=made == "foreach" or (foreach and made == "auto"),
            on_gpu=on_gpu, **asked,
        )  # fmt: skip
        return training.needed(anatomy, step)
    sizes = _sizes(workload)
    if not cached:
        raise NotPredicted("Formulas are for generation with a KV cache.")
    return inference.needed(anatomy, Inference(cache=asked["computing"], flash=flash, on_gpu=on_gpu, **sizes, **asked))


def _sizes(workload: Workload) -> dict[str, int]:
    if isinstance(workload, Prefill):
        return {"batch": workload.batch_size, "prompt": workload.sequence_length}
    if isinstance(workload, Generate):
        return {"batch": workload.batch_size, "prompt": workload.prompt_length, "generated": workload.new_tokens}
    if isinstance(workload, Decode):
        return {"batch": workload.batch_size, "prompt": workload.context_length, "generated": 1}
    raise NotPredicted(f"Formulas are not for the workload {workload.title.lower()}.")


def _peak(found: Needed, workload: Workload) -> Instant:
    """The instant that decides while the workload's step runs; loading comes before it."""
    if isinstance(workload, Decode):
        return next(instant for instant in found.instants if instant.name == "last token")
    running = [instant for instant in found.instants if instant.name != "loading"]
    return max(running, key=lambda instant: instant.bytes)


def _settings(stack: Sequence[Technique]) -> dict[str, Any]:
    """What a stack means for the formulas.

    Raises:
        NotPredicted: one of its techniques is not in them.
    """
    asked: dict[str, Any] = {"weights": "fp32", "computing": "fp32"}
    for technique in sorted(stack, key=lambda each: each.order):
        change = MEANINGS.get(technique.word)
        if change is None:
            raise NotPredicted(f"{technique.title} is not in the formulas.")
        asked |= change(technique.parameters)
    if asked["weights"] not in COMPUTED.values() and any(technique.word == "autocast" for technique in stack):
        raise NotPredicted("Formulas of autocast are for whole weights.")
    return asked


def _optimizer(parameters: Mapping[str, Any]) -> dict[str, Any]:
    if parameters["in_backward"]:
        raise NotPredicted("Formulas have all gradients there when the optimizer's step begins.")
    if parameters["algorithm"] not in STATES:
        raise NotPredicted(f"The states of {parameters['algorithm']} are not in the formulas.")
    return {name: parameters[name] for name in ("algorithm", "implementation")}


def _checkpointing(parameters: Mapping[str, Any]) -> dict[str, Any]:
    if parameters["selective"]:
        raise NotPredicted("Formulas have nothing of a checkpointed layer kept but its input.")
    return {"checkpointing": True} | {name: parameters[name] for name in ("every", "reentrant")}


def _adapters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    if parameters["targets"] != "all":
        raise NotPredicted("Formulas have adapters on all linear layers.")
    return {"rank": parameters["rank"]}


def _cache(parameters: Mapping[str, Any]) -> dict[str, Any]:
    if parameters["implementation"] in ("int8", "int4", "fp8", "window"):
        raise NotPredicted("Formulas have keys and values of all tokens in the format that is computed in.")
    return {"cache": parameters["implementation"] != "off"}


def _decoding(parameters: Mapping[str, Any]) -> dict[str, Any]:
    if parameters["method"] not in ("greedy", "sampling"):
        raise NotPredicted("Formulas are for one sequence that grows by a token at a time.")
    return {}


MEANINGS: Mapping[str, Any] = {
    "precision": lambda given: dict.fromkeys(("weights", "computing"), COMPUTED[given["dtype"]]),
    "autocast": lambda given: {"computing": COMPUTED[given["dtype"]]},
    "attention": lambda given: {"attention": given["backend"]},
    "kv_cache": _cache,
    "decoding": _decoding,
    "int8_weight_only": lambda given: {"weights": "int8", "loading": "converted"},
    "nf4": lambda given: {"weights": "nf4_double" if given["double_quantization"] else "nf4", "loading": "converted"},
    "gradient_checkpointing": _checkpointing,
    "gradient_accumulation": lambda given: {"pieces": given["steps"]},
    "chunked_loss": lambda given: {"loss": "chunked"},
    "lora": _adapters,
    "optimizer": _optimizer,
    "torch_compile": lambda given: {},
}
"""What each technique changes; compiled graphs are taken for what runs eagerly, which they mostly stay below."""
