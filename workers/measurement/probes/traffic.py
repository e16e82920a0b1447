"""Counts the bytes that operators read and write, from the shapes of their tensors: unfused and compulsory traffic.

*Unfused* traffic lets every operator of an eager step read its inputs and write its outputs once, as if nothing stayed in a
cache or a register between operators. *Compulsory* traffic is the least there can be: everything that existed before the
step and is used in it is read once, what is changed of it is written once, and so is the result.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from workers.measurement.probes import memory

FREE = frozenset(
    {"detach", "alias", "_unsafe_view", "lift_fresh", "is_same_size", "record_stream", "_local_scalar_dense"}
)
"""Operators that move no tensor's bytes although their schema does not say that they return a view."""
ALLOCATES = ("empty", "new_empty", "resize_")
GATHERS = frozenset({"embedding", "index", "index_select", "gather", "take", "take_along_dim"})
"""Operators that read of their first tensor only as much as they return."""
SCATTERS = frozenset({"index_copy_", "index_put_", "_index_put_impl_", "scatter_", "slice_scatter"})
"""Operators that write to their first tensor only as much as they are given."""
OVERWRITES = frozenset({"copy_", "fill_", "zero_", "normal_", "uniform_", "random_", "bernoulli_"})
"""Operators that do not read the tensor they change."""


Storage = tuple[int, int]
"""An address, and the how many-th storage there."""


class Moved:
    """Bytes one operator read and wrote, storage by storage."""

    def __init__(
        self,
        read: dict[int, int],
        written: dict[int, int],
        between_devices: int,
        fresh: frozenset[int] = frozenset(),
    ) -> None:
        self.read = read
        self.written = written
        self.between_devices = between_devices
        """Bytes that went from host to device or back."""
        self.fresh = fresh
        """Addresses of storages that this operator made; what was there before is gone."""

    @property
    def bytes(self) -> int:
        """Everything together."""
        return sum(self.read.values()) + sum(self.written.values())


NOTHING = Moved({}, {}, 0)


def moved(func: Any, args: Any, kwargs: Any, answer: Any) -> Moved:
    """What one operator moved, by the shapes of what it was given and returned."""
    name: str = func._overloadpacket.__name__
    if func.is_view or name in FREE or func.namespace == "prim":
        return NOTHING
    if name.startswith(ALLOCATES):
        return Moved({}, {}, 0, _fresh(_tensors(answer), _tensors([args, kwargs])))
    changed = _tensors([args[place] for place in _changed_places(func) if place < len(args)])
    changed += _tensors(kwargs.get("out"))
    given = _tensors([args, {key: value for key, value in kwargs.items() if key != "out"}])
    returned = [tensor for tensor in _tensors(answer) if not any(tensor is each for each in changed)]
    made = changed + returned
    fresh = _fresh(returned, given + changed)
    between = 0
    if name in ("copy_", "_to_copy") and given and made and given[-1].device.type != made[0].device.type:
        between = sum(size for _, size in _pieces(made[0]))
    read: dict[int, int] = {}
    written: dict[int, int] = {}
    if name in GATHERS and given and made:
        fetched = sum(size for _, size in _pieces(made[0]))
        _add(read, ((place, min(size, fetched)) for place, size in _pieces(given[0])))
        given = given[1:]
    elif name in SCATTERS and given:
        put = sum(size for tensor in given[1:] for _, size in _pieces(tensor))
        _add(written, ((place, min(size, put)) for place, size in _pieces(given[0])))
        given, made = given[1:], []
    elif name in OVERWRITES and given:
        given = given[1:]
    for tensor in given:
        _add(read, _pieces(tensor))
    for tensor in made:
        _add(written, _pieces(tensor))
    return Moved(read, written, between, fresh)


class Compulsory:
    """The least traffic of a stretch of work: what was there before and is used, once; what is changed of it; the result."""

    def __init__(self) -> None:
        self._lives: dict[int, int] = {}
        """How many storages an address has been given to meanwhile: memory that is released is soon another tensor's."""
        self._made: set[Storage] = set()
        self._read: dict[Storage, int] = {}
        self._changed: dict[Storage, int] = {}
        self._last: dict[Storage, int] = {}
        self._sizes: dict[Storage, int] = {}

    def take(self, operator: Moved, sizes: Mapping[int, int]) -> None:
        """One more operator.

        Args:
            operator: What it moved.
            sizes: Bytes of every storage it was given, by address.
        """
        for place, size in sizes.items():
            storage = self._at(place)
            self._sizes[storage] = max(size, self._sizes.get(storage, 0))
        for place, size in operator.read.items():
            storage = self._at(place)
            if storage not in self._made:
                self._read[storage] = self._read.get(storage, 0) + size
        for place in operator.fresh:
            self._lives[place] = self._lives.get(place, 0) + 1
            self._made.add(self._at(place))
        for place, size in operator.written.items():
            storage = self._at(place)
            if storage not in self._made:
                self._changed[storage] = self._changed.get(storage, 0) + size
        if operator.written:
            self._last = {self._at(place): size for place, size in operator.written.items()}

    def old(self, operator: Moved) -> int:
        """Bytes one operator reads of what was there before."""
        return sum(size for place, size in operator.read.items() if self._at(place) not in self._made)

    def bytes(self) -> int:
        """Everything together; nothing is counted for more than its size."""
        result = sum(size for storage, size in self._last.items() if storage not in self._changed)
        parts = (*self._read.items(), *self._changed.items())
        return result + sum(min(size, self._sizes.get(storage, size)) for storage, size in parts)

    def _at(self, place: int) -> Storage:
        """The storage that is at an address now."""
        return place, self._lives.get(place, 0)


def sizes(args: Any, kwargs: Any) -> Iterator[tuple[int, int]]:
    """Address and bytes of every storage an operator was given."""
    for tensor in _tensors((args, kwargs)):
        for plain in memory.flattened(tensor):
            if plain.layout is torch.strided:
                storage = plain.untyped_storage()
                yield storage.data_ptr(), storage.nbytes()


@functools.cache
def _changed_places(func: Any) -> tuple[int, ...]:
    """Which positional arguments an operator writes to, by its schema; ``_foreach_add_`` returns nothing and changes a list."""
    arguments = enumerate(func._schema.arguments)
    return tuple(place for place, each in arguments if each.alias_info is not None and each.alias_info.is_write)


def _fresh(returned: list[torch.Tensor], given: list[torch.Tensor]) -> frozenset[int]:
    """Addresses of what an operator returned and was not given."""
    old = {place for tensor in given for place, _ in _pieces(tensor)}
    return frozenset(place for tensor in returned for place, _ in _pieces(tensor)) - old


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _pieces(tensor: torch.Tensor) -> Iterator[tuple[int, int]]:
    """Address and bytes of the plain tensors inside a tensor."""
    for plain in memory.flattened(tensor):
        if plain.layout is torch.strided:
            yield plain.untyped_storage().data_ptr(), _bytes(plain)
        else:  # mkldnn and sparse tensors have no storage to ask for.
            yield id(plain), plain.numel() * plain.element_size()


def _bytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's elements; those that an expanded axis repeats lie in memory once."""
    count = 1
    for length, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= length if stride else min(length, 1)
    return count * tensor.element_size()


def _add(to: dict[int, int], pieces: Iterator[tuple[int, int]]) -> None:
    for place, size in pieces:
        to[place] = to.get(place, 0) + size
