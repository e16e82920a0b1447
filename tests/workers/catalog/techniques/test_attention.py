"""Attention backend: the kernel that was asked for is the one that runs."""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.workers.catalog.observed import CPU, bench, evidence, proven, without
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.vit import Vit
from workers.catalog.technique import DeviceFacts, LoadOptions
from workers.catalog.techniques.attention import Attention
from workers.catalog.workloads.attention import AttentionKernel
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.prefill import Prefill
from workers.catalog.workloads.train_step import TrainStep

BACKENDS = ("eager", "math", "flash")


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_runs_in_a_decoder(backend: str) -> None:
    technique = Attention.model_validate({"backend": backend})
    assert proven(technique, Prefill(sequence_length=16), Llama()).ran == "as_asked"


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_runs_in_a_vision_transformer(backend: str) -> None:
    technique = Attention.model_validate({"backend": backend})
    assert proven(technique, Classify(batch_size=1), Vit(image_size=32)).ran == "as_asked"


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_runs_as_a_kernel_alone(backend: str) -> None:
    technique = Attention.model_validate({"backend": backend})
    assert proven(technique, AttentionKernel(sequence_length=32), Llama()).ran == "as_asked"


def test_flash_asked_but_math_ran_is_a_fall_back() -> None:
    ran_math = evidence(Prefill(sequence_length=16), bench(Llama(), (Attention(backend="math"),)))
    verified = Attention(backend="flash").proof(ran_math)
    assert verified.ran == "fell_back"
    assert "math" in verified.detail
    assert Attention(backend="eager").proof(ran_math).ran == "fell_back"


def test_math_compiled_away_is_still_math() -> None:
    ran_flash = evidence(Prefill(sequence_length=16), bench(Llama(), (Attention(backend="flash"),)))
    technique = Attention(backend="math")
    assert technique.proof(without(ran_flash, operators={"aten::bmm": 12}, graphs=1)).ran == "as_asked"
    assert technique.proof(without(ran_flash, graphs=1)).ran == "fell_back"


def test_the_kernel_holds_in_the_backward_pass() -> None:
    seen = evidence(TrainStep(batch_size=1, sequence_length=16), bench(Llama(), (Attention(backend="math"),)))
    assert not any("flash" in name for name in seen.operators)


def test_a_cpu_has_no_memory_efficient_kernel() -> None:
    technique = Attention(backend="memory_efficient")
    assert "CPU" in str(technique.refuses(CPU))
    assert technique.refuses(DeviceFacts("cuda", "L4", (8, 9))) is None


@pytest.fixture
def _own_limits() -> Any:
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=False):
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()


@pytest.mark.skipif(Attention(backend="flex").refuses(CPU) is not None, reason="no compiler here")
@pytest.mark.usefixtures("_own_limits")
def test_flex_runs_in_a_decoder_and_alone_as_the_plain_kernel_does() -> None:
    technique = Attention(backend="flex")
    workload = AttentionKernel(sequence_length=64)
    seen = evidence(workload, bench(Llama(), (technique,)))
    assert technique.proof(seen).ran == "as_asked"
    assert technique.proof(without(seen, graph_calls=0)).ran == "fell_back"
    assert Attention(backend="flash").proof(seen).ran == "fell_back"
    session: Any = workload.prepare(bench(Llama(), (technique,)))
    plain = functional.scaled_dot_product_attention(session.query, session.key, session.value, is_causal=True)
    with torch.inference_mode():
        torch.testing.assert_close(
            session.kernel(session.query, session.key, session.value), plain, rtol=1e-4, atol=1e-5
        )
    verified = proven(technique, Prefill(sequence_length=64), Llama())
    assert verified.ran == "as_asked", verified.detail


def test_flex_is_refused_in_training() -> None:
    assert "backward" in str(Attention(backend="flex").misfit(TrainStep()))
    assert Attention(backend="flex").misfit(Prefill()) is None


@pytest.mark.parametrize(
    ("backend", "capability", "runs"),
    [
        ("flash_attention_2", (7, 5), False),
        ("flash_attention_2", (8, 0), True),
        ("flash_attention_2", (10, 0), True),
        ("flash_attention_3", (8, 9), False),
        ("flash_attention_3", (9, 0), True),
        ("flash_attention_3", (10, 0), False),
    ],
)
def test_packages_are_for_their_generations(backend: str, capability: tuple[int, int], runs: bool) -> None:
    technique = Attention.model_validate({"backend": backend})
    assert (technique.refuses(DeviceFacts("cuda", "a GPU", capability)) is None) is runs
    assert "for CPUs" in str(technique.refuses(CPU))
    assert technique.packages == ({"2": "flash_attn", "3": "flash_attn_interface"}[backend[-1]],)


def test_a_package_is_for_short_formats() -> None:
    technique = Attention(backend="flash_attention_2")
    with pytest.raises(Unsupported, match="16 bits"):
        technique.load_options(LoadOptions())
    assert technique.load_options(LoadOptions(dtype="bfloat16")).attention == "flash_attention_2"


def test_a_package_is_given_heads_behind_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package itself needs a GPU; what it promises is computed by torch here."""

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool) -> torch.Tensor:
        assert query.shape[1:] == (16, 8, 32)
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))
        return functional.scaled_dot_product_attention(query, key, value, is_causal=causal).transpose(1, 2)

    package = ModuleType("flash_attn")
    package.flash_attn_func = attend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "flash_attn", package)
    ready = bench(Llama())
    ready.model.config._attn_implementation = "flash_attention_2"  # type: ignore[union-attr]
    session: Any = AttentionKernel(sequence_length=16).prepare(ready)
    found = session.kernel(session.query, session.key, session.value).transpose(1, 2)
    plain = functional.scaled_dot_product_attention(session.query, session.key, session.value, is_causal=True)
    torch.testing.assert_close(found, plain)


def test_a_packages_operators_prove_it() -> None:
    seen = evidence(AttentionKernel(sequence_length=16), bench(Llama()))
    technique = Attention(backend="flash_attention_2")
    assert technique.proof(seen).ran == "fell_back"
    facts = {"attention": "flash_attention_2"}
    ran = without(seen, operators={"flash_attn::_flash_attn_forward": 6}, facts=facts)
    assert technique.proof(ran).ran == "as_asked"
    assert technique.proof(without(ran, operators={"aten::bmm": 6})).ran == "fell_back"
    assert technique.proof(without(ran, facts={"attention": "sdpa"})).ran == "fell_back"
    assert Attention(backend="flash_attention_3").proof(ran).ran == "fell_back"
