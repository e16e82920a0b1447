"""Cursors come back as they were written, to the list that wrote them alone."""

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import cursor as cursors
from app.errors import Invalid

SHAPE = (cursors.an_id, cursors.a_count, cursors.a_number, cursors.a_key, cursors.a_text)
PLACE = ["01K", 3, 1.5, math.inf, "größer"]


def forged(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(
    st.text("01KABC", min_size=1),
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.floats(-1e12, 1e12),
    st.floats(allow_nan=False),
    st.text(),
)
def test_a_place_comes_back_as_it_was(run: str, count: int, at: float, key: float, text: str) -> None:
    place = [run, count, at, key, text]
    assert cursors.read(cursors.written("runs", place), "runs", SHAPE) == place


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "x",
        "größer",
        "\0",
        "A" * 10_000,
        forged([]),
        forged({"runs": 1}),
        forged(["studies", *PLACE]),
        forged(["runs", *PLACE[:4]]),
        forged(["runs", *PLACE, 1]),
        *(
            forged(["runs", *PLACE[:at], bad, *PLACE[at + 1 :]])
            for at, bad in (
                (0, "a b"),
                (0, ""),
                (0, "\0"),
                (0, 7),
                (1, 2**31),
                (1, True),
                (1, 1.0),
                (2, math.inf),
                (2, math.nan),
                (2, 10**400),
                (3, math.nan),
                (3, 1),
                (4, None),
            )
        ),
        base64.urlsafe_b64encode(b"[" * 5_000).decode(),
    ],
)
def test_what_the_list_did_not_write_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        cursors.read(wrong, "runs", SHAPE)
    (problem,) = refused.value.problems
    assert (problem.field, problem.code) == ("cursor", "unknown_cursor")
