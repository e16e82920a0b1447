"""Makes the shipped data from its sources: three books of Google's snappy, and the digits of scikit-learn.

``python -m reference_models.sources SNAPPY SCIKIT_LEARN`` takes ``snappy_1.1.9.orig.tar.gz`` (``apt-get source snappy``)
and any wheel of scikit-learn from 0.23 on (``pip download --no-deps scikit-learn``).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from workers.catalog.reference import corpus, digits

DIGITS_MEMBER = "sklearn/datasets/data/digits.csv.gz"
DIGITS_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
"""Of the table, unpacked."""


class Book(NamedTuple):
    """One file of snappy's test data, and where the book begins and ends in it."""

    member: str
    sha256: str
    opening: str
    """The book begins with this; what stands before was added by those who typed it."""
    closing: str
    """The book ends with this."""


BOOKS: dict[str, Book] = {
    "alice-in-wonderland": Book(
        "alice29.txt",
        "7467306ee0feed4971260f3c87421154a05be571d944e9cb021a5713700c38f0",
        "CHAPTER I\n",
        "THE END",
    ),
    "as-you-like-it": Book(
        "asyoulik.txt",
        "eaa3526fe53859f34ecdf255712f9ecf0b2c903451d4755b2edaa2e2599cb0fc",
        "AS YOU LIKE IT\n",
        "[Exeunt]",
    ),
    "paradise-lost": Book(
        "plrabn12.txt",
        "07e2e0b461af78c7c647cb53dab39de560198e16f799b4516eccf0fbd69f764c",
        "Book I\n",
        "solitary way.",
    ),
}


def book(raw: bytes, cut: Book) -> str:
    """The text of a book: ASCII, one newline at the end of a line, no spaces before it, no word of its typists.

    Raises:
        ValueError: the file is another one than the one described.
    """
    if hashlib.sha256(raw).hexdigest() != cut.sha256:
        raise ValueError(f"{cut.member} is not the file that was shipped with snappy 1.1.9")
    text = "\n".join(line.rstrip() for line in raw.decode("ascii").replace("\r\n", "\n").split("\n"))
    start = text.index(cut.opening)
    stop = text.rindex(cut.closing) + len(cut.closing)
    return text[start:stop] + "\n"


def table(raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 8, 8] and labels [N], both uint8, of the packed table.

    Raises:
        ValueError: the table is another one than the one described.
    """
    text = gzip.decompress(raw)
    if hashlib.sha256(text).hexdigest() != DIGITS_SHA256:
        raise ValueError(f"{DIGITS_MEMBER} is not the table that scikit-learn ships")
    rows = np.loadtxt(io.BytesIO(text), delimiter=",").astype(np.uint8)
    return rows[:, :-1].reshape(-1, digits.SIDE, digits.SIDE), rows[:, -1]


def main(snappy: Path, scikit_learn: Path) -> None:
    """Write the corpus and the digits anew."""
    corpus.FOLDER.mkdir(exist_ok=True)
    with tarfile.open(snappy) as archive:
        for title, cut in BOOKS.items():
            member = archive.extractfile(f"snappy-1.1.9/testdata/{cut.member}")
            if member is None:
                raise ValueError(f"{snappy.name} holds no {cut.member}")
            (corpus.FOLDER / f"{title}.txt").write_bytes(book(member.read(), cut).encode("ascii"))
    with zipfile.ZipFile(scikit_learn) as wheel:
        images, labels = table(wheel.read(DIGITS_MEMBER))
    np.savez_compressed(digits.FILE, images=images, labels=labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
