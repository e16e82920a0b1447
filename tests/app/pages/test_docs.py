"""The page of the API names every call, and its words for values are right."""

import html
import re
from typing import Any

import pytest

from app.pages.docs import METHODS, shape
from tests.app.pages.conftest import House
from tests.app.pages.test_pages import read


def test_every_call_is_there_with_a_command(house: House) -> None:
    paths = house.browser.get("/api/v1/openapi.json").json()["paths"]
    asked = {(method.upper(), path) for path, methods in paths.items() for method in methods if method in METHODS}
    page = read(house, "/docs")
    shown = re.findall(r'<b class="call-method">(\w+)</b> <code>([^<]+)</code>', page)
    assert set(shown) == asked
    assert len(shown) == len(asked)
    commands = html.unescape(page).count("curl 'http://127.0.0.1:8000/api/v1/")
    assert commands >= len(asked)


def test_calls_are_found_by_words(house: House) -> None:
    page = read(house, "/docs?q=cancel+studies")
    assert set(re.findall(r'<b class="call-method">(\w+)</b> <code>([^<]+)</code>', page)) == {
        ("POST", "/api/v1/studies/{study_id}/cancel")
    }
    assert "No call has these words" in read(house, "/docs?q=%3Cimg+src%3Dx%3E")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/StudySpec"}, "StudySpec"),
        ({"type": "integer", "minimum": 1, "maximum": 200}, "integer, 1 to 200"),
        ({"type": "string", "maxLength": 20}, "string, at most 20 characters"),
        ({"anyOf": [{"enum": ["done"]}, {"type": "null"}]}, '"done" or null'),
        ({"type": "array", "items": {"type": "number", "minimum": 0}}, "list of number, at least 0"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "string by name"),
        ({}, "any value"),
    ],
)
def test_shapes_in_words(schema: dict[str, Any], words: str) -> None:
    assert shape(schema) == words
