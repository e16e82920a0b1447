"""What one technique declares and does: class variables declare, fields are parameters, hooks act.

Hooks run inside a measuring process, in the order in which they stand below, for the techniques of a stack in the order
of their ``order``. torch is imported inside hooks only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from workers.catalog.declared import Declared, Reference
from workers.catalog.metrics import Metric

if TYPE_CHECKING:
    import torch
    from torch import nn

    from workers.catalog.evaluation import Evaluation
    from workers.catalog.model import Model
    from workers.catalog.report import Ran
    from workers.catalog.workload import Workload

Phase = Literal["inference", "training"]
DeviceKind = Literal["cpu", "cuda"]
ModelKind = Literal["decoder", "image", "vector"]
Family = Literal["precision", "quantization", "attention", "compile", "cache", "training", "compression", "engine"]

INFERENCE: frozenset[Phase] = frozenset({"inference"})
TRAINING: frozenset[Phase] = frozenset({"training"})
BOTH_PHASES: frozenset[Phase] = frozenset({"inference", "training"})
ANY_DEVICE: frozenset[DeviceKind] = frozenset({"cpu", "cuda"})
ANY_MODEL: frozenset[ModelKind] = frozenset({"decoder", "image", "vector"})
DECODERS: frozenset[ModelKind] = frozenset({"decoder"})
FORWARD_WORKLOADS = frozenset({"prefill", "decode", "generate", "classify"})
"""Workloads that run the whole model forward only."""
MODEL_WORKLOADS = FORWARD_WORKLOADS | {"train_step"}
"""Workloads that run the whole model; a technique that changes its modules acts in no other."""
LOOKED = "looked_at"
"""Attribute of a model: whether facts are wanted of the steps that run now, which nobody times."""
NOTED = "noted"
"""Attribute of a model: a dictionary in which techniques leave facts of training for their proofs."""


class Expectation(NamedTuple):
    """An effect known from the literature: variant over baseline for one metric, between low and high."""

    metric: Metric
    low: float
    high: float
    source: Reference


class Requires(NamedTuple):
    """What must be there before a technique can be tried at all; checked before anything is queued."""

    phases: frozenset[Phase] = BOTH_PHASES
    devices: frozenset[DeviceKind] = ANY_DEVICE
    models: frozenset[ModelKind] = ANY_MODEL
    workloads: frozenset[str] | None = None
    """Words of the workloads it makes sense for; None means every one."""
    attention: bool = False
    """Whether it acts on attention layers, so that a model without them is refused."""
    packages: tuple[str, ...] = ()
    """Import names the measuring program needs besides torch; a missing one ends the run ``unsupported``."""


@dataclass(frozen=True)
class LoadOptions:
    """How a model is to be built."""

    dtype: str = "float32"
    """Name of a torch dtype for weights and activations."""
    attention: str | None = None
    """transformers' attn_implementation; None leaves its default."""
    device: str = "cpu"
    seed: int = 0
    shapes_only: bool = False
    """Whether tensors will have no values: weights that would be read from files are left out."""


@dataclass(frozen=True)
class DeviceFacts:
    """What the measuring process sees of its device, for a technique that has to refuse it."""

    kind: DeviceKind
    name: str
    capability: tuple[int, int] | None = None
    """CUDA compute capability; None on a CPU."""
    cpu_flags: frozenset[str] = frozenset()
    """Instruction-set flags as the kernel lists them, for example avx512_bf16; empty on other systems."""


@dataclass(frozen=True)
class Evidence:
    """What one observed step showed; ``proof`` judges by it."""

    device: DeviceFacts
    operators: Mapping[str, int] = field(default_factory=dict)
    """Calls of each torch operator in one profiled step, for example {"aten::addmm": 24}."""
    kernels: Mapping[str, int] = field(default_factory=dict)
    """Calls of each device kernel in one profiled step; empty on a CPU."""
    products: Mapping[str, int] = field(default_factory=dict)
    """Multiply-adds of one step's matrix products by the format of their inputs, for example {"bfloat16": 4_718_592}."""
    reads: Mapping[str, int] = field(default_factory=dict)
    """Operators that multiplied tensors of a format or turned them into another, for example {"int8": 42}."""
    foreign: Mapping[str, int] = field(default_factory=dict)
    """Calls of other libraries' operators, without those inside another, for example {"bitsandbytes::gemm_4bit": 42}."""
    largest: Mapping[str, int] = field(default_factory=dict)
    """Elements of the largest tensor that each operator was given first, for example {"aten::exp": 4_096}."""
    weight_dtypes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of parameters and buffers by storage dtype after conversion."""
    modules: Mapping[str, int] = field(default_factory=dict)
    """Modules by class name after conversion."""
    weight_classes: Mapping[str, int] = field(default_factory=dict)
    """Parameters by tensor class name after conversion, for example {"Int8Tensor": 24}."""
    graphs: int = 0
    graph_calls: int = 0
    """Calls of compiled graphs in the step."""
    graph_breaks: int = 0
    replays_refused: int = 0
    """Graphs that could not be replayed as CUDA graphs although that was asked."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the workload noticed about itself, for example {"cache": "DynamicCache", "micro_batches": 4}."""
    stack: Sequence[Technique] = ()
    """Every technique of the arm; one may explain what another one sees."""


