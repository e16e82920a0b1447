"""Counts the memory of a step without any: the real model code runs on fake tensors, which have shapes and no storage.

torch's ``FakeTensorMode`` answers every operator with the shape of its result. A mode above it sees each result come and,
by a weak reference to its storage, go; that is the stream of allocations and releases that ``allocations`` reads of a real
step, and ``anatomy`` tells from it what the bytes are for. torch's own
``torch.distributed._tools.mem_tracker.MemTracker`` follows storages in the same way, and a test holds the two together; it
keeps no order of events, and refuses a second step unless it is told to forget the first.
"""

from __future__ import annotations

import gc
import importlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count as counter
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import nn
from torch._prims_common import is_non_overlapping_and_dense_or_false
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from workers.catalog.metrics import (
    MEMORY_EXACT_ACTIVATIONS,
    MEMORY_EXACT_GRADIENTS,
    MEMORY_EXACT_KV_CACHE,
    MEMORY_EXACT_OPTIMIZER,
    MEMORY_EXACT_OTHER,
    MEMORY_EXACT_PARAMETERS,
    MEMORY_EXACT_PEAK,
    MEMORY_EXACT_TEMPORARY,
    MEMORY_PEAK_ACTIVATIONS,
    MEMORY_PEAK_GRADIENTS,
    MEMORY_PEAK_KV_CACHE,
    MEMORY_PEAK_OPTIMIZER_STATES,
    MEMORY_PEAK_OTHER,
    MEMORY_PEAK_TEMPORARY,
    MEMORY_PEAK_WEIGHTS,
    Metric,
)
from workers.catalog.model import Unsupported
from workers.catalog.spec import RunSpec
from workers.catalog.technique import LoadOptions, Technique
from workers.catalog.workload import Bench, Session, unmarked
from workers.measurement.messages import Reading
from workers.measurement.probes import anatomy, memory, workspaces
from workers.measurement.probes.allocations import Event, Origin
from workers.measurement.probes.anatomy import OWNED, Anatomy, Block, Look, Watch

PLAIN = (torch.Tensor, nn.Parameter, FakeTensor)
"""Tensors that have a storage of their own; what else there is wraps some of these and is let do so first."""
COUNTED: dict[Metric, Metric] = {
    MEMORY_PEAK_WEIGHTS: MEMORY_EXACT_PARAMETERS,
    MEMORY_PEAK_GRADIENTS: MEMORY_EXACT_GRADIENTS,
    MEMORY_PEAK_OPTIMIZER_STATES: MEMORY_EXACT_OPTIMIZER,
    MEMORY_PEAK_ACTIVATIONS: MEMORY_EXACT_ACTIVATIONS,
    MEMORY_PEAK_KV_CACHE: MEMORY_EXACT_KV_CACHE,
    MEMORY_PEAK_TEMPORARY: MEMORY_EXACT_TEMPORARY,
    MEMORY_PEAK_OTHER: MEMORY_EXACT_OTHER,
}
"""What each measured part of a peak is called where it is counted: the two are never pooled."""
REFUSED: tuple[type[Exception], ...] = (
    fake_tensor.DataDependentOutputException,
    fake_tensor.DynamicOutputShapeException,
    fake_tensor.UnsupportedFakeTensorException,
    fake_tensor.UnsupportedOperatorException,
)
"""How fake tensors say that they cannot stand in for real ones."""
PACKED = "find_packed_sequence_indices"
"""Looks into the position ids for several sequences in one row. Of fake ones it cannot know, and a mask would be built that a
real step does without; no workload packs sequences."""
WITHIN = 2**20
"""Bytes by which a count may differ from the allocator's events."""
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
        self._clock = counter(1)
        self._addresses = counter(1)
        self._updating = False

    def __enter__(self) -> Tracker:
        self._hooks = (
            register_optimizer_step_pre_hook(lambda *_: self._update(True)),
            register_optimizer_step_post_hook(lambda *_: self._update(False)),
        )
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
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


Prepare = Callable[[], tuple[nn.Module, Session]]
"""Builds a model, and a session on it."""


