"""What helps to order a study, over REST: presets, ablation, and studies written as text."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.submitting import small

LLAMA = {"name": "llama", "preset": "tiny"}
PREFILL = {"name": "prefill", "sequence_length": 128}


def test_presets_are_studies_that_can_be_posted(client: TestClient) -> None:
    answer = client.post("/api/v1/presets", json={"model": LLAMA, "workload": PREFILL, "device": "cpu"})
    items = {one["word"]: one for one in answer.json()["items"]}
    assert items["training"]["study"] is None
    assert "is for training" in items["training"]["reason"]
    assert items["quantisation"]["study"]["workload"]["sequence_length"] == 128
    posted = client.post("/api/v1/studies", json=items["quantisation"]["study"])
    assert posted.status_code == 201
    assert len(posted.json()["runs"]) == items["quantisation"]["runs"]


def test_presets_name_what_is_wrong(client: TestClient) -> None:
    answer = client.post("/api/v1/presets", json={"model": {"name": "lama"}, "workload": PREFILL})
    assert (answer.status_code, answer.json()["field"]) == (422, "model.name")
    assert "llama" in answer.json()["hint"]


def test_ablation_of_a_variant(client: TestClient) -> None:
    stack = [{"technique": "precision", "dtype": "bf16"}, {"technique": "attention", "backend": "flash"}]
    study = small(variants=[{"name": "both", "stack": stack}, {"name": "one", "stack": stack[:1]}])
    made = client.post("/api/v1/presets/ablation", json={"study": study, "variant": "both"}).json()
    assert made["runs"] == 4
    assert client.post("/api/v1/studies/check", json=made["study"]).json()["ok"]
    refused = client.post("/api/v1/presets/ablation", json={"study": study, "variant": "one"})
    assert (refused.status_code, refused.json()["field"]) == (422, "variant")
    unknown = client.post("/api/v1/presets/ablation", json={"study": study, "variant": "none"}).json()
    assert (unknown["field"], unknown["hint"]) == ("variant", "Variants: both, one.")


def test_a_written_study_is_read_and_not_stored(client: TestClient) -> None:
    text = json.dumps(small())
    read = client.post("/api/v1/imports", json={"text": text}).json()
    assert (read["runs"], read["problems"], read["study"]["name"]) == (2, [], small()["name"])
    yaml = "# a comment makes it YAML\n" + text
    assert client.post("/api/v1/imports", json={"text": yaml}).json() == read
    assert client.post("/api/v1/imports", json={"text": text, "form": "yaml"}).json() == read
    assert client.get("/api/v1/studies").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"text": "name: x\nname: y\n"}, "name", "is given twice. (line 2)"),
        ({"text": "a: [1"}, "text", "is not YAML"),
        ({"text": "{"}, "text", "is not JSON"),
        ({"text": ""}, "text", "text must be a mapping of fields"),
        ({"text": "null"}, "text", "text must be a mapping of fields"),
        ({"text": "- 1\n- 2"}, "text", "text must be a mapping of fields"),
        ({"text": "[1]"}, "text", "text must be a mapping of fields"),
        ({"text": "&a x"}, "text", "text has an anchor"),
        ({"text": "%YAML 9"}, "text", "text is not YAML: expected a digit or '.', but found the end of the text"),
        ({"text": "%YAML 9\n---\n"}, "text", "but found the end of the line"),
        ({"text": "name: x", "form": "toml"}, "form", "'toml' is not one of the choices"),
        ({"text": "x" * 100_001}, "text", "at most 100,000 bytes"),
    ],
)
def test_a_text_that_is_no_study_says_where(client: TestClient, body: dict[str, Any], field: str, says: str) -> None:
    answer = client.post("/api/v1/imports", json=body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["field"] == field
    assert says in problem["detail"]


def test_a_study_that_cannot_be_measured_comes_with_its_problems(client: TestClient) -> None:
    text = json.dumps(small(sweep={"sequence_lenght": [1]}), indent=1)
    read = client.post("/api/v1/imports", json={"text": text}).json()
    assert read["study"]["sweep"] == {"sequence_lenght": [1]}
    assert [one["field"] for one in read["problems"]] == ["sweep.sequence_lenght"]
    assert "(line " in read["problems"][0]["message"]