class Verified(NamedTuple):
    """What ran, in one word of ``report.Ran``, and the sentence that shows it."""

    ran: Ran
    detail: str
    simulated: bool = False
    """Whether values were rounded as the technique rounds them, yet computed and kept as without it: quality is the technique's,
    time, memory and energy are not, and nothing is claimed of them."""


class Technique(Declared):
    """One optimisation with its parameters."""

    discriminator: ClassVar[str] = "technique"
    family: ClassVar[Family]
    expected: ClassVar[tuple[Expectation, ...]] = ()
    requires: ClassVar[Requires] = Requires()
    conflicts: ClassVar[frozenset[str]] = frozenset()
    """Words of techniques that cannot stand in the same stack; one side naming the other is enough."""
    on_fake_tensors: ClassVar[bool] = True
    """Whether it acts on tensors without values too; what does not cannot be counted (effort ``exact``)."""
    order: ClassVar[int] = 50
    """Place in a stack; lower acts first (precision 10, attention 20, quantisation 30, training 40, compile 90)."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Import names it needs besides torch; those of ``requires``, unless parameters decide."""
        return self.requires.packages

    def label(self) -> str:
        """A few words for a table cell, for example "precision bf16"."""
        words = (
            name.replace("_", " ") if value is True else str(value)
            for name, value in self.parameters.items()
            if value is not None and value is not False
        )
        return f"{self.word} {', '.join(words)}".strip()

    def clashes(self, other: Technique) -> str | None:
        """Why these parameters cannot stand in one stack with those of another technique; None when they can.

        For conflicts that hang on parameters; those between whole techniques are ``conflicts``.
        """
        return None

    def misfit(self, workload: Workload) -> str | None:
        """Why these parameters cannot be used with this workload's sizes; None when they can."""
        return None

    def unsuited(self, model: Model) -> str | None:
        """Why these parameters cannot be used with this model, beyond its kind; None when they can."""
        return None

    def unseen(self, evaluation: Evaluation) -> str | None:
        """Why this evaluation would not see what the technique loses with these parameters; None when it would."""
        return None

    def refuses(self, device: DeviceFacts) -> str | None:
        """Why this device cannot run the technique, found out inside the measuring process; None when it can."""
        return None

    def environment(self) -> dict[str, str]:
        """Variables the measuring process starts with."""
        return {}

    def load_options(self, options: LoadOptions) -> LoadOptions:
        """How the model is to be built."""
        return options

    def transform(self, model: nn.Module) -> nn.Module:
        """Change the loaded model: quantise, wrap. Its time is ``cold_start.convert``."""
        return model

    def convert(self, declared: Model, model: nn.Module, seed: int) -> nn.Module:
        """Change the loaded model by its own data, as calibration and distillation do; ``transform`` for what needs none."""
        return self.transform(model)

    @property
    def changes_model(self) -> bool:
        """Whether it changes the loaded model."""
        own = type(self)
        return own.transform is not Technique.transform or own.convert is not Technique.convert

    def compile(self, model: nn.Module) -> nn.Module:
        """Hand the finished model to a compiler. Runs after every ``transform``."""
        return model

    def step_context(self, device: DeviceKind) -> AbstractContextManager[Any]:
        """Stands around the forward pass (and, in training, the loss) of every step."""
        return nullcontext()

    def generation_options(self) -> dict[str, Any]:
        """Keyword arguments for transformers' generate."""
        return {}

    def draft(self, model: nn.Module) -> nn.Module | None:
        """A smaller model that proposes tokens while transformers' generate writes; None where nothing is proposed."""
        return None

    def training_options(self) -> dict[str, Any]:
        """What the training loop must do differently: {"micro_batches": 4}, {"scaler": True}, {"clip": 1.0}, {"in_backward": True}."""
        return {}

    def optimizer(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer | None:
        """The optimizer that training takes for these parameters; None leaves it torch's AdamW."""
        return None

    def loss(self, declared: Model, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor | None:
        """The loss of one training batch, computed in the technique's own way; None leaves it to the model."""
        return None

    def product_dtypes(self) -> frozenset[str]:
        """Formats in which the technique has matrix products computed, whatever the weights are stored in."""
        return frozenset()

    def inspect(self, model: nn.Module) -> dict[str, Any]:
        """What the converted model itself shows of the technique; joins ``Evidence.facts``."""
        return {}

    def proof(self, evidence: Evidence) -> Verified:
        """What actually ran. Every technique answers; asked but not run is an error state of the run."""
        raise NotImplementedError(f"{type(self).__name__} has no proof")


def told(counts: Mapping[str, int]) -> str:
    """What was seen how often, as words: "mm: 14, bmm: 4"."""
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "none"
