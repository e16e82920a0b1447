"""Floating-point operations against formulas, and the formats they were counted in."""

import torch
from torch import nn
from torch.nn import functional

from workers.measurement.probes import work


def test_a_linear_layer_is_two_operations_a_weight_and_sample() -> None:
    layer = nn.Linear(64, 32)
    batch = torch.ones(8, 64)
    for context in (torch.inference_mode(), torch.enable_grad()):
        with context:
            done = work.count(lambda _: layer(batch))
        assert done.flops == 2 * 8 * 64 * 32
        assert done.dtypes == {"float32": 1}
        assert done.opaque == ()


def test_training_counts_both_gradients() -> None:
    layer = nn.Linear(64, 32, bias=False)
    batch = torch.ones(8, 64, requires_grad=True)
    assert work.count(lambda _: layer(batch).sum().backward()).flops == 3 * 2 * 8 * 64 * 32


def test_fused_attention_on_a_cpu_counts_like_its_products() -> None:
    query = torch.ones(2, 4, 16, 8)
    with torch.inference_mode():
        done = work.count(lambda _: functional.scaled_dot_product_attention(query, query, query))
    assert done.flops == 2 * (2 * 2 * 4 * 16 * 16 * 8)


def test_convolutions_and_other_formats_are_seen() -> None:
    layer = nn.Conv2d(3, 6, 3, padding=1).to(torch.bfloat16)
    image = torch.ones(1, 3, 10, 10, dtype=torch.bfloat16)
    with torch.inference_mode():
        done = work.count(lambda _: layer(image))
    assert done.flops == 2 * 10 * 10 * 3 * 6 * 9
    assert done.dtypes == {"bfloat16": 1}


def test_the_format_of_a_product_is_that_of_its_first_factor() -> None:
    layer = nn.Linear(8, 8).to(torch.bfloat16)
    batch = torch.ones(2, 8, dtype=torch.bfloat16)
    assert work.count(lambda _: layer(batch).sum().backward()).dtypes.keys() == {"bfloat16"}
