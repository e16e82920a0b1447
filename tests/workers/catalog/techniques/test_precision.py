"""Precision: what is stored and multiplied, and when that is not what was asked."""

from tests.workers.catalog.observed import CPU, bench, evidence, proven, verdicts, without
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.resnet import Resnet
from workers.catalog.technique import DeviceFacts
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.attention import AttentionKernel
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.prefill import Prefill
from workers.catalog.workloads.train_step import TrainStep

SMALL = Prefill(sequence_length=8)


def test_bf16_is_stored_and_multiplied() -> None:
    verified = proven(Precision(dtype="bf16"), SMALL, Llama())
    assert verified.ran == "as_asked"
    assert "bfloat16" in verified.detail


def test_convolutions_run_in_bf16() -> None:
    model = Resnet(preset="tiny", image_size=32)
    assert proven(Precision(dtype="bf16"), Classify(batch_size=2), model).ran == "as_asked"


def test_products_in_another_format_are_a_fall_back() -> None:
    technique = Precision(dtype="bf16")
    seen = evidence(SMALL, bench(Llama(), (technique,)))
    assert technique.proof(without(seen, products={"float32": 6, "bfloat16": 94})).ran == "fell_back"
    assert technique.proof(without(seen, products={"float32": 5, "bfloat16": 95})).ran == "as_asked"
    assert technique.proof(without(seen, products={})).ran == "fell_back"
    assert technique.proof(without(seen, weight_dtypes={"float32": 100})).ran == "fell_back"


def test_products_that_autocast_explains_are_not_a_fall_back() -> None:
    assert proven(Precision(dtype="fp32"), SMALL, Llama(), Autocast(dtype="bf16")).ran == "as_asked"


def test_the_math_kernel_computes_16_bit_attention_in_fp32_and_that_is_told() -> None:
    stack = (Precision(dtype="bf16"), Attention(backend="math"))
    kernel_alone = AttentionKernel(sequence_length=32)
    assert verdicts(kernel_alone, Llama(), *stack) == {"precision": "emulated", "attention": "as_asked"}
    assert verdicts(SMALL, Llama(), *stack) == {"precision": "as_asked", "attention": "as_asked"}
    assert proven(Precision(dtype="bf16"), kernel_alone, Llama(), Attention(backend="flash")).ran == "as_asked"


def test_a_cpu_without_the_instructions_emulates() -> None:
    technique = Precision(dtype="bf16")
    seen = evidence(Classify(), bench(Mlp(width=64), (technique,)))
    assert technique.proof(without(seen, device=DeviceFacts("cpu", "an old CPU"))).ran == "emulated"


def test_tf32_needs_an_ampere_gpu() -> None:
    technique = Precision(dtype="tf32")
    assert "8.0" in str(technique.refuses(CPU))
    assert technique.refuses(DeviceFacts("cuda", "A100", (8, 0))) is None


def test_fp16_weights_are_not_trained() -> None:
    assert "autocast" in str(Precision(dtype="fp16").misfit(TrainStep()))
    assert Precision(dtype="fp16").misfit(SMALL) is None
    assert Precision(dtype="bf16").misfit(TrainStep()) is None
