"""The studies of the demo data set, in the order in which they are measured."""

from typing import NamedTuple

from workers.catalog.evaluations.accuracy import Accuracy
from workers.catalog.evaluations.divergence import Divergence
from workers.catalog.evaluations.loss_trajectory import LossTrajectory
from workers.catalog.evaluations.perplexity import Perplexity
from workers.catalog.models.llama import Llama
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.spec import StudySpec, Variant
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.llm_int8 import LlmInt8
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.workloads.attention import AttentionKernel
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.generate import Generate
from workers.catalog.workloads.prefill import Prefill
from workers.catalog.workloads.train_step import TrainStep

FP32, BF16 = Precision(dtype="fp32"), Precision(dtype="bf16")
BASELINE = Variant(name="fp32", stack=(FP32,))
IN_BF16 = Variant(name="bf16", stack=(BF16,))
COMPILED = Variant(name="compile", stack=(FP32, TorchCompile()))
INT8 = Variant(name="int8 weights", stack=(FP32, Int8WeightOnly()))


class Planned(NamedTuple):
    """One study of the data set."""

    word: str
    """Names its file."""
    study: StudySpec
    memory_limit: int | None = None
    """Bytes that a sitting may hold; None is what a worker of this machine allows."""


PLANNED = (
    Planned(
        "decoder-compile",
        StudySpec(
            name="Trained decoder: bf16, torch.compile, and both together",
            model=ReferenceDecoder(),
            workload=Prefill(batch_size=4, sequence_length=256),
            evaluation=Perplexity(),
            baseline=BASELINE,
            variants=(IN_BF16, COMPILED, Variant(name="bf16 + compile", stack=(BF16, TorchCompile()))),
            effort="standard",
        ),
    ),
    Planned(
        "decoder-quantisation",
        StudySpec(
            name="Trained decoder: the quantisation ladder while it writes",
            model=ReferenceDecoder(),
            workload=Decode(context_length=256),
            evaluation=Perplexity(),
            baseline=BASELINE,
            variants=(
                IN_BF16,
                INT8,
                Variant(name="LLM.int8()", stack=(BF16, LlmInt8())),
                Variant(name="NF4", stack=(BF16, Nf4())),
            ),
        ),
    ),
    Planned(
        "decoder-lengths",
        StudySpec(
            name="Trained decoder: bf16 by prompt length, up to more than it has positions for",
            model=ReferenceDecoder(),
            workload=Prefill(),
            baseline=BASELINE,
            variants=(IN_BF16,),
            sweep={"sequence_length": (128, 1_024, 4_096)},
        ),
    ),
    Planned(
        "decoder-cache",
        StudySpec(
            name="Trained decoder: what a KV cache brings, by prompt length",
            model=ReferenceDecoder(),
            workload=Generate(new_tokens=16),
            baseline=Variant(name="no cache", stack=(FP32, KvCache(implementation="off"))),
            variants=(
                Variant(name="growing cache", stack=(FP32, KvCache(implementation="dynamic"))),
                Variant(name="static cache", stack=(FP32, KvCache(implementation="static"))),
            ),
            sweep={"prompt_length": (64, 512)},
        ),
    ),
    Planned(
        "decoder-training",
        StudySpec(
            name="Trained decoder: the memory of a training step",
            model=ReferenceDecoder(),
            workload=TrainStep(batch_size=8, sequence_length=256),
            evaluation=LossTrajectory(steps=8, trainings=3),
            baseline=BASELINE,
            variants=(
                Variant(name="checkpointing", stack=(FP32, GradientCheckpointing())),
                Variant(name="accumulation", stack=(FP32, GradientAccumulation(steps=4))),
                Variant(name="autocast", stack=(Autocast(),)),
                Variant(
                    name="checkpointing + accumulation + autocast",
                    stack=(Autocast(), GradientCheckpointing(), GradientAccumulation(steps=4)),
                ),
            ),
        ),
    ),
    Planned(
        "attention-lengths",
        StudySpec(
            name="Attention kernels by length, where a sitting may hold 3 GB",
            model=Llama(preset="tiny"),
            workload=AttentionKernel(),
            baseline=Variant(name="flash", stack=(FP32, Attention(backend="flash"))),
            variants=(
                Variant(name="math", stack=(FP32, Attention(backend="math"))),
                Variant(name="eager", stack=(FP32, Attention(backend="eager"))),
            ),
            sweep={"sequence_length": (256, 2_048, 8_192)},
        ),
        memory_limit=3_000_000_000,
    ),
    Planned(
        "llama-memory",
        StudySpec(
            name="Llama of 30 million weights: less memory, step by step",
            model=Llama(preset="30m"),
            workload=Decode(context_length=128),
            evaluation=Divergence(),
            baseline=BASELINE,
            variants=(
                IN_BF16,
                Variant(name="bf16 + int8 weights", stack=(BF16, Int8WeightOnly())),
                Variant(name="bf16 + NF4", stack=(BF16, Nf4())),
            ),
        ),
    ),
    Planned(
        "vit-digits",
        StudySpec(
            name="Handwritten digits: a vision transformer by batch size, with its accuracy",
            model=ReferenceVit(),
            workload=Classify(),
            evaluation=Accuracy(),
            baseline=BASELINE,
            variants=(IN_BF16, INT8),
            sweep={"batch_size": (1, 32)},
        ),
    ),
    Planned(
        "cnn-digits",
        StudySpec(
            name="Handwritten digits: convolutions, operator by operator",
            model=ReferenceCnn(),
            workload=Classify(batch_size=16),
            evaluation=Accuracy(),
            baseline=BASELINE,
            variants=(IN_BF16, COMPILED),
            profile=True,
        ),
    ),
)
