"""The decoder's text: small, whole, split once and for all, and readable back from its tokens."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from workers.catalog.model import Split
from workers.catalog.reference import corpus

SHA256: dict[Split, str] = {
    "train": "ab6ef791c8b95dd08007fe8db7498be32b01f8755c3a6801b5ec717d224da078",
    "test": "315c20221f586aa0ea87e8ba6162b6e1f6701f6c8a5b16711be79199f4abccdb",
}


def test_the_split_is_fixed() -> None:
    assert {split: hashlib.sha256(corpus.text(split).encode()).hexdigest() for split in SHA256} == SHA256


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def test_every_line_is_in_one_split() -> None:
    books = [lines((corpus.FOLDER / f"{title}.txt").read_text()) for title in corpus.TITLES]
    train, test = lines(corpus.text("train")), lines(corpus.text("test"))
    assert Counter(train) + Counter(test) == Counter(line for book in books for line in book)
    for book in books:
        at = next(place for place in range(len(train)) if train[place : place + 20] == book[:20])
        size = next(
            count for count in range(len(book)) if train[at + count : at + count + 5] != book[count : count + 5]
        )
        assert size / len(book) == pytest.approx(1 - corpus.HELD_OUT, abs=0.03), "its beginning, in order"


def test_the_first_tokens_of_the_held_out_text_are_from_every_book() -> None:
    start = corpus.text("test")[:8_192]
    for title in corpus.TITLES:
        known = {line for line in lines((corpus.FOLDER / f"{title}.txt").read_text()) if len(line) > 20}
        assert sum(line in known for line in lines(start)) > 10


def test_a_tenth_is_held_out() -> None:
    held_out = len(corpus.tokens("test")) / (len(corpus.tokens("train")) + len(corpus.tokens("test")))
    assert abs(held_out - corpus.HELD_OUT) < 0.005


def test_every_book_listed_is_there_and_no_other() -> None:
    assert {path.stem for path in corpus.FOLDER.iterdir()} == set(corpus.TITLES)


def test_the_corpus_is_at_most_a_megabyte() -> None:
    assert sum(path.stat().st_size for path in corpus.FOLDER.iterdir()) <= 1_000_000


def test_tokens_are_bytes_and_come_back_as_text() -> None:
    ids = corpus.encode("Ça ira, “Alice”.")
    assert ids.dtype == np.int64
    assert ids.max() < corpus.VOCABULARY
    assert corpus.decode(ids) == "Ça ira, “Alice”."
    assert corpus.decode(corpus.tokens("test")) == corpus.text("test")
    assert corpus.decode(np.array([0xC3])) == "\ufffd", "half a letter is shown as such"
