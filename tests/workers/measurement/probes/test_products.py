"""In which formats products ran: of every kind of product the right factor, autocast's casts and emulation seen through."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.workers.catalog.observed import CPU as FACTS
from tests.workers.catalog.observed import forget_graphs
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.measurement.probes import evidence, products
from workers.measurement.probes.products import Tensor, multiplied, work

CPU = torch.device("cpu")
COMPILES = TorchCompile().refuses(FACTS) is None
A = torch.randn(4, 8)
B = torch.randn(8, 16)
IMAGE = torch.randn(2, 3, 10, 10)
FILTER = torch.randn(5, 3, 3, 3)
QUERY = torch.randn(1, 2, 6, 8)


@pytest.fixture(autouse=True)
def _no_graphs() -> Iterator[None]:
    forget_graphs()
    yield
    forget_graphs()


def seen(step: Callable[[], Any]) -> products.Seen:
    recorded = evidence.observe(CPU, lambda _: step())
    return products.seen(recorded.profiler.kineto_results.events())


@pytest.mark.parametrize(
    ("step", "multiply_adds"),
    [
        (lambda: A @ B, 4 * 8 * 16),
        (lambda: functional.linear(A, B.t(), torch.zeros(16)), 4 * 8 * 16),
        (lambda: torch.bmm(A.expand(3, 4, 8), B.expand(3, 8, 16)), 3 * 4 * 8 * 16),
        (lambda: torch.mv(A, B[:, 0]), 4 * 8),
        (lambda: functional.scaled_dot_product_attention(QUERY, QUERY, QUERY), 2 * 2 * 6 * 6 * 8),
    ],
    ids=["mm", "addmm", "bmm", "mv", "attention"],
)
def test_multiply_adds_are_those_of_the_shapes(step: Callable[[], Any], multiply_adds: int) -> None:
    assert dict(seen(step).products) == {"float32": multiply_adds}


def test_convolutions_and_their_backward_pass_are_products() -> None:
    weight = FILTER.bfloat16().requires_grad_()
    found = seen(lambda: torch.autograd.backward(functional.conv2d(IMAGE.bfloat16(), weight).sum()))
    assert set(found.products) == {"bfloat16"}
    assert found.products["bfloat16"] > 2 * 5 * 3 * 9 * 64


def test_what_autocast_casts_counts_in_the_format_it_casts_to() -> None:
    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            torch.mm(A, B)
            functional.linear(A, B.t())
            functional.conv2d(IMAGE, FILTER)
            with torch.autocast("cpu", enabled=False):
                torch.mm(A, B)

    found = seen(step).products
    assert found["float32"] == 4 * 8 * 16
    assert set(found) == {"float32", "bfloat16"}


def test_what_is_read_is_told_by_format() -> None:
    weight = torch.ones(8, 16, dtype=torch.int8)
    assert seen(lambda: A @ weight.float()).reads["int8"] == 1
    assert "int8" not in seen(lambda: A @ B).reads


def test_16_bit_products_of_the_math_kernel_are_seen_as_they_run() -> None:
    half = QUERY.bfloat16()

    def step() -> None:
        with sdpa_kernel(SDPBackend.MATH):
            functional.scaled_dot_product_attention(half, half, half)

    # torch computes them in fp32 unless it is allowed not to.
    assert set(seen(step).products) == {"float32"}


def test_the_factor_is_found_behind_an_addend_and_in_foreign_operators() -> None:
    inputs = [Tensor("float32", (16,)), Tensor("bfloat16", (4, 8)), Tensor("bfloat16", (8, 16))]
    assert multiplied("aten::addmm", inputs) == inputs[1]
    assert multiplied("bitsandbytes::gemv_4bit", inputs[1:]) == inputs[1]
    assert multiplied("bitsandbytes::dequantize_4bit", inputs) is None
    assert multiplied("aten::add", inputs) is None
    assert multiplied("aten::mm", []) is None
    assert (
        work("mkldnn::_linear_pointwise", [Tensor("float32", (2, 4, 8)), Tensor("float32", (16, 8))]) == 2 * 4 * 8 * 16
    )


@pytest.mark.filterwarnings("ignore:dynamo_pgo force disabled")
@pytest.mark.skipif(not COMPILES, reason=str(TorchCompile().refuses(FACTS)))
def test_products_of_compiled_graphs_are_seen_although_no_operator_runs() -> None:
    import torch._dynamo
    import torch._inductor.config

    torch._dynamo.reset()
    with torch._inductor.config.patch(force_disable_caches=True, post_grad_custom_post_pass=None):
        products.watch_compiler()
        model = torch.compile(lambda a, b: torch.relu(a @ b.to(a.dtype)))
        with torch.inference_mode():
            model(A.bfloat16(), B.to(torch.int8))
    torch._dynamo.reset()
    found = products.seen([])
    assert dict(found.products) == {"bfloat16": 4 * 8 * 16}
    assert found.reads["int8"] == 1
    forget_graphs()
    assert products.seen([]) == products.Seen({}, {}, {})
