"""Shipped data from its sources: cleaned, cut, and refused when the source is another one."""

import gzip
import hashlib

import numpy as np
import pytest

from reference_models import sources


def test_a_book_loses_its_typists_words_and_its_line_ends() -> None:
    raw = b"Typed by somebody.\r\n\r\n   CHAPTER I\r\n\r\nOnce upon a time  \r\n\tTHE END\r\n\x1a"
    cut = sources.Book("tale.txt", hashlib.sha256(raw).hexdigest(), "CHAPTER I\n", "THE END")
    assert sources.book(raw, cut) == "CHAPTER I\n\nOnce upon a time\n\tTHE END\n"
    with pytest.raises(ValueError, match=r"tale\.txt"):
        sources.book(raw + b" ", cut)


def test_the_table_becomes_images_and_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(130).reshape(2, 65) % 17
    text = "\n".join(",".join(str(value) for value in row) for row in rows).encode()
    with pytest.raises(ValueError, match=r"digits\.csv"):
        sources.table(gzip.compress(text))
    monkeypatch.setattr(sources, "DIGITS_SHA256", hashlib.sha256(text).hexdigest())
    images, labels = sources.table(gzip.compress(text))
    assert images.shape == (2, 8, 8)
    assert images.dtype == labels.dtype == np.uint8
    assert images[1].flatten().tolist() == rows[1, :-1].tolist()
    assert labels.tolist() == rows[:, -1].tolist()
