"""YAML as people write it is plain data or refused, with the line."""

import pytest
from pydantic import JsonValue

from workers.catalog import strictyaml
from workers.catalog.strictjson import Malformed, Unfit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, 2.5, -3]\n", {"a": 1, "b": ["x", 2.5, -3]}),
        ("a: {b: null, c: ~, d: }", {"a": {"b": None, "c": None, "d": None}}),
        ("{a: true, b: off, c: yes, d: 12:30, e: 1_000, f: 0x10}", {"a": True, "b": "off", "c": "yes", "d": "12:30", "e": "1_000", "f": "0x10"}),
        ("a: '1'\nb: \"true\"\n", {"a": "1", "b": "true"}),
        ("a: 2026-11-21", {"a": "2026-11-21"}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("1: a", {"1": "a"}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("# nothing", None),
        ('{"json": ["is", "yaml", 1e3]}', {"json": ["is", "yaml", 1000.0]}),
    ],
)  # fmt: skip
def test_plain_data_is_read_as_yaml_1_2_has_it(text: str, value: JsonValue) -> None:
    assert strictyaml.read(text.encode()).value == value


def test_each_field_knows_its_line() -> None:
    lines = strictyaml.read(b"a: 1\n\nb:\n  - c: 2\n    d: [3,\n      4]\n").lines
    assert (lines["a"], lines["b"], lines["b.0.c"], lines["b.0.d"], lines["b.0.d.1"]) == (1, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"a: [1", "is not YAML: expected ',' or ']'"),
        (b"a: 1\n\tb: 2", "(line 2, column 1)"),
        (b"a: 1\n---\nb: 2", "holds more than one document (line 2)."),
        (b"\xff", "is not UTF-8."),
        (b"a: \x07", "control characters"),
        (b'a: "\\UFFFFFFFF"', "character that does not exist"),
        (b"[" * 50_000, "is nested too deeply (line 1)."),
        (b"- " * 40_000, "is nested too deeply (line 1)."),
        (b"a: " + b"x" * 100_000, "has 100,003 bytes; 100,000 are read."),
    ],
)
def test_what_is_no_yaml_says_where(text: bytes, says: str) -> None:
    with pytest.raises(Malformed) as malformed:
        strictyaml.read(text)
    assert says in str(malformed.value)


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("a: 1\nb:\n  c: 2\n  c: 3\n", "b.c", "is given twice. (line 4)"),
        ("a: &x [1]\nb: *x\n", "a", "has an anchor (&x). (line 1)"),
        ("a: 1\nb: *x\n", "b", "repeats what stands elsewhere (*x). (line 2)"),
        ("a: !!python/object/apply:os.system [ls]", "a", "has a tag"),
        ("a: !!str 1", "a", "has a tag"),
        ("? [a, b]\n: 1", "", "has a field whose name is a list or mapping. (line 1)"),
        ("a: .nan", "a", "is not a number that can be measured or stored. (line 1)"),
        ("a: 1\nb: -.inf", "b", "is not a number that can be measured or stored. (line 2)"),
        ("a: 9" + "9" * 6_000, "a", "is outside the whole numbers of 64 bits. (line 1)"),
        ('a: "\\0"', "a", "holds the character NUL. (line 1)"),
        ('a: "\\ud800"', "a", "holds half of a surrogate pair, which is no character. (line 1)"),
    ],
)
def test_what_is_no_plain_data_is_named_by_field_and_line(text: str, field: str, says: str) -> None:
    with pytest.raises(Unfit) as unfit:
        strictyaml.read(text.encode())
    assert unfit.value.problems[0].field == field
    assert says in unfit.value.problems[0].message


def test_a_short_text_cannot_become_a_large_one() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    with pytest.raises(Unfit):
        strictyaml.read(bomb.encode())
