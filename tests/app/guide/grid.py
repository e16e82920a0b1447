"""What the project has measured on a CPU, as the guide would meet it: scenarios with all stacks that were measured in each."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from app.guide.evidence import Measured
from app.guide.known_here import words
from app.guide.priors import Setting
from app.guide.situation import Decoder, Situation, Task
from app.planner.machines import of_ceilings
from app.planner.models import families
from app.terminal.demo import SHIPPED
from workers.catalog import recorded
from workers.catalog.model import Model
from workers.catalog.models.llama import PRESETS, Llama
from workers.catalog.models.reference_decoder import SHAPE
from workers.catalog.spec import PlannedRun
from workers.catalog.technique import Phase

MEASURED = Path(__file__).parents[3] / "docs/results/guide"
"""By ``make bench-guide``."""
TASKS: dict[str, Task] = {"prefill": "prefill", "decode": "chat", "train_step": "finetune"}
ANSWER = 64
"""Tokens of an answer, for runs that measured single tokens."""


class Scenario(NamedTuple):
    """One workload of one model, with what each stack took over the baseline."""

    name: str
    situation: Situation
    ratios: dict[tuple[str, ...], float]
    """Measured time over the baseline's; the baseline's own is 1."""
    rows: tuple[Measured, ...]
    seconds: dict[tuple[str, ...], float]
    """Measured, of the workload's whole: a prompt, a token, or an update."""
    bytes: dict[tuple[str, ...], float]
    """Measured, at the peak of what tensors hold meanwhile."""


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Every workload of the shipped studies of decoders in which stacks of the guide were measured against a plain one."""
    found: list[Scenario] = []
    for folder in (SHIPPED, MEASURED):
        for file in sorted(folder.glob(f"*{recorded.ENDING}")):
            found += _scenarios(file)
    return tuple(found)


def _scenarios(file: Path) -> list[Scenario]:
    held = recorded.read(file)
    study = held.study
    if study.workload.word not in TASKS or (
        not isinstance(study.model, Llama) and study.model.word != "reference_decoder"
    ):
        return []
    assert held.ceilings is not None
    device = of_ceilings(held.worker.device.name, held.worker.device.memory_bytes, held.ceilings)
    config: dict[str, JsonValue] = {**_shape(study.model), "torch_dtype": "float32"}
    model = Decoder(name=study.model.label, anatomy=families.read(config))
    scenes: dict[str, Scenario] = {}
    for planned, run in zip(study.runs(), held.runs, strict=True):
        if run.report.outcome != "ok":
            continue
        name = f"{file.name.removesuffix(recorded.ENDING)} {planned.point or ''}".strip()
        if name not in scenes:
            scenes[name] = Scenario(name, _situation(planned, model, device), {}, (), {}, {})
        named = _words(planned)
        if named is None:
            continue
        stack, baseline = named
        phases = (study.workload.word, "step")
        for one in run.report.measurements:
            if one.arm == "variant" and one.phase in phases and one.metric in ("latency", "memory.peak_allocated"):
                kept = scenes[name].seconds if one.metric == "latency" else scenes[name].bytes
                kept[baseline if planned.is_baseline else stack] = one.value
        if planned.is_baseline:
            scenes[name].ratios[baseline] = 1.0
            continue
        effect = next(one for one in run.report.effects if one.metric == "latency" and one.phase in phases)
        scenes[name].ratios[stack] = effect.ratio
        row = Measured(
            id=f"{name}: {planned.variant.name}", stack=stack, baseline=baseline, metric="time", ratio=effect.ratio, low=effect.low,
            high=effect.high, setting=_setting(scenes[name].situation), device=device,
        )  # fmt: skip
        scenes[name] = scenes[name]._replace(rows=(*scenes[name].rows, row))
    return list(scenes.values())


def _words(planned: PlannedRun) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The guide's words of variant and baseline; what decodes has a cache, which these studies do not vary.

    None for a stack that the guide cannot advise: a batch of sixteen in two parts, where it knows whole or one by one.
    """
    workload = planned.spec.workload.word
    batch = planned.spec.workload.model_dump()["batch_size"]
    phase: Phase = "training" if workload == "train_step" else "inference"
    found = []
    for stack in (planned.variant.stack, planned.spec.baseline.stack):
        named = words(" + ".join(technique.label() for technique in stack), phase, batch)
        if named is None:
            return None
        cached = ("kv_cache",) if workload == "decode" else ()
        found.append(
            (
                *(word for word in named if word in ("bf16", "fp16")),
                *cached,
                *(word for word in named if word not in ("bf16", "fp16")),
            )
        )
    return found[0], found[1]


def _situation(planned: PlannedRun, model: Decoder, device: object) -> Situation:
    sizes = planned.spec.workload.model_dump()
    task = TASKS[planned.spec.workload.word]
    return Situation.model_validate(
        {
            "task": task, "model": model, "device": device, "batch": sizes["batch_size"],
            "sequence": sizes.get("sequence_length") or sizes["context_length"], "generated": ANSWER if task == "chat" else 0,
        }
    )  # fmt: skip


def _setting(situation: Situation) -> Setting:
    return Setting(
        task=situation.task, batch=situation.batch, sequence=situation.sequence, model=situation.model.name,
        parameters=situation.model.parameters,
    )  # fmt: skip


def _shape(model: Model) -> dict[str, JsonValue]:
    if not isinstance(model, Llama):
        return dict(SHAPE)
    shape = PRESETS[model.preset]
    return {
        "model_type": "llama", "vocab_size": shape.vocabulary, "hidden_size": shape.hidden, "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
        "tie_word_embeddings": shape.tied,
    }  # fmt: skip
