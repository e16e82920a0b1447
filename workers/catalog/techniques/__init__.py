"""The menu of techniques, in the order in which pages show them."""

from typing import Annotated

from pydantic import Field

from workers.catalog.technique import Technique
from workers.catalog.techniques.activation_offload import ActivationOffload
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.awq import Awq
from workers.catalog.techniques.chunked_loss import ChunkedLoss
from workers.catalog.techniques.cuda_graphs import CudaGraphs
from workers.catalog.techniques.decoding import Decoding
from workers.catalog.techniques.distillation import Distillation
from workers.catalog.techniques.fp8 import Fp8
from workers.catalog.techniques.gptq import Gptq
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.int4_weight_only import Int4WeightOnly
from workers.catalog.techniques.int8_dynamic import Int8Dynamic
from workers.catalog.techniques.int8_static import Int8Static
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.llm_int8 import LlmInt8
from workers.catalog.techniques.lora import Lora
from workers.catalog.techniques.mxfp4 import Mxfp4
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.nvfp4 import Nvfp4
from workers.catalog.techniques.optimizer import Optimizer
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.qlora import Qlora
from workers.catalog.techniques.semi_structured_pruning import SemiStructuredPruning
from workers.catalog.techniques.smoothquant import SmoothQuant
from workers.catalog.techniques.structured_pruning import StructuredPruning
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.techniques.unstructured_pruning import UnstructuredPruning
from workers.catalog.techniques.w4a8 import W4a8

AnyTechnique = Annotated[
    Precision
    | Autocast
    | Attention
    | TorchCompile
    | CudaGraphs
    | KvCache
    | Decoding
    | Int8WeightOnly
    | Int8Dynamic
    | Int8Static
    | SmoothQuant
    | LlmInt8
    | Fp8
    | Int4WeightOnly
    | Nf4
    | Awq
    | Gptq
    | W4a8
    | Mxfp4
    | Nvfp4
    | SemiStructuredPruning
    | StructuredPruning
    | UnstructuredPruning
    | Distillation
    | GradientCheckpointing
    | GradientAccumulation
    | ChunkedLoss
    | ActivationOffload
    | Lora
    | Qlora
    | Optimizer,
    Field(discriminator="technique"),
]
TECHNIQUES: tuple[type[Technique], ...] = (
    Precision,
    Autocast,
    Attention,
    TorchCompile,
    CudaGraphs,
    KvCache,
    Decoding,
    Int8WeightOnly,
    Int8Dynamic,
    Int8Static,
    SmoothQuant,
    LlmInt8,
    Fp8,
    Int4WeightOnly,
    Nf4,
    Awq,
    Gptq,
    W4a8,
    Mxfp4,
    Nvfp4,
    SemiStructuredPruning,
    StructuredPruning,
    UnstructuredPruning,
    Distillation,
    GradientCheckpointing,
    GradientAccumulation,
    ChunkedLoss,
    ActivationOffload,
    Lora,
    Qlora,
    Optimizer,
)
BY_WORD: dict[str, type[Technique]] = {technique.word: technique for technique in TECHNIQUES}
