"""The header of a GGUF file, read strictly: what is cut off, contradicts itself or is not known is refused by name.

Layout: ggml-org/ggml, docs/gguf.md, versions 2 and 3, little-endian.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple, NoReturn

from app.door.limits import HEADER_BYTES
from app.errors import Invalid
from app.planner.models.tensor_types import BY_NUMBER
from workers.catalog.declared import Problem

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_KEYS = 4_096
MOST_TENSORS = 65_536
MOST_DIMENSIONS = 4
LONGEST_NAME = 64
"""Of a tensor, GGML_MAX_NAME."""
LONGEST_KEY = 65_535
USUAL_ALIGNMENT = 32
LARGEST_ALIGNMENT = 2**20
LARGEST = 2**56
"""Bytes of a file, beyond which a header is nonsense."""
STRING, ARRAY = 8, 9
NUMBERS: Mapping[int, str] = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
"""How values are packed, by their type."""
MOST_TEXTS = 2**21
"""Of an array: words of a vocabulary, or pairs that are merged."""
KEPT = 4_096
"""Elements of the longest array that is kept: one for each layer, never a vocabulary."""

Value = int | float | bool | str | tuple[int | float | bool, ...]


class Tensor(NamedTuple):
    """One tensor, its row first: ``[inputs, outputs, copies]``."""

    name: str
    shape: tuple[int, ...]
    type: str
    bytes: int


class Header(NamedTuple):
    """What stands before the tensors."""

    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    header_bytes: int
    """Before the first tensor."""
    file_bytes: int
    """Header and tensors, each of these filled up to the alignment."""


def read_header(held: bytes) -> Header:
    """Read a file's header.

    Args:
        held: the beginning of the file, or all of it; what follows the header is not looked at.

    Raises:
        Invalid: it is no GGUF header, is cut off, or says what cannot be; named with what would do.
    """
    cursor = _Cursor(held)
    tensor_count, key_count = _preamble(cursor)
    metadata = _metadata(cursor, key_count)
    alignment = _alignment(metadata)
    tensors, length = _tensors(cursor, tensor_count, alignment)
    start = _filled(cursor.place, alignment)
    return Header(metadata, tuple(tensors), start, start + length)


def refuse(field: str, code: str, says: str, hint: str) -> NoReturn:
    """Refuse a header.

    Raises:
        Invalid: always, with the field as a part of ``gguf``.
    """
    raise Invalid.of([Problem(f"gguf.{field}" if field else "gguf", code, says, hint)])


class _Cursor:
    """Reads on from where it stands; never past the end."""

    def __init__(self, held: bytes) -> None:
        self.held = memoryview(held)[:HEADER_BYTES]
        self.place = 0

    def take(self, length: int, field: str) -> memoryview:
        """So many bytes."""
        end = self.place + length
        if end > len(self.held):
            says = f"lies beyond byte {len(self.held):,}, where the header is cut off."
            refuse(field, "cut_off", says, f"Send more of the file's beginning, up to {HEADER_BYTES // 2**20} MiB.")
        found = self.held[self.place : end]
        self.place = end
        return found

    def number(self, packed: str, field: str) -> int | float | bool:
        """One number, packed as ``struct`` says it."""
        found: int | float | bool = struct.unpack(packed, self.take(struct.calcsize(packed), field))[0]
        return found

    def count(self, field: str, most: int) -> int:
        """A count or length of at most so many."""
        return self.within(int(self.number("<Q", field)), field, most)

    def within(self, count: int, field: str, most: int) -> int:
        """The count, which is at most so many."""
        if count > most:
            says = f"is {count:,}, more than the {most:,} that are read."
            refuse(field, "too_large", says, "Check that the file is whole.")
        return count

    def skip_texts(self, count: int, field: str) -> None:
        """Go past so many texts, one after the other in a loop of few steps: a vocabulary has hundreds of thousands."""
        place, end, unpack = self.place, len(self.held), struct.Struct("<Q").unpack_from
        for _ in range(count):
            place += 8
            if place <= end:
                place += unpack(self.held, place - 8)[0]
            if place > end:
                break
        self.take(min(place, end + 1) - self.place, field)

    def text(self, field: str, most: int) -> str:
        """A text of at most so many bytes."""
        held = bytes(self.take(self.count(field, most), field))
        try:
            return held.decode()
        except UnicodeDecodeError:
            refuse(field, "not_utf8", "is no UTF-8 text.", "Check that the file is whole.")


def _preamble(cursor: _Cursor) -> tuple[int, int]:
    """How many tensors and keys there are."""
    if bytes(cursor.take(len(MAGIC), "magic")) != MAGIC:
        refuse("magic", "no_gguf", "is not GGUF.", "Send the beginning of a .gguf file.")
    version = int(cursor.number("<I", "version"))
    if version not in VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "big"), "little")
        says = "is big-endian." if swapped in VERSIONS else f"is {version}."
        refuse("version", "unknown_version", says, "Versions 2 and 3, little-endian, are read.")
    return cursor.count("tensor_count", MOST_TENSORS), cursor.count("metadata_kv_count", MOST_KEYS)


def _metadata(cursor: _Cursor, count: int) -> dict[str, Value]:
    """Values by key, without long arrays."""
    found: dict[str, Value] = {}
    for place in range(count):
        key = cursor.text(f"metadata.{place}", LONGEST_KEY)
        if key in found:
            refuse(key, "twice", "stands there twice.", "Each key stands there once.")
        found[key] = _value(cursor, key, int(cursor.number("<I", key)))
    return found


def _value(cursor: _Cursor, key: str, kind: int) -> Value:
    if kind in NUMBERS:
        return cursor.number(NUMBERS[kind], key)
    if kind == STRING:
        return cursor.text(key, HEADER_BYTES)
    if kind == ARRAY:
        return _array(cursor, key)
    refuse(key, "unknown_type", f"has the value type {kind}.", f"Value types are 0 to {max(NUMBERS)}.")


def _array(cursor: _Cursor, key: str) -> tuple[int | float | bool, ...]:
    """Numbers of a short array; of a long one, or one of texts, none."""
    kind = int(cursor.number("<I", key))
    count = cursor.count(key, HEADER_BYTES)
    if kind == STRING:
        cursor.skip_texts(cursor.within(count, key, MOST_TEXTS), key)
        return ()
    if kind not in NUMBERS:
        refuse(key, "unknown_type", f"is an array of the value type {kind}.", "Arrays hold numbers or texts.")
    packed = NUMBERS[kind]
    held = cursor.take(count * struct.calcsize(packed), key)
    return tuple(value for (value,) in struct.iter_unpack(packed, held)) if count <= KEPT else ()


def _alignment(metadata: Mapping[str, Value]) -> int:
    """What every tensor's place is a multiple of."""
    found = metadata.get("general.alignment", USUAL_ALIGNMENT)
    sound = isinstance(found, int) and not isinstance(found, bool) and 0 < found <= LARGEST_ALIGNMENT
    if not sound or not isinstance(found, int) or found & (found - 1):
        refuse("general.alignment", "invalid_number", f"is {found!r}.", f"A power of two up to {LARGEST_ALIGNMENT}.")
    return found


