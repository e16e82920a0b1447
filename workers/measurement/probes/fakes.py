"""Counts the memory of a step without any: the real model code runs on fake tensors, which have shapes and no storage.

torch's ``FakeTensorMode`` answers every operator with the shape of its result. ``tracker`` above it sees each result come and,
by a weak reference to its storage, go; that is the stream of allocations and releases that ``allocations`` reads of a real
step, and ``anatomy`` tells from it what the bytes are for. torch's own
``torch.distributed._tools.mem_tracker.MemTracker`` follows storages in the same way, and a test holds the two together; it
keeps no order of events, and refuses a second step unless it is told to forget the first.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch import nn
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensorMode

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
from workers.measurement.probes import anatomy, memory
from workers.measurement.probes.anatomy import OWNED, Anatomy, Block, Look, Watch
from workers.measurement.probes.tracker import Tracker

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
            model = technique.convert(spec.model, model, spec.seed)
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
    """transformers leaves weights as they are made, and takes every row for one sequence.

    Raises:
        Unsupported: this version of transformers has another way, and what it would do with fake tensors is not known.
    """
    with ExitStack() as entered:
        if importlib.util.find_spec("transformers"):
            try:
                unmade = importlib.import_module("transformers.initialization").no_init_weights()
                masks = importlib.import_module("transformers.masking_utils")
                entered.enter_context(mock.patch.object(masks, PACKED, _none))
            except (ImportError, AttributeError) as error:
                raise Unsupported(
                    f"Effort exact follows the code of transformers 5, which is not here: {error}."
                ) from error
            entered.enter_context(unmade)
        yield


def _none(position_ids: torch.Tensor) -> None:
    """No row holds several sequences. A mock would keep what it was called with, and that would be counted."""
