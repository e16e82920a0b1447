"""Pairs of techniques: those that may stand together really run as asked together; the others are refused with a reason."""

import itertools

import pytest
from pydantic import TypeAdapter

from tests.workers.catalog.observed import verdicts
from workers.catalog.applicability import clash
from workers.catalog.models.llama import Llama
from workers.catalog.technique import Technique
from workers.catalog.techniques import TECHNIQUES, AnyTechnique
from workers.catalog.workload import Workload
from workers.catalog.workloads.generate import Generate
from workers.catalog.workloads.train_step import TrainStep

CHOICES: dict[str, tuple[dict[str, object], ...]] = {
    "precision": ({"dtype": "fp32"}, {"dtype": "bf16"}),
    "autocast": ({"dtype": "bf16"},),
    "attention": ({"backend": "math"},),
    "kv_cache": ({"implementation": "off"}, {"implementation": "static"}),
    "int8_weight_only": ({},),
    "llm_int8": ({},),
    "nf4": ({},),
    "structured_pruning": ({},),
    "unstructured_pruning": ({},),
    "gradient_checkpointing": ({},),
    "gradient_accumulation": ({"steps": 2},),
}
"""Parameters each technique is tried with; torch.compile takes too long to be tried with everything."""
WORKLOADS: tuple[Workload, ...] = (
    Generate(prompt_length=4, new_tokens=2),
    TrainStep(batch_size=2, sequence_length=8),
)


def technique(word: str, **parameters: object) -> Technique:
    adapter: TypeAdapter[Technique] = TypeAdapter(AnyTechnique)
    return adapter.validate_python({"technique": word, **parameters})


def pairs(workload: Workload) -> list[tuple[Technique, Technique]]:
    fitting = [
        technique(entry.word, **parameters)
        for entry in TECHNIQUES
        for parameters in CHOICES.get(entry.word, ())
        if workload.phase in entry.requires.phases
        and (entry.requires.workloads is None or workload.word in entry.requires.workloads)
    ]
    return [
        (first, second)
        for first, second in itertools.combinations(fitting, 2)
        if first.word != second.word and clash(first, second) is None
    ]


@pytest.mark.parametrize(
    ("workload", "pair"),
    [(workload, pair) for workload in WORKLOADS for pair in pairs(workload)],
    ids=lambda value: value.word if isinstance(value, Workload) else " + ".join(t.label() for t in value),
)
def test_what_may_stand_together_runs_together(workload: Workload, pair: tuple[Technique, Technique]) -> None:
    found = verdicts(workload, Llama(), *pair)
    assert "fell_back" not in found.values(), found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (technique("int8_weight_only"), technique("nf4")),
        (technique("int8_weight_only"), technique("llm_int8")),
        (technique("llm_int8"), technique("nf4")),
        (technique("precision", dtype="bf16"), technique("autocast")),
        (technique("precision", dtype="fp16"), technique("autocast", dtype="fp16")),
        (technique("autocast"), technique("nf4")),
        (technique("autocast"), technique("kv_cache", implementation="static")),
        (technique("kv_cache", implementation="dynamic"), technique("torch_compile", mode="reduce-overhead")),
        (technique("kv_cache"), technique("kv_cache", implementation="static")),
    ],
    ids=lambda technique: technique.label(),
)
def test_what_does_not_combine_is_refused_from_both_sides(first: Technique, second: Technique) -> None:
    assert clash(first, second)
    assert clash(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (technique("precision", dtype="fp32"), technique("autocast")),
        (technique("kv_cache", implementation="static"), technique("torch_compile", mode="reduce-overhead")),
        (technique("kv_cache", implementation="dynamic"), technique("torch_compile")),
    ],
    ids=lambda technique: technique.label(),
)
def test_what_combines_is_let_through(first: Technique, second: Technique) -> None:
    assert clash(first, second) is None
