"""What can be ordered: every menu with its schemas, which techniques fit where, quick picks, and questions to start from.

The order form and ``GET /api/v1/menu`` read this; nothing here is stored.
"""

from functools import lru_cache
from typing import Any, NamedTuple, get_args

from pydantic import JsonValue

from workers.catalog.applicability import conflicting, unfit
from workers.catalog.declared import Declared
from workers.catalog.evaluations import EVALUATIONS
from workers.catalog.model import Model
from workers.catalog.models import MODELS
from workers.catalog.spec import MAX_RUNS, Effort, StudySpec
from workers.catalog.technique import DeviceKind
from workers.catalog.techniques import TECHNIQUES
from workers.catalog.workloads import WORKLOADS

EFFORTS: dict[Effort, str] = {
    "quick": "1 pair of fresh processes: a first look, wide intervals",
    "standard": "3 pairs: most effects of a few percent are decided",
    "thorough": "8 pairs: for small effects and for the record",
    "exact": "memory alone, counted on tensors without values: any size on any CPU, nothing is timed",
}
DEVICES: dict[DeviceKind, str] = {"cpu": "CPU", "cuda": "NVIDIA GPU"}


class Pick(NamedTuple):
    """A variant that many people try first; it is put on top of the baseline's stack."""

    name: str
    stack: tuple[dict[str, JsonValue], ...]


class Start(NamedTuple):
    """A question, and the study that answers it."""

    word: str
    question: str
    answer: str
    study: dict[str, JsonValue]


FP32: dict[str, JsonValue] = {"technique": "precision", "dtype": "fp32"}
BF16: dict[str, JsonValue] = {"technique": "precision", "dtype": "bf16"}
FLASH: dict[str, JsonValue] = {"technique": "attention", "backend": "flash"}
COMPILE: dict[str, JsonValue] = {"technique": "torch_compile"}
INT8: dict[str, JsonValue] = {"technique": "int8_weight_only"}

PICKS: tuple[Pick, ...] = (
    Pick("bf16", (BF16,)),
    Pick("flash attention", (FLASH,)),
    Pick("compile", (COMPILE,)),
    Pick("int8", (INT8,)),
    Pick("nf4", ({"technique": "nf4"},)),
    Pick("no KV cache", ({"technique": "kv_cache", "implementation": "off"},)),
    Pick("bf16 autocast", ({"technique": "autocast", "dtype": "bf16"},)),
    Pick("checkpointing", ({"technique": "gradient_checkpointing"},)),
    Pick("accumulation", ({"technique": "gradient_accumulation"},)),
    Pick("8-bit AdamW", ({"technique": "optimizer", "algorithm": "adamw_8bit"},)),
    Pick("LoRA", ({"technique": "lora"},)),
    Pick("bf16 + compile", (BF16, COMPILE)),
)


def _study(workload: dict[str, JsonValue], *variants: Pick, **more: JsonValue) -> dict[str, JsonValue]:
    study: dict[str, JsonValue] = {
        "model": {"name": "llama", "preset": "tiny"},
        "workload": workload,
        "baseline": {"name": "fp32", "stack": [FP32]},
        "variants": [{"name": pick.name, "stack": list(pick.stack)} for pick in variants],
        "device": "cpu",
        "effort": "quick",
    }
    return study | more


DIVERGENCE: JsonValue = {"name": "divergence"}

STARTS: tuple[Start, ...] = (
    Start(
        "first",
        "What pays off for a small model here?",
        "bf16, flash attention, compile and int8 against fp32, prefill of a tiny Llama.",
        _study({"name": "prefill", "sequence_length": 128}, *PICKS[:4], evaluation=DIVERGENCE),
    ),
    Start(
        "length",
        "From which length on does flash attention win?",
        "Flash against the plain kernel over growing sequences, with a point for each.",
        _study(
            {"name": "prefill", "sequence_length": 256},
            Pick("flash", (FP32, FLASH)),
            baseline={"name": "math", "stack": [FP32, {"technique": "attention", "backend": "math"}]},
            sweep={"sequence_length": [256, 512, 1024, 2048]},
        ),
    ),
    Start(
        "cache",
        "What does the KV cache bring?",
        "Generation with and without it, in speed and in memory.",
        _study(
            {"name": "generate", "prompt_length": 32, "new_tokens": 48},
            Pick("dynamic cache", (FP32, {"technique": "kv_cache", "implementation": "dynamic"})),
            Pick("static cache", (FP32, {"technique": "kv_cache", "implementation": "static"})),
            baseline={"name": "no cache", "stack": [FP32, {"technique": "kv_cache", "implementation": "off"}]},
        ),
    ),
    Start(
        "memory",
        "How do I train with less memory?",
        "Checkpointing, accumulation and autocast on one training step.",
        _study(
            {"name": "train_step", "batch_size": 4, "sequence_length": 256},
            Pick("checkpointing", (FP32, {"technique": "gradient_checkpointing"})),
            Pick("accumulation", (FP32, {"technique": "gradient_accumulation"})),
            Pick("bf16 autocast", ({"technique": "autocast", "dtype": "bf16"},)),
        ),
    ),
)


@lru_cache
def menu() -> dict[str, Any]:
    """Everything the order form is made from, as plain data.

    ``unfit`` says, for each device, model, kind of model and workload, which techniques cannot be used and why.
    """
    return {
        "models": [_entry(entry) | {"kinds": sorted(entry.kinds)} for entry in MODELS],
        "workloads": [
            _entry(entry)
            | {
                "phase": entry.phase,
                "models": sorted(entry.models),
                "sweepable": list(entry.sweepable),
                "logits": entry.logits,
            }
            for entry in WORKLOADS
        ],
        "evaluations": [_entry(entry) for entry in EVALUATIONS],
        "techniques": [
            _entry(entry)
            | {
                "family": entry.family,
                "conflicts": sorted(other.word for other in conflicting(entry)),
            }
            for entry in TECHNIQUES
        ],
        "unfit": {device: _unfit(device) for device in get_args(DeviceKind)},
        "picks": [pick._asdict() for pick in PICKS],
        "starts": [start._asdict() for start in STARTS],
        "devices": DEVICES,
        "efforts": EFFORTS,
        "profile": StudySpec.model_fields["profile"].description,
        "max_runs": MAX_RUNS,
    }


def _entry(entry: type[Declared]) -> dict[str, Any]:
    properties = dict(entry.model_json_schema()["properties"])
    properties.pop(entry.discriminator)
    return {"word": entry.word, "title": entry.title, "summary": entry.summary, "properties": properties}


def _unfit(device: DeviceKind) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for model in MODELS:
        for kind in sorted(model.kinds):
            example = _example(model, kind)
            for workload in WORKLOADS:
                if kind in workload.models:
                    reasons = {t.word: reason for t in TECHNIQUES if (reason := unfit(t, example, workload(), device))}
                    found.setdefault(model.word, {}).setdefault(kind, {})[workload.word] = reasons
    return found


def _example(model: type[Model], kind: str) -> Model:
    """The entry with its defaults; one that can be several kinds is told which by its field ``task``."""
    values: dict[str, Any] = {name: "the model" for name, field in model.model_fields.items() if field.is_required()}
    if len(model.kinds) > 1:
        values["task"] = kind
    return model.model_construct(None, **values)
