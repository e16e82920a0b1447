"""A wrong field of a study is named as a person would write it, with the reason and what would be right."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests import demo
from workers.catalog.declared import Problem
from workers.catalog.spec import StudySpec
from workers.catalog.validation import explain


def problems(body: Any) -> list[Problem]:
    with pytest.raises(ValidationError) as refused:
        StudySpec.model_validate(body)
    return explain(refused.value.errors(), body, StudySpec)


def variant(**technique: Any) -> dict[str, Any]:
    return demo.order(variants=[{"name": "v", "stack": [technique]}])


@pytest.mark.parametrize(
    ("body", "field", "code", "says"),
    [
        (demo.order(model={"name": "lama"}), "model.name", "unknown_choice", "Did you mean 'llama'?"),
        (demo.order(model={"name": "llama", "preset": "tinny"}), "model.preset", "unknown_choice", "Did you mean 'tiny'?"),
        (demo.order(model={"preset": "tiny"}), "model.name", "missing", "is missing"),
        (demo.order(model="llama"), "model", "model_attributes_type", ""),
        (variant(technique="precison"), "variants.0.stack.0.technique", "unknown_choice", "Did you mean 'precision'?"),
        (variant(technique="precision", dtype="bf61"), "variants.0.stack.0.dtype", "unknown_choice", "Did you mean 'bf16'?"),
        (variant(technique="precision", dtpe="bf16"), "variants.0.stack.0.dtpe", "unknown_field", "Did you mean 'dtype'?"),
        (demo.order(workload={"name": "prefill", "batch_size": 0}), "workload.batch_size", "out_of_range", "0 is not"),
        (demo.order(workload={"name": "prefill", "batch_size": 10**9}), "workload.batch_size", "out_of_range", "1,000,000,000"),
        (demo.order(efort="quick"), "efort", "unknown_field", "Did you mean 'effort'?"),
        (demo.order(effort="quik"), "effort", "unknown_choice", "Did you mean 'quick'?"),
        (demo.order(name="a\x07b"), "name", "plain_text", "control characters"),
        (demo.order(name=""), "name", "string_too_short", ""),
        (demo.order(sweep={"sequence_length": ["x"]}), "sweep.sequence_length.0", "int_type", "'x' is not a whole number"),
        (demo.order(workload={"name": "prefill", "batch_size": True}), "workload.batch_size", "int_type", "True is not a whole"),
        (demo.order(workload={"name": "prefill", "batch_size": "1"}), "workload.batch_size", "int_type", "'1' is not a whole"),
        (demo.order(workload={"name": "prefill", "batch_size": 1.5}), "workload.batch_size", "int_type", "1.5 is not a whole"),
        (demo.order(seed="0"), "seed", "int_type", "'0' is not a whole number"),
        (demo.order(profile="yes"), "profile", "bool_type", "'yes' is not true or false"),
        ({k: v for k, v in demo.order().items() if k != "baseline"}, "baseline", "missing", "is missing"),
        ([], "", "model_type", ""),
        (7, "", "model_type", ""),
    ],
)  # fmt: skip
def test_the_field_the_reason_and_the_choices(body: Any, field: str, code: str, says: str) -> None:
    found = problems(body)
    assert (found[0].field, found[0].code) == (field, code)
    assert says in found[0].message


def test_choices_and_ranges_are_listed() -> None:
    assert "llama" in problems(demo.order(model={"name": "x"}))[0].hint
    assert problems(demo.order(workload={"name": "prefill", "batch_size": 0}))[0].hint == "Allowed: 1 to 4,096."
    assert "effort" in problems(demo.order(efort="quick"))[0].hint


def test_a_name_that_is_also_a_menus_word_is_a_field() -> None:
    body = {**demo.order(name="model")}
    del body["model"]
    assert problems(body)[0].field == "model"


def test_long_values_are_not_repeated() -> None:
    found = problems(demo.order(model={"name": "x" * 10_000}))
    assert len(found[0].message) < 300
    assert len(problems(demo.order(**{"y" * 10_000: 1}))[0].field) <= 100
