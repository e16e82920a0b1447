"""Applicability: everything about a study that can be refused before it is queued, with field, reason and choices."""

import subprocess
import sys
from typing import Any

import pytest

from workers.catalog.applicability import problems
from workers.catalog.declared import Problem
from workers.catalog.spec import StudySpec


def study(**changes: Any) -> StudySpec:
    plain: dict[str, Any] = {
        "name": "a study",
        "model": {"name": "llama", "preset": "tiny"},
        "workload": {"name": "prefill", "batch_size": 1, "sequence_length": 16},
        "baseline": {"name": "plain", "stack": []},
    }
    return StudySpec.model_validate(plain | changes)


def found(**changes: Any) -> Problem:
    seen = problems(study(**changes))
    assert len(seen) == 1, seen
    return seen[0]


def stack(*techniques: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "variant", "stack": list(techniques)}]


def test_every_technique_fits_its_default_somewhere() -> None:
    from workers.catalog.techniques import TECHNIQUES

    homes: list[dict[str, Any]] = [
        {},
        {"workload": {"name": "generate"}},
        {"workload": {"name": "train_step"}},
        {"workload": {"name": "train_step"}, "device": "cuda"},
        {"model": {"name": "reference_decoder"}},
    ]
    for technique in TECHNIQUES:
        assert any(not problems(study(variants=stack({"technique": technique.word}), **home)) for home in homes)


def test_inference_techniques_fit_a_tiny_prefill_by_default() -> None:
    for word in ("precision", "autocast", "attention", "torch_compile", "int8_weight_only", "llm_int8", "nf4"):
        assert problems(study(variants=stack({"technique": word}))) == []


@pytest.mark.parametrize(
    ("changes", "field", "code", "says"),
    [
        ({"workload": {"name": "classify"}}, "workload", "workload_does_not_fit", "decoder"),
        (
            {"model": {"name": "resnet"}, "workload": {"name": "attention"}},
            "workload",
            "workload_does_not_fit",
            "no attention layers",
        ),
        (
            {"workload": {"name": "attention"}, "evaluation": {"name": "divergence"}},
            "evaluation",
            "evaluation_does_not_fit",
            "outputs",
        ),
        ({"evaluation": {"name": "perplexity"}}, "evaluation", "evaluation_does_not_fit", "no held-out text"),
        (
            {"evaluation": {"name": "perplexity", "text_file": "a.txt"}},
            "evaluation",
            "evaluation_does_not_fit",
            "no tokenizer",
        ),
        ({"evaluation": {"name": "accuracy"}}, "evaluation", "evaluation_does_not_fit", "image, vector models"),
        (
            {"model": {"name": "vit"}, "workload": {"name": "classify"}, "evaluation": {"name": "accuracy"}},
            "evaluation",
            "evaluation_does_not_fit",
            "no labelled samples",
        ),
        ({"evaluation": {"name": "lm_eval"}}, "evaluation", "evaluation_does_not_fit", "no tokenizer"),
        ({"evaluation": {"name": "loss_trajectory"}}, "evaluation", "evaluation_does_not_fit", "does not train"),
        ({"sweep": {"sequence_lenght": [1]}}, "sweep.sequence_lenght", "unknown_sweep_field", "'sequence_length'"),
        ({"sweep": {"batch_size": [1, 1]}}, "sweep.batch_size", "sweep_repeats", "twice"),
        ({"sweep": {"batch_size": [0]}}, "sweep.batch_size.0", "out_of_range", "0 is not possible"),
    ],
)
def test_workload_evaluation_and_sweep(changes: dict[str, Any], field: str, code: str, says: str) -> None:
    problem = found(**changes)
    assert (problem.field, problem.code) == (field, code)
    assert says in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    ("changes", "techniques", "says"),
    [
        ({}, ({"technique": "gradient_checkpointing"},), "training"),
        ({}, ({"technique": "kv_cache"},), "decode, generate"),
        ({"workload": {"name": "attention"}}, ({"technique": "torch_compile"},), "attention does not use it"),
        ({"workload": {"name": "attention"}}, ({"technique": "nf4"},), "attention does not use it"),
        (
            {"model": {"name": "resnet"}, "workload": {"name": "classify"}},
            ({"technique": "attention"},),
            "ResNet has none",
        ),
        (
            {"workload": {"name": "train_step", "batch_size": 2}},
            ({"technique": "gradient_accumulation", "steps": 4},),
            "batch of 2",
        ),
        (
            {"workload": {"name": "train_step", "batch_size": 8}, "sweep": {"batch_size": [8, 2]}},
            ({"technique": "gradient_accumulation", "steps": 4},),
            "batch of 2",
        ),
        (
            {"workload": {"name": "train_step"}},
            ({"technique": "precision", "dtype": "fp16"},),
            "cannot be trained",
        ),
    ],
)
def test_a_technique_that_does_not_fit(
    changes: dict[str, Any], techniques: tuple[dict[str, Any], ...], says: str
) -> None:
    problem = found(variants=stack(*techniques), **changes)
    assert (problem.field, problem.code) == ("variants.0.stack.0", "technique_does_not_fit")
    assert says in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    ("techniques", "says"),
    [
        (({"technique": "int8_weight_only"}, {"technique": "nf4"}), "do not combine"),
        (({"technique": "precision"}, {"technique": "precision", "dtype": "fp16"}), "twice"),
        (({"technique": "precision", "dtype": "bf16"}, {"technique": "autocast"}), "nothing to cast"),
    ],
)
def test_techniques_that_do_not_combine(techniques: tuple[dict[str, Any], ...], says: str) -> None:
    problem = found(variants=stack(*techniques))
    assert (problem.field, problem.code) == ("variants.0.stack.1", "techniques_conflict")
    assert says in problem.message
    assert techniques[1]["technique"] in problem.hint


@pytest.mark.parametrize(
    ("model", "workload", "evaluations"),
    [
        ("reference_decoder", "prefill", {"divergence", "perplexity", "lm_eval"}),
        ("reference_decoder", "train_step", {"divergence", "perplexity", "lm_eval", "loss_trajectory"}),
        ("reference_vit", "classify", {"divergence", "accuracy"}),
        ("llama", "train_step", {"divergence", "loss_trajectory"}),
        ("llama", "attention", set()),
    ],
)
def test_the_evaluations_that_fit(model: str, workload: str, evaluations: set[str]) -> None:
    from workers.catalog.evaluations import EVALUATIONS

    order: dict[str, Any] = {"model": {"name": model}, "workload": {"name": workload}}
    fitting = {each.word for each in EVALUATIONS if not problems(study(evaluation={"name": each.word}, **order))}
    assert fitting == evaluations
    for each in EVALUATIONS:
        if each.word not in fitting:
            hint = found(evaluation={"name": each.word}, **order).hint
            assert all(word in hint for word in evaluations)


def test_autocast_over_fp32_weights_is_let_through() -> None:
    chosen = stack({"technique": "precision", "dtype": "fp32"}, {"technique": "autocast"})
    assert problems(study(variants=chosen)) == []


def test_checking_a_study_needs_no_torch() -> None:
    code = "import sys, workers.catalog.applicability; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
