"""The text that the reference decoder was trained on and is scored on: three books out of copyright, read as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.catalog.reference import FOLDER as REFERENCE

if TYPE_CHECKING:
    import numpy as np

    from workers.catalog.model import Split

FOLDER = REFERENCE / "corpus"
TITLES = ("alice-in-wonderland", "as-you-like-it", "paradise-lost")
HELD_OUT = 0.1
"""Share of every book, its end, that training never saw."""
TURNS = 12
"""Pieces that the end of every book is held out in."""
VOCABULARY = 256
"""A token is one byte of UTF-8."""


def text(split: Split) -> str:
    """The beginnings of all books one after the other (train), or their ends in turns (test), cut where lines end.

    The ends take turns piece by piece, so that the first few thousand tokens are from every book already.
    """
    train: list[str] = []
    test: list[list[str]] = []
    for title in TITLES:
        book = (FOLDER / f"{title}.txt").read_bytes().decode("ascii")
        beginning, end = _cut(book, int(len(book) * (1 - HELD_OUT)))
        train.append(beginning)
        pieces: list[str] = []
        for left in range(TURNS, 1, -1):
            piece, end = _cut(end, len(end) // left)
            pieces.append(piece)
        test.append([*pieces, end])
    return (
        "\n\n".join(train)
        if split == "train"
        else "\n\n".join(piece for turn in zip(*test, strict=True) for piece in turn)
    )


def _cut(words: str, place: int) -> tuple[str, str]:
    """A text in two, after the line in which the place lies."""
    after = words.index("\n", place) + 1
    return words[:after], words[after:]


def tokens(split: Split) -> np.ndarray:
    """Token ids [T], int64, of the split."""
    return encode(text(split))


def encode(words: str) -> np.ndarray:
    """Token ids [T], int64: the bytes of the text in UTF-8."""
    import numpy as np

    return np.frombuffer(words.encode(), dtype=np.uint8).astype(np.int64)


def decode(ids: np.ndarray) -> str:
    """The text of token ids [T]; bytes that are no UTF-8 become the replacement character."""
    import numpy as np

    return bytes(ids.astype(np.uint8)).decode(errors="replace")
