"""The menu of techniques, in the order in which pages show them."""

from typing import Annotated

from pydantic import Field

from workers.catalog.technique import Technique
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.chunked_loss import ChunkedLoss
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.llm_int8 import LlmInt8
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.optimizer import Optimizer
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.techniques.unstructured_pruning import UnstructuredPruning

AnyTechnique = Annotated[
    Precision
    | Autocast
    | Attention
    | TorchCompile
    | KvCache
    | Int8WeightOnly
    | LlmInt8
    | Nf4
    | UnstructuredPruning
    | GradientCheckpointing
    | GradientAccumulation
    | ChunkedLoss
    | Optimizer,
    Field(discriminator="technique"),
]
TECHNIQUES: tuple[type[Technique], ...] = (
    Precision,
    Autocast,
    Attention,
    TorchCompile,
    KvCache,
    Int8WeightOnly,
    LlmInt8,
    Nf4,
    UnstructuredPruning,
    GradientCheckpointing,
    GradientAccumulation,
    ChunkedLoss,
    Optimizer,
)
BY_WORD: dict[str, type[Technique]] = {technique.word: technique for technique in TECHNIQUES}
