"""What JSON may not hold is refused with the field's name; what it may is read as it stands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.door.strictjson import strict_json
from app.errors import Invalid, MalformedJson

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_what_is_valid_is_read_as_it_stands(value: object, ascii_only: bool) -> None:
    assert strict_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        (b'{"a": {"b": NaN}}', "a.b", "not_finite"),
        (b'{"a": [0, -Infinity]}', "a.1", "not_finite"),
        (b'{"a": 1e999}', "a", "not_finite"),
        (b'{"a": 9223372036854775808}', "a", "number_too_large"),
        (b'{"a": -9223372036854775809}', "a", "number_too_large"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "a", "number_too_large"),
        (b'{"a": {"x": 1, "x": 2}}', "a.x", "duplicate_key"),
        (b'{"a": "\\ud800"}', "a", "invalid_text"),
        (b'{"a": {"\\udfff": 1}}', "a", "invalid_text"),
        (b'{"a": "x\\u0000y"}', "a", "invalid_text"),
        (b"NaN", "", "not_finite"),
    ],
)
def test_the_field_is_named(body: bytes, field: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        strict_json(body)
    assert (refused.value.problems[0].field, refused.value.problems[0].code) == (field, code)
    assert "nan" not in refused.value.detail.lower()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'"\xed\xa0\x80"',
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"\xef\xbb\xbf{}",
        b"{'a': 1}",
    ],
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        strict_json(body)


def test_a_programs_output_may_hold_nul() -> None:
    assert strict_json(b'["\\u0000"]', nul=True) == ["\x00"]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        strict_json(body)
    except (Invalid, MalformedJson):
        return
