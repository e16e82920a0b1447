"""Weights from a seed: the same model in every format, sane scores, every model on the menu."""

import math
from typing import Any

import pytest
import torch

from tests.workers.catalog.observed import bench
from workers.catalog.model import Model
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit
from workers.catalog.technique import LoadOptions

MODELS = (Llama(), Mlp(width=64), Vit(image_size=32), Resnet(preset="tiny", image_size=64), Resnet(image_size=64))


def scores(model: Model, dtype: str = "float32", seed: int = 0, inputs: int = 1) -> torch.Tensor:
    built = model.build(LoadOptions(dtype=dtype, seed=seed))
    with torch.inference_mode():
        found = model.logits(built, model.inputs(built, batch_size=8, length=8, seed=inputs)).float()
    return found[:, -1] if found.ndim == 3 else found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.label)
def test_scores_have_a_healthy_spread_and_hang_on_the_input(model: Model) -> None:
    found = scores(model)
    assert torch.isfinite(found).all()
    assert 0.3 < found.std() < 3
    assert found.std(0).mean() > 0.1 * found.std()
    assert len(set(found.argmax(-1).tolist())) > 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.label)
def test_every_format_holds_the_same_rounded_values(model: Model, dtype: str) -> None:
    short, full = model.build(LoadOptions(dtype=dtype)), model.build(LoadOptions())
    wanted = dict(full.named_parameters())
    for name, weight in short.named_parameters():
        torch.testing.assert_close(weight, wanted[name].to(weight.dtype), rtol=0, atol=0, msg=name)
    for name, buffer in short.named_buffers():
        assert not buffer.is_meta, name
    assert (scores(model, dtype).argmax(-1) == scores(model).argmax(-1)).float().mean() > 0.5


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.label)
def test_the_seed_decides(model: Model) -> None:
    torch.testing.assert_close(scores(model), scores(model), rtol=0, atol=0)
    assert not torch.equal(scores(model, seed=1), scores(model))
    assert not torch.equal(scores(model, inputs=2), scores(model))


def test_tied_weights_are_one_tensor() -> None:
    built: Any = Llama().build(LoadOptions())
    assert built.lm_head.weight is built.model.embed_tokens.weight
    apart: Any = Llama(preset="30m").build(LoadOptions())
    assert apart.lm_head.weight is not apart.model.embed_tokens.weight


def test_batch_norm_keeps_its_statistics_in_the_format_of_the_weights() -> None:
    model = Resnet(preset="tiny", image_size=32)
    built = model.build(LoadOptions(dtype="bfloat16"))
    norms = [module for module in built.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {norm.running_mean.dtype for norm in norms if norm.running_mean is not None} == {torch.bfloat16}
    assert {norm.momentum for norm in norms} == {0.1}
    assert not built.training


def test_rotary_frequencies_stay_in_fp32() -> None:
    built = Llama().build(LoadOptions(dtype="bfloat16"))
    assert {buffer.dtype for buffer in built.buffers()} == {torch.float32}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.label)
def test_the_loss_is_that_of_chance(model: Model) -> None:
    ready = bench(model)
    batch = model.inputs(ready.model, batch_size=4, length=16, seed=0)
    with torch.no_grad():
        loss = float(model.loss(ready.model, batch))
        classes = model.logits(ready.model, batch).shape[-1]
    assert loss == pytest.approx(math.log(classes), rel=0.35)
