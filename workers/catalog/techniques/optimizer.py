"""Optimizer: another update rule than AdamW, or AdamW with states in fewer bits; on request inside the backward pass."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from workers.catalog.declared import Reference
from workers.catalog.metrics import LATENCY, MEMORY_PEAK_ALLOCATED
from workers.catalog.model import Unsupported
from workers.catalog.technique import (
    TRAINING,
    DeviceFacts,
    Evidence,
    Expectation,
    Requires,
    Technique,
    Verified,
    told,
)
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.workload import Workload

if TYPE_CHECKING:
    import torch
    from torch import nn

TORCHAO = Reference(
    "torchao, 4-bit Adam, ViT-H on an RTX 4070 Ti SUPER (pull request 478)", "https://github.com/pytorch/ao/pull/478"
)

MOST = 0.9
"""Share of the states that must be in the short format; libraries leave small tensors in fp32."""
MOMENTUM = 0.9
"""Of SGD: the usual value."""


class _Kind(NamedTuple):
    """Where an algorithm comes from, and what its states look like."""

    package: str
    classname: str
    format: str | None = None
    """Format of its states where that is what it is about."""
    bytes: float = 0.0
    """Of states in that format, for each trained parameter."""
    fewer: float | None = None
    """Bytes of states for each trained parameter below which it stays; None where it has one of each element."""


KINDS: dict[str, _Kind] = {
    "sgd": _Kind("torch.optim", "SGD"),
    "adamw": _Kind("torch.optim", "AdamW"),
    "adamw_8bit": _Kind("bitsandbytes.optim", "AdamW8bit", "uint8", 2.0),
    "adamw_paged_8bit": _Kind("bitsandbytes.optim", "PagedAdamW8bit", "uint8 paged", 2.0),
    "adamw_4bit": _Kind("torchao.optim", "AdamW4bit", "uint8", 1.0),
    "adamw_fp8": _Kind("torchao.optim", "AdamWFp8", "float8_e4m3fn", 2.0),
    "adafactor": _Kind("torch.optim", "Adafactor", fewer=1.0),
    "lion": _Kind("bitsandbytes.optim", "Lion"),
}
IMPLEMENTATIONS: dict[str, dict[str, bool]] = {
    "auto": {},
    "plain": {"foreach": False, "fused": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}


class Optimizer(Technique):
    technique: Literal["optimizer"] = "optimizer"
    title = "Optimizer"
    summary = "Another update rule, or AdamW with its moments in fewer bits: training keeps fewer bytes a parameter between steps."
    family = "training"
    order = 42
    requires = Requires(phases=TRAINING, workloads=frozenset({"train_step"}))
    expected = (
        # Against torch's Adam, batch 4, bf16 autocast: 12.98 GB and 608 s become 8.31 GB and 518 s (bitsandbytes, 8 bits), 8.32 GB
        # and 654 s (torchao, 8 bits), 7.72 GB and 557 s (torchao, 4 bits).
        Expectation(MEMORY_PEAK_ALLOCATED, 0.59, 0.65, TORCHAO),
        Expectation(LATENCY, 0.85, 1.08, TORCHAO),
    )

    algorithm: Literal[
        "sgd", "adamw", "adamw_8bit", "adamw_paged_8bit", "adamw_4bit", "adamw_fp8", "adafactor", "lion"
    ] = Field(
        "adamw_8bit",
        description="sgd has momentum 0.9. 8bit is bitsandbytes'; paged moves states to the host's memory where the GPU's is full (GPU "
        "only); 4bit and fp8 are torchao's, which compile their step. adafactor keeps rows and columns of the second moment "
        "alone, lion one moment.",
    )
    implementation: Literal["auto", "plain", "foreach", "fused"] = Field(
        "auto",
        description="Of torch's AdamW: one tensor after the other (plain), all tensors in each operator (foreach), or one kernel for "
        "all of it (fused).",
    )
    in_backward: bool = Field(
        False,
        description="Update each parameter as soon as its gradient is there and free the gradient: they are never all alive.",
    )

    @property
    def packages(self) -> tuple[str, ...]:
        library = KINDS[self.algorithm].package.partition(".")[0]
        return () if library == "torch" else (library,)

    def clashes(self, other: Technique) -> str | None:
        if isinstance(other, TorchCompile) and self._compiles:
            return f"{self.algorithm} compiles its own step, so that graphs of the model could not be told from its."
        if not self.in_backward:
            return None
        if isinstance(other, GradientAccumulation):
            return (
                "In the backward pass a gradient is used and freed before those of other micro-batches are added to it."
            )
        if isinstance(other, Autocast) and other.dtype == "fp16":
            return "A scaler looks at all gradients before it updates; in the backward pass they are never all there."
        if isinstance(other, Autocast) and other.clip is not None:
            return "Clipping needs the norm of all gradients; in the backward pass they are never all there."
        return None

    def misfit(self, workload: Workload) -> str | None:
        if self.implementation != "auto" and self.algorithm != "adamw":
            return f"{self.implementation} is an implementation of torch's AdamW; {self.algorithm} has one alone."
        return None

    def refuses(self, device: DeviceFacts) -> str | None:
        if self.algorithm == "adamw_paged_8bit" and device.kind == "cpu":
            return "Paged states move between a GPU's memory and the host's; on a CPU there is nowhere to move them."
        return TorchCompile().refuses(device) if self._compiles else None

    def training_options(self) -> dict[str, Any]:
        return {"in_backward": True} if self.in_backward else {}

    def optimizer(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        from torch._subclasses.fake_tensor import FakeTensor

        kind, trained = KINDS[self.algorithm], list(parameters)
        if kind.package != "torch.optim" and any(isinstance(each, FakeTensor) for each in trained):
            raise Unsupported(f"The memory of {self.algorithm} can only be measured: its step is no code of torch's.")
        make = getattr(importlib.import_module(kind.package), kind.classname)
        options: dict[str, Any] = IMPLEMENTATIONS[self.implementation] if self.algorithm == "adamw" else {}
        if self.algorithm == "sgd":
            options = {"momentum": MOMENTUM}
        made: torch.optim.Optimizer = make(trained, lr=learning_rate, **options)
        return made

    def proof(self, evidence: Evidence) -> Verified:
        kind, facts = KINDS[self.algorithm], evidence.facts
        ran, trained = facts.get("optimizer"), int(facts.get("trained", 0))
        states: dict[str, int] = dict(facts.get("optimizer_bytes", {}))
        if ran != kind.classname:
            return Verified("fell_back", f"Training took {ran}, not {kind.classname}.")
        detail = f"{ran} with bytes of states by format: {told(states)}, for {trained:,} trained parameters."
        short = states.get(kind.format or "", 0)
        if kind.format and short < MOST * kind.bytes * trained:
            return Verified("fell_back", f"{detail} Most of them are not in {kind.format}.")
        if not states or (kind.fewer is not None and sum(states.values()) >= kind.fewer * trained):
            return Verified("fell_back", f"{detail} That is not what {self.algorithm} keeps.")
        if wrong := self._other_implementation(evidence):
            return Verified("fell_back", f"{detail} {wrong}")
        if self.in_backward:
            left = int(facts.get("gradient_bytes", -1))
            if left:
                return Verified(
                    "fell_back", f"{detail} After the backward pass {max(left, 0):,} bytes of gradients lay there."
                )
            detail += " Each was updated in the backward pass, after which no gradient was left."
        return Verified("as_asked", detail)

    @property
    def _compiles(self) -> bool:
        return KINDS[self.algorithm].package == "torchao.optim"

    def _other_implementation(self, evidence: Evidence) -> str | None:
        """What ran instead of the implementation that was asked for; None when that one did."""
        fused = any(name.startswith("aten::_fused_adamw") for name in evidence.operators)
        foreach = any(name.startswith("aten::_foreach") for name in evidence.operators)
        ran = "fused" if fused else "foreach" if foreach else "plain"
        return None if self.implementation in ("auto", ran) else f"The {ran} implementation ran."
