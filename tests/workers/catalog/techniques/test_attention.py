"""Attention backend: the kernel that was asked for is the one that runs."""

import pytest

from tests.workers.catalog.observed import CPU, bench, evidence, proven, without
from workers.catalog.models.llama import Llama
from workers.catalog.models.vit import Vit
from workers.catalog.technique import DeviceFacts
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
