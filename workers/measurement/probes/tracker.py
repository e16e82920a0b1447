"""Sees storages come and go while operators run, as the allocator would: for fake tensors, which no allocator knows."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import nn
from torch._prims_common import is_non_overlapping_and_dense_or_false
from torch._subclasses.fake_tensor import FakeTensor
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from workers.measurement.probes import memory, workspaces
from workers.measurement.probes.allocations import Event, Origin

PLAIN = (torch.Tensor, nn.Parameter, FakeTensor)
"""Tensors that have a storage of their own; what else there is wraps some of these and is let do so first."""
HOLDERS = 2
"""Of the storage of a tensor that autograd alone holds: the tensor, and the Python object by which it is looked at."""


class _Alive(NamedTuple):
    """A storage that exists."""

    storage: weakref.ref[torch.UntypedStorage]
    bytes: int
    address: int


class Tracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While entered, every storage that appears on the device and disappears is an event."""

    def __init__(self, device: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device
        self.events: list[Event] = []
        self.at_most = 0
        """Bytes that operators of which only a bound is known may have held, at most."""
        self._alive: dict[int, _Alive] = {}
        self._clock = count(1)
        self._addresses = count(1)
        self._updating = False
        self._depth = 0
        """How often it is entered: an operator that is taken apart runs under it again."""

    def __enter__(self) -> Tracker:
        if not self._depth:
            self._hooks = (
                register_optimizer_step_pre_hook(lambda *_: self._update(True)),
                register_optimizer_step_post_hook(lambda *_: self._update(False)),
            )
        self._depth += 1
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._depth -= 1
        for hook in () if self._depth else self._hooks:
            hook.remove()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(kind not in PLAIN for kind in types):
            return NotImplemented
        kwargs = kwargs or {}
        # Without autograd an operator made of others comes whole; what its parts hold would not be seen. Some have a kernel
        # of their own all the same.
        if function.namespace == "aten" and not _has_kernel(function, self.device):
            with self:
                parts = function.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        taken_over = self._origin() == "backward" and _adds_in_place(function, args)
        answer = function(*args, **kwargs)
        if taken_over:
            self._take_over(args[0], answer)
        for each in tree_leaves(answer):
            if isinstance(each, torch.Tensor) and each.device.type == self.device:
                self._see(each)
        name = function._schema.name
        if size := workspaces.of(name, args):
            self._pass(size)
        if size := workspaces.at_most(
            name, [each for each in tree_leaves((args, answer)) if isinstance(each, torch.Tensor)]
        ):
            self.at_most = max(self.at_most, sum(self.held().values()) + size)
        return answer

    def mark(self, name: str) -> None:
        """A part of the step ends here; an empty name ends none."""
        self.events.append(Event(next(self._clock), mark=name))

    def addresses(self, tensors: Iterable[torch.Tensor]) -> frozenset[int]:
        """Those of the storages under some tensors."""
        plain = (each for tensor in tensors for each in memory.flattened(tensor))
        keys = (id(each.untyped_storage()) for each in plain)
        return frozenset(self._alive[key].address for key in keys if key in self._alive)

    def held(self) -> dict[int, int]:
        """Bytes by address of everything there is."""
        return {each.address: each.bytes for each in self._alive.values()}

    def _see(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = id(storage), storage.nbytes()
        known = self._alive.get(key)
        if known is not None and known.storage() is storage:
            if known.bytes == size:
                return
            self._release(key, known.address)  # It has been resized in place.
        if size:
            address = next(self._addresses)
            self._keep(storage, size, address)
            now = next(self._clock)
            self.events.append(Event(now, size, address, None, now, self._origin()))

    def _take_over(self, old: torch.Tensor, new: torch.Tensor) -> None:
        """The sum lies where one of its terms lay."""
        before = self._alive.pop(id(old.untyped_storage()), None)
        if before is not None:
            self._keep(new.untyped_storage(), before.bytes, before.address)

    def _pass(self, size: int) -> None:
        """Something is allocated and released inside one operator."""
        address, now = next(self._addresses), next(self._clock)
        gone = next(self._clock)
        self.events.append(Event(now, size, address, None, gone, self._origin()))
        self.events.append(Event(gone, -size, address))

    def _keep(self, storage: torch.UntypedStorage, size: int, address: int) -> None:
        key = id(storage)
        self._alive[key] = _Alive(weakref.ref(storage, lambda _: self._release(key, address)), size, address)

    def _release(self, key: int, address: int) -> None:
        alive = self._alive.get(key)
        if alive is not None and alive.address == address:
            del self._alive[key]
            self.events.append(Event(next(self._clock), -alive.bytes, address))

    def _origin(self) -> Origin:
        """Inside a node of the backward pass gradients are on only while a block is computed again."""
        if self._updating:
            return "optimizer"
        within = torch._C._current_autograd_node() is not None
        return "backward" if within and not torch.is_grad_enabled() else "forward"

    def _update(self, begins: bool) -> None:
        self._updating = begins


def _has_kernel(function: Any, device: str) -> bool:
    """Whether an operator is computed as a whole on the device."""
    found: bool = torch._C._dispatch_has_kernel_for_dispatch_key(function.name(), device.upper())
    return found


def _adds_in_place(function: Any, arguments: Sequence[Any]) -> bool:
    """Whether autograd adds a second gradient of a tensor to the first in place, where both are real.

    It does when nobody else holds the first (can_accumulate_inplace in torch/csrc/autograd/input_buffer.cpp) and never when
    a mode is looking. What holds it on the way through this one is known.
    """
    if function is not torch.ops.aten.add.Tensor or not all(isinstance(each, torch.Tensor) for each in arguments):
        return False
    old, new = arguments
    return (
        old.shape == new.shape
        and old.dtype == new.dtype
        and is_non_overlapping_and_dense_or_false(old)
        and torch._C._storage_Use_Count(old.untyped_storage()._cdata) <= HOLDERS
    )
