"""What a request takes and has: compressions by weight, known answers by tag."""

import zlib

import brotli
import pytest

from app.negotiation import compressed, encoding, has


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, None),
        ("", None),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0, gzip;q=0.000", None),
        ("*", "br"),
        ("*;q=0.1, br;q=0", "gzip"),
        ("identity", None),
        ("gzip;q=much", None),
        ("xgzip, brotli", None),
    ],
)
def test_encodings_are_chosen_as_offered(accepted: str | None, chosen: str | None) -> None:
    assert encoding(accepted) == chosen


@pytest.mark.parametrize("once", [True, False])
def test_what_is_compressed_comes_out_again(once: bool) -> None:
    body = b"the same words, " * 500
    assert brotli.decompress(compressed(body, "br", once=once)) == body
    assert zlib.decompress(compressed(body, "gzip", once=once), zlib.MAX_WBITS + 16) == body


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", W/"a"', True),
        ("*", True),
        ('"ab"', False),
        ("a", False),
    ],
)
def test_known_answers_are_compared_weakly(known: str | None, expected: bool) -> None:
    assert has(known, 'W/"a"') is expected
