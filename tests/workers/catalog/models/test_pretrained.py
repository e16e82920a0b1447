"""Models with saved weights: what is loaded, and everything that is refused, each with its reason."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tests.workers.catalog.observed import proven, steps
from workers.catalog.model import Unsupported
from workers.catalog.models.folder import Folder
from workers.catalog.models.hub import Hub
from workers.catalog.models.llama import Llama
from workers.catalog.models.vit import Vit
from workers.catalog.technique import LoadOptions
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.precision import Precision
from workers.catalog.workload import Bench
from workers.catalog.workloads.attention import AttentionKernel
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.generate import Generate
from workers.catalog.workloads.prefill import Prefill

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models with one small decoder in it, as save_pretrained writes it."""
    root = tmp_path / "models"
    built: Any = Llama().build(LoadOptions(seed=7))
    built.save_pretrained(root / "my-model")
    monkeypatch.setenv("TRADESPACE_MODELS", str(root))
    return root


def refusal(model: Folder | Hub) -> str:
    with pytest.raises(Unsupported) as refused:
        model.build(LoadOptions())
    return str(refused.value)


def test_a_saved_decoder_is_loaded_with_its_weights(models: Path) -> None:
    model = Folder(folder="my-model", task="decoder")
    built: Any = model.build(LoadOptions(dtype="bfloat16", attention="eager"))
    wanted: Any = Llama().build(LoadOptions(seed=7))
    torch.testing.assert_close(built.get_input_embeddings().weight, wanted.get_input_embeddings().weight.bfloat16())
    assert built.config._attn_implementation == "eager"
    assert not built.training


def test_a_saved_decoder_works_in_every_workload(models: Path) -> None:
    model = Folder(folder="my-model", task="decoder")
    built = model.build(LoadOptions())
    for workload in (Prefill(sequence_length=8), Decode(context_length=8), Generate(), AttentionKernel()):
        steps(workload.prepare(Bench(built, model, (), "cpu", 0)))
    assert proven(Precision(dtype="bf16"), Prefill(sequence_length=8), model).ran == "as_asked"
    assert proven(Attention(backend="math"), Prefill(sequence_length=8), model).ran == "as_asked"


def test_a_saved_image_classifier_is_loaded(models: Path) -> None:
    saved: Any = Vit(image_size=32, classes=10).build(LoadOptions())
    saved.save_pretrained(models / "eyes")
    model = Folder(folder="eyes", task="image")
    built = model.build(LoadOptions())
    steps(Classify(batch_size=2).prepare(Bench(built, model, (), "cpu", 0)))
    assert model.logits(built, model.inputs(built, batch_size=2, length=None, seed=0)).shape == (2, 10)


def test_too_many_tokens_for_its_positions_are_refused(models: Path) -> None:
    path = models / "my-model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": 64}))
    model = Folder(folder="my-model")
    ready = Bench(model.build(LoadOptions()), model, (), "cpu", 0)
    for workload in (Prefill(sequence_length=65), Decode(context_length=64), Generate(prompt_length=60, new_tokens=5)):
        with pytest.raises(Unsupported, match="positions for 64"):
            workload.prepare(ready)


def test_no_folder_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRADESPACE_MODELS", raising=False)
    assert "TRADESPACE_MODELS" in refusal(Folder(folder="my-model"))


def test_an_unknown_folder_names_those_there_are(models: Path) -> None:
    assert "my-model" in refusal(Folder(folder="other"))


def test_a_link_out_of_the_folder_is_refused(models: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (models / "my-model").rename(outside)
    (models / "linked").symlink_to(outside)
    assert "not in this worker's folder" in refusal(Folder(folder="linked"))


def test_pickled_weights_are_refused(models: Path) -> None:
    weights = models / "my-model" / "model.safetensors"
    torch.save({}, models / "my-model" / "pytorch_model.bin")
    weights.unlink()
    assert "safetensors" in refusal(Folder(folder="my-model"))


def test_a_model_with_its_own_code_is_refused(models: Path) -> None:
    path = models / "my-model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": {"AutoModelForCausalLM": "m.Model"}}))
    assert "own code" in refusal(Folder(folder="my-model"))


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_broken_configuration_is_refused(models: Path, text: str | None) -> None:
    path = models / "my-model" / "config.json"
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    assert "config.json" in refusal(Folder(folder="my-model"))


def test_missing_weights_are_refused(models: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = models / "my-model" / "model.safetensors"
    weights = load_file(path)
    weights.pop("model.norm.weight")
    save_file(weights, path, metadata={"format": "pt"})
    assert "model.norm.weight" in refusal(Folder(folder="my-model"))


def test_a_damaged_file_is_refused(models: Path) -> None:
    (models / "my-model" / "model.safetensors").write_bytes(b"not a tensor")
    assert "cannot be loaded" in refusal(Folder(folder="my-model"))


def test_the_wrong_task_is_refused(models: Path) -> None:
    assert "kind image" in refusal(Folder(folder="my-model", task="image"))


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "", "a" * 101, "a\\b", "a\n"])
def test_only_plain_folder_names_pass(name: str) -> None:
    with pytest.raises(ValidationError):
        Folder(folder=name)


@pytest.mark.parametrize(
    "repository",
    ["gpt2", "a/b/c", "../x", "a/..", "https://huggingface.co/a/b", ".a/b", "a/.b", "a/b\n", "a /b", "a/b..c"],
)
def test_only_plain_repositories_pass(repository: str) -> None:
    with pytest.raises(ValidationError):
        Hub(repository=repository, revision=COMMIT)


@pytest.mark.parametrize("revision", ["main", COMMIT[:7], COMMIT.upper(), ""])
def test_only_a_whole_commit_passes(revision: str) -> None:
    with pytest.raises(ValidationError):
        Hub(repository="org/name", revision=revision)


def test_a_repository_nobody_allowed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Hub(repository="org/name", revision=COMMIT)
    monkeypatch.delenv("TRADESPACE_HUB_MODELS", raising=False)
    assert "not allowed" in refusal(model)
    monkeypatch.setenv("TRADESPACE_HUB_MODELS", "meta-llama/*, org/other,")
    assert "not allowed" in refusal(model)


def test_without_network_a_repository_must_be_stored(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(models / "cache"))
    monkeypatch.setenv("TRADESPACE_HUB_MODELS", "org/*")
    model = Hub(repository="org/name", revision=COMMIT)
    assert "not stored on this worker" in refusal(model)
    shutil.copytree(models / "my-model", models / "cache" / "models--org--name" / "snapshots" / COMMIT)
    assert sum(weight.numel() for weight in model.build(LoadOptions()).parameters()) == 5_401_856
