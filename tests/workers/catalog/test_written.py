"""Studies as people write them: the same one from JSON and from YAML, and what is wrong told by field, line and choices."""

import json

import pytest

from workers.catalog import written
from workers.catalog.strictjson import Malformed, Unfit

YAML = """\
name: tiny llama, precision
model: {name: llama, preset: tiny}
workload:
  name: generate
  prompt_length: 32
baseline:
  name: no cache
  stack:
    - technique: kv_cache
      implementation: off
variants:
  - name: static
    stack: [{technique: kv_cache, implementation: static}]
sweep:
  batch_size: [1, 2]
"""


def test_json_and_yaml_make_the_same_study() -> None:
    from_yaml = written.read_study(YAML.encode(), "yaml")
    assert from_yaml.problems == ()
    assert from_yaml.spec.size == 4
    assert written.read_study(from_yaml.spec.model_dump_json(indent=1).encode(), "json").spec == from_yaml.spec


@pytest.mark.parametrize(
    ("old", "new", "field", "says", "hint"),
    [
        ("preset: tiny", "preset: tinny", "model.preset", "Did you mean 'tiny'? (line 2)", "Choices: tiny, 30m"),
        ("prompt_length: 32", "prompt_length: 0", "workload.prompt_length", "0 is not possible. (line 5)", "Allowed: 1 to"),
        ("      implementation: off", "      implementatin: off", "baseline.stack.0.implementatin", "(line 10)", "Fields: technique, implementation, group, residual, window, sinks."),
        ("model: {name: llama, preset: tiny}\n", "", "model", "is missing.", ""),
        ("batch_size: [1, 2]", "batch_size: [1, two]", "sweep.batch_size.1", "'two' is not a whole number. (line 15)", ""),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_its_line_and_the_choices(
    old: str, new: str, field: str, says: str, hint: str
) -> None:
    assert old in YAML
    with pytest.raises(Unfit) as unfit:
        written.read_study(YAML.replace(old, new).encode(), "yaml")
    [problem] = unfit.value.problems
    assert problem.field == field
    assert says in problem.message
    assert hint in problem.hint


def test_what_does_not_fit_together_is_told_beside_the_study() -> None:
    found = written.read_study(YAML.replace("batch_size: [1, 2]", "batch: [1, 2]").encode(), "yaml")
    assert [(one.field, one.message[-9:]) for one in found.problems] == [("sweep.batch", "(line 15)")]


def test_lines_are_told_for_json_of_several_lines() -> None:
    study = written.read_study(YAML.encode(), "yaml").spec.model_dump(mode="json")
    study["model"]["preset"] = "huge"
    with pytest.raises(Unfit, match=r"\(line \d+\)$"):
        written.read_study(json.dumps(study, indent="\t").encode(), "json")
    with pytest.raises(Unfit) as unfit:
        written.read_study(json.dumps(study).encode(), "json")
    assert "line" not in unfit.value.problems[0].message


@pytest.mark.parametrize("text", [b"", b"just words", b"- a list"])
def test_what_is_no_study_at_all_is_refused(text: bytes) -> None:
    with pytest.raises(Unfit):
        written.read_study(text, "yaml")
    with pytest.raises(Malformed):
        written.read_study(text, "json")


def test_the_form_of_a_text_is_seen() -> None:
    assert [written.form_of_text(text) for text in ('\n {"a": 1}', "a: 1", "[1]", "")] == [
        "json",
        "yaml",
        "json",
        "yaml",
    ]
    assert [written.form_of_file(name) for name in ("a.YML", "b.yaml", "c.json", "-")] == [
        "yaml",
        "yaml",
        "json",
        "json",
    ]