def _tensors(cursor: _Cursor, count: int, alignment: int) -> tuple[list[Tensor], int]:
    """Tensors, and how long all of them are in the file."""
    found: list[Tensor] = []
    names: set[str] = set()
    length = 0
    for place in range(count):
        name = cursor.text(f"tensors.{place}.name", LONGEST_NAME)
        if name in names:
            refuse(f"tensors.{place}.name", "twice", f"{name!r} stands there twice.", "Each tensor stands there once.")
        names.add(name)
        dimensions = int(cursor.number("<I", name))
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            refuse(name, "invalid_number", f"has {dimensions} dimensions.", f"1 to {MOST_DIMENSIONS}.")
        shape = tuple(cursor.count(name, LARGEST) for _ in range(dimensions))
        tensor = _tensor(name, shape, int(cursor.number("<I", name)))
        offset = int(cursor.number("<Q", name))
        if offset != length:
            refuse(
                name,
                "misplaced",
                f"lies at {offset:,} instead of {length:,}.",
                "Tensors follow each other without gaps.",
            )
        length += _filled(tensor.bytes, alignment)
        if length > LARGEST:
            refuse(name, "too_large", f"would end beyond byte {LARGEST:,}.", "Check that the file is whole.")
        found.append(tensor)
    return found, length


def _tensor(name: str, shape: tuple[int, ...], number: int) -> Tensor:
    kind = BY_NUMBER.get(number)
    if kind is None:
        known = ", ".join(f"{each} ({one.word})" for each, one in BY_NUMBER.items())
        refuse(name, "unknown_type", f"has the tensor type {number}.", f"One of {known}.")
    row, rows = shape[0], _product(shape[1:])
    if row < 1 or rows < 1 or not kind.fits(row):
        refuse(
            name,
            "invalid_shape",
            f"has rows of {row:,} elements of {kind.word}.",
            f"Multiples of {kind.elements}, and no empty one.",
        )
    return Tensor(name, shape, kind.word, kind.size(row, rows))


def _product(numbers: Iterable[int]) -> int:
    found = 1
    for number in numbers:
        found *= number
    return found


def _filled(length: int, alignment: int) -> int:
    """Filled up to the next multiple."""
    return -(-length // alignment) * alignment
