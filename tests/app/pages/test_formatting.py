"""Words for values: times, points, strips, nested environments."""

import pytest
from pydantic import JsonValue

from app.pages import formatting


@pytest.mark.parametrize(
    ("passed", "text"), [(3, "just now"), (75, "1 minute ago"), (7_300, "2 hours ago"), (200_000, "2 days ago")]
)
def test_ago(passed: float, text: str) -> None:
    assert formatting.ago(1_000_000.0 - passed, now=1_000_000.0) == text
    assert formatting.ago(formatting.iso(1_000_000.0 - passed), now=1_000_000.0) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (48.2, "48 s"), (200, "3 min 20 s"), (7_260, "2 h 1 min")])
def test_duration(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "place"), [(1, "50.00%"), (0.25, "0.00%"), (4, "100.00%"), (42, "100.00%"), (0.5, "25.00%")]
)
def test_strip_is_logarithmic_and_ends(ratio: float, place: str) -> None:
    assert formatting.strip_place(ratio) == place


def test_flat_names_what_is_nested() -> None:
    fields: dict[str, JsonValue] = {"cpu": {"model": "EPYC", "flags": ["a", "b"]}, "swap": None}
    assert list(formatting.flat(fields)) == [("cpu.model", "EPYC"), ("cpu.flags", "a, b"), ("swap", "–")]


def test_point_in_words() -> None:
    assert formatting.point({"sequence_length": 2048, "batch_size": 1}) == "sequence length 2,048, batch size 1"


def test_query_leaves_out_what_is_not_set() -> None:
    assert formatting.query({"state": None, "cursor": "a b"}) == "cursor=a+b"
