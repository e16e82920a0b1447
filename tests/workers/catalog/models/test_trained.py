"""Weights that ship: rounded once, whole, small, and part of what is installed."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.workers.catalog.observed import bench, proven, steps
from workers.catalog.applicability import unfit
from workers.catalog.model import Model
from workers.catalog.models import trained
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.reference import FOLDER
from workers.catalog.technique import LoadOptions, Technique
from workers.catalog.techniques import TECHNIQUES
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.workload import Workload
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.generate import Generate
from workers.catalog.workloads.train_step import TrainStep

ROOT = Path(__file__).parents[4]
MODELS: tuple[Model, ...] = (ReferenceDecoder(), ReferenceVit(), ReferenceCnn())
INFERENCE: dict[str, Workload] = {"decoder": Generate(prompt_length=8, new_tokens=4), "image": Classify(batch_size=4)}
TRAINING = TrainStep(batch_size=2, sequence_length=16)


def by_label(model: Model) -> str:
    return model.label


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("model", MODELS, ids=by_label)
def test_every_format_holds_the_stored_values_rounded_once(model: Model, dtype: str) -> None:
    wanted = load_file(FOLDER / f"{model.word}.safetensors")
    built = model.build(LoadOptions(dtype=dtype, seed=5))
    assert not built.training
    found = built.state_dict()
    for name, value in wanted.items():
        expected = value.to(getattr(torch, dtype)) if value.is_floating_point() else value
        torch.testing.assert_close(found[name], expected, rtol=0, atol=0, msg=name)
    assert all(not tensor.is_meta for tensor in (*built.parameters(), *built.buffers()))
    assert all(weight.requires_grad for weight in built.parameters())
    assert {value.dtype for value in load_file(FOLDER / f"{model.word}.safetensors").values()} <= {
        torch.float32,
        torch.int64,
    }


@pytest.mark.parametrize("model", MODELS, ids=by_label)
@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda technique: technique.word)
def test_every_technique_that_fits_really_runs(model: Model, technique: type[Technique]) -> None:
    tried = technique()
    ran = None
    for workload in (INFERENCE[model.kind], TRAINING):
        if unfit(technique, model, workload, "cpu") is None and not isinstance(tried, TorchCompile):
            ran = proven(tried, workload, model).ran
            assert ran in ("as_asked", "emulated"), technique.word
    if ran is None:
        assert (
            isinstance(tried, TorchCompile)
            or "cpu" not in technique.requires.devices
            or (isinstance(tried, Attention) and not model.attends)
            or model.kind not in technique.requires.models
        )


def test_the_compiler_takes_the_network_in_one_graph() -> None:
    assert proven(TorchCompile(), Classify(batch_size=4), ReferenceCnn()).ran == "as_asked"


@pytest.mark.parametrize("model", MODELS, ids=by_label)
def test_the_seed_decides_what_is_fed_and_nothing_else(model: Model) -> None:
    def scores(seed: int, inputs: int) -> torch.Tensor:
        built = model.build(LoadOptions(seed=seed))
        with torch.inference_mode():
            return model.logits(built, model.inputs(built, batch_size=8, length=32, seed=inputs))

    torch.testing.assert_close(scores(0, 1), scores(1, 1), rtol=0, atol=0)
    assert not torch.equal(scores(0, 1), scores(0, 2))


@pytest.mark.parametrize("model", MODELS, ids=by_label)
def test_the_loss_on_its_own_data_is_far_below_chance(model: Model) -> None:
    ready = bench(model)
    batch = model.inputs(ready.model, batch_size=16, length=128, seed=0)
    with torch.no_grad():
        loss = float(model.loss(ready.model, batch))
    assert loss < (2.0 if model.kind == "decoder" else 0.6), "chance is 5.5 and 2.3"


@pytest.mark.parametrize("model", MODELS, ids=by_label)
def test_a_train_step_reaches_every_weight(model: Model) -> None:
    ready = bench(model)
    TRAINING.prepare(ready)
    model.loss(ready.model, model.inputs(ready.model, batch_size=4, length=16, seed=0)).backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None for weight in ready.model.parameters())
    steps(TRAINING.prepare(ready))


def test_a_file_of_another_architecture_is_refused(tmp_path: Path) -> None:
    weights = load_file(FOLDER / "reference_cnn.safetensors")
    head = weights.pop("head.weight")
    save_file(weights | {"tail.weight": head}, tmp_path / "reference_cnn.safetensors")
    with pytest.raises(RuntimeError, match=r"head\.weight.*tail\.weight"):
        trained.build(ReferenceCnn().architecture, "reference_cnn", LoadOptions(), tmp_path)
    weights["head.weight"] = head
    weights.pop("blocks.0.1.running_mean")
    save_file(weights, tmp_path / "reference_cnn.safetensors")
    with pytest.raises(RuntimeError, match="running_mean"):
        trained.build(ReferenceCnn().architecture, "reference_cnn", LoadOptions(), tmp_path)


def test_all_weights_together_are_at_most_12_megabytes() -> None:
    files = {path.stem: path.stat().st_size for path in FOLDER.glob("*.safetensors")}
    assert set(files) == {model.word for model in MODELS}
    assert sum(files.values()) <= 12_000_000


def test_the_decoder_has_as_many_parameters_as_it_says_and_shares_its_embedding() -> None:
    built: Any = ReferenceDecoder().build(LoadOptions())
    assert sum(weight.numel() for weight in built.parameters()) == pytest.approx(1.8e6, rel=0.03)
    assert built.lm_head.weight is built.model.embed_tokens.weight


def test_what_ships_is_installed_with_the_code() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert FOLDER.relative_to(ROOT).parts[0] in targets["wheel"]["packages"]
    assert not {"include", "exclude", "only-include"} & set(targets["wheel"])
    # The build leaves out what git ignores.
    shipped = [str(path) for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", *shipped], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if asked.returncode == 128:
        pytest.skip("not a git checkout")
    assert asked.stdout == ""
