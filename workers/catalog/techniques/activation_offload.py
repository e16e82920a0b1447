"""Activation offload: what the backward pass will need waits in the host's memory instead of the GPU's."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal

from pydantic import Field

from workers.catalog.technique import TRAINING, DeviceKind, Evidence, Requires, Technique, Verified, told

OUT, BACK = "Memcpy DtoH", "Memcpy HtoD"
"""How torch's profiler names copies from the GPU to the host, and back."""


class ActivationOffload(Technique):
    technique: Literal["activation_offload"] = "activation_offload"
    title = "Activation offload"
    summary = "Moves large activations to the host's memory until the backward pass needs them: less GPU memory, and time for the copies."
    family = "training"
    order = 41
    requires = Requires(phases=TRAINING, devices=frozenset({"cuda"}), workloads=frozenset({"train_step"}))

    least_kib: int = Field(
        1_024, ge=1, le=1_048_576, description="Size in KiB from which on an activation is moved; smaller ones stay."
    )
    pinned: bool = Field(
        True, description="Keep them in page-locked memory, to and from which copies run at full speed."
    )

    def step_context(self, device: DeviceKind) -> AbstractContextManager[Any]:
        return moved(device, self.least_kib * 1_024, pinned=self.pinned)

    def proof(self, evidence: Evidence) -> Verified:
        copies = {name: calls for name, calls in evidence.kernels.items() if name.startswith((OUT, BACK))}
        out, back = (
            sum(calls for name, calls in copies.items() if name.startswith(direction) and self._kind in name)
            for direction in (OUT, BACK)
        )
        if not out or not back:
            return Verified(
                "fell_back",
                f"No activation was moved to {self._kind.lower()} memory and back; copies in one step: {told(copies)}.",
            )
        return Verified(
            "as_asked", f"{out:,} activations were moved to {self._kind.lower()} memory, {back:,} came back."
        )

    @property
    def _kind(self) -> str:
        return "Pinned" if self.pinned else "Pageable"


def moved(device: DeviceKind, least: int, *, pinned: bool) -> AbstractContextManager[Any]:
    """While entered, tensors that autograd keeps go to the host; as torch's ``save_on_cpu``, which moves weights and small ones too.

    Args:
        device: where tensors are moved from.
        least: bytes from which on one is moved.
        pinned: whether they wait in page-locked memory.
    """
    import torch
    from torch import nn

    def pack(tensor: torch.Tensor) -> Any:
        owner = tensor if tensor._base is None else tensor._base
        if tensor.device.type != device or tensor.nbytes < least or isinstance(owner, nn.Parameter):
            return tensor
        waiting = torch.empty(tensor.size(), dtype=tensor.dtype, pin_memory=pinned)
        return tensor.device, waiting.copy_(tensor, non_blocking=pinned)

    def unpack(packed: Any) -> torch.Tensor:
        if isinstance(packed, torch.Tensor):
            return packed
        home, waiting = packed
        back: torch.Tensor = waiting.to(home, non_blocking=pinned)
        return back

    return torch.autograd.graph.saved_tensors_hooks(pack, unpack)
