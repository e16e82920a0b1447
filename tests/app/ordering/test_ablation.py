"""The ablation of a stack: each technique left out, each alone, and every one of these stacks can be queued."""

from typing import Any

import pytest

from app.ordering.ablation import ablation
from app.ordering.presets import NotOffered
from tests import demo
from workers.catalog.spec import StudySpec

FP32 = {"technique": "precision", "dtype": "fp32"}
BF16 = {"technique": "precision", "dtype": "bf16"}
FLASH = {"technique": "attention", "backend": "flash"}
COMPILE = {"technique": "torch_compile"}


def taken_apart(stack: list[dict[str, Any]], baseline: list[dict[str, Any]], **changes: Any) -> dict[str, list[str]]:
    """The ablation's variants: by name, each technique with its first parameter."""
    variants = [{"name": "all of it", "stack": stack}]
    spec = StudySpec.model_validate(
        demo.order(baseline={"name": "base", "stack": baseline}, variants=variants, **changes)
    )
    made = StudySpec.model_validate(ablation(spec, spec.variants[0]))
    assert made.sweep == spec.sweep
    assert made.baseline == spec.baseline
    return {one.name: sorted(layer.label().split(",")[0] for layer in one.stack) for one in made.variants}


def test_three_techniques_make_seven_variants() -> None:
    bf16, fp32, flash, compiled = "precision bf16", "precision fp32", "attention flash", "torch_compile default"
    assert taken_apart([BF16, FLASH, COMPILE], [FP32]) == {
        "all of it": [flash, bf16, compiled],
        "without bf16": [flash, fp32, compiled],
        "without flash attention": [bf16, compiled],
        "without compile": [flash, bf16],
        "bf16 alone": [bf16],
        "flash attention alone": [flash, fp32],
        "compile alone": [fp32, compiled],
    }


def test_of_two_techniques_no_stack_is_measured_twice() -> None:
    assert list(taken_apart([BF16, FLASH], [FP32])) == ["all of it", "without bf16", "without flash attention"]


def test_what_the_baseline_shares_stays_everywhere() -> None:
    made = taken_apart([BF16, FLASH, COMPILE], [BF16])
    assert list(made) == ["all of it", "without flash attention", "without compile"]
    assert all("precision bf16" in words for words in made.values())


def test_what_excludes_the_baseline_s_technique_takes_its_place() -> None:
    made = taken_apart([BF16, {"technique": "nf4"}], [FP32, {"technique": "int8_weight_only"}])
    assert made["without nf4"] == ["int8_weight_only row", "precision bf16"]


@pytest.mark.parametrize(
    ("stack", "changes", "says"),
    [
        ([BF16], {}, "by one technique; an ablation takes two or more"),
        ([FP32], {}, "by no technique"),
        ([BF16, FLASH, COMPILE], {"sweep": {"sequence_length": list(range(1, 41))}}, "would have 320 runs. A study has at most 200"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_apart_says_why(stack: list[dict[str, Any]], changes: dict[str, Any], says: str) -> None:
    with pytest.raises(NotOffered, match=says):
        taken_apart(stack, [FP32], **changes)