def of_step(spec: RunSpec, stack: Sequence[Technique]) -> Anatomy:
    """The memory of a workload's step with one stack, counted on fake tensors.

    Args:
        spec: the run; its device is the one whose kernels the fake tensors are thought on.
        stack: techniques in their order.

    Raises:
        Unsupported: something asks for a tensor's value, or does what fake tensors cannot follow.
    """
    for technique in stack:
        if not technique.on_fake_tensors:
            raise Unsupported(f"{technique.title} needs tensors that have values, so its memory can only be measured.")
    options = LoadOptions(device=spec.device, seed=spec.seed, shapes_only=True)
    for technique in stack:
        options = technique.load_options(options)

    def prepare() -> tuple[nn.Module, Session]:
        model = spec.model.build(options)
        for technique in stack:
            model = technique.transform(model)
        model.train(spec.workload.phase == "training")
        return model, spec.workload.prepare(Bench(model, spec.model, stack, spec.device, spec.seed))

    return count(prepare, spec.device, spec.workload.main_phase)


def count(prepare: Prepare, device: str, whole: str) -> Anatomy:
    """The memory of a session's step, counted on fake tensors.

    A first step makes what later ones find (states of the optimizer); the second is counted.

    Args:
        prepare: builds the model and its session; every tensor it makes is fake.
        device: the one whose kernels the fake tensors are thought on.
        whole: what the whole step is called.

    Raises:
        Unsupported: something asks for a tensor's value, or does what fake tensors cannot follow.
    """
    try:
        with _valueless(), FakeTensorMode(allow_non_fake_inputs=True), Tracker(device) as tracker:
            model, session = prepare()
            watch = Watch(model, session, torch.device(device))
            session.step(unmarked)
            session.between()
            gc.collect()
            _take_stock(tracker, watch)
            begin, tracker.at_most = len(tracker.events), 0
            with session.watched(_marking(tracker, watch, "")):
                _marked(tracker, watch, "")
                session.step(lambda name: _marked(tracker, watch, name))
                _marked(tracker, watch, "")
        found = anatomy.dissect(tracker.events[begin:], watch, whole)
    except REFUSED as error:
        reason = str(error).strip().splitlines()
        raise Unsupported(
            "The memory of this cannot be counted without computing: something asks for what a fake tensor does not have, "
            f"a value ({type(error).__name__}: {reason[0] if reason else 'no reason given'})."
        ) from error
    if tracker.at_most > found.peaks[0].allocated + WITHIN:
        raise Unsupported(
            "Convolutions may hold the most here, and what they take beside their results hangs on the processor (oneDNN "
            "copies tensors into an order that suits it), so it cannot be counted."
        )
    return found


def readings(found: Anatomy) -> list[Reading]:
    """The peak of each phase of a step, and its parts."""
    shown = [part for part in COUNTED if part in anatomy.EVERYWHERE or any(peak.parts[part] for peak in found.peaks)]
    read: list[Reading] = []
    for peak in found.peaks:
        read.append(Reading.of(MEMORY_EXACT_PEAK, peak.phase, peak.allocated))
        read += [Reading.of(COUNTED[part], peak.phase, peak.parts[part]) for part in shown]
    return read


def _take_stock(tracker: Tracker, watch: Watch) -> None:
    """Before the step: everything that is held, whoever owns it."""
    weights = tracker.addresses(memory.weights(watch.model))
    mine = _look(tracker, watch).owned
    for address, size in tracker.held().items():
        owner = next((metric for metric, addresses in mine.items() if address in addresses), None)
        watch.held[address] = Block(size, MEMORY_PEAK_WEIGHTS if address in weights else owner)
    watch.allocated = sum(block.bytes for block in watch.held.values())


def _marking(tracker: Tracker, watch: Watch, name: str) -> Callable[[], None]:
    return lambda: _marked(tracker, watch, name)


def _marked(tracker: Tracker, watch: Watch, name: str) -> None:
    """A part ends, or somebody owns other tensors than before."""
    tracker.mark(name)
    watch.looks.append(_look(tracker, watch))


def _look(tracker: Tracker, watch: Watch) -> Look:
    holdings = watch.session.holdings()
    return Look({OWNED[holding]: tracker.addresses(tensors) for holding, tensors in holdings.items()})


@contextmanager
def _valueless() -> Iterator[None]:
    """transformers leaves weights as they are made, and takes every row for one sequence."""
    with ExitStack() as entered:
        if importlib.util.find_spec("transformers"):
            entered.enter_context(importlib.import_module("transformers.initialization").no_init_weights())
            masks = importlib.import_module("transformers.masking_utils")
            entered.enter_context(mock.patch.object(masks, PACKED, _none))
        yield


def _none(position_ids: torch.Tensor) -> None:
    """No row holds several sequences. A mock would keep what it was called with, and that would be counted."""
