"""Budgets as an address has them: in base units or per a form's unit, written back as they came, and refused by their name."""

import pytest

from app.study import limits
from app.study.budgets import Limit


def test_budgets_of_an_address() -> None:
    read = limits.read({"max.a": "49.5", "per.a": "1024", "min.b": "0.7", "max.c": "", "x": "7"}.items())
    assert read == (
        Limit(quantity="a", better="lower", value=50688.0),
        Limit(quantity="b", better="higher", value=0.7),
    )
    assert [limits.written(limit) for limit in read] == [("max.a", "50688"), ("min.b", "0.7")]


@pytest.mark.parametrize("text", ["much", "nan", "inf", "1,5", "12 MiB", "8 apples", "1e999", "2e100"])
def test_a_budget_that_is_no_number_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(limits.BadLimit) as refused:
        limits.read([("max.latency", text)])
    assert refused.value.field == "max.latency"


@pytest.mark.parametrize(("text", "value"), [("20 ms", 0.02), ("1.5 min", 90.0), ("2e-3", 0.002), (" 3 s ", 3.0)])
def test_a_budget_may_name_its_unit(text: str, value: float) -> None:
    given = [("max.latency@prefill", text)]
    (limit,) = limits.read(given)
    assert limit.value == pytest.approx(value)
    (per,) = limits.read([*given, ("per.latency@prefill", "0.001")])
    assert per.value == pytest.approx(value if text.strip()[-1].isalpha() else value / 1000)


@pytest.mark.parametrize("per", ["0", "-1", "nan", "1e308", "x"])
def test_a_unit_of_no_size_is_refused(per: str) -> None:
    with pytest.raises(limits.BadLimit) as refused:
        limits.read([("max.a", "1"), ("per.a", per)])
    assert refused.value.field == "per.a"


def test_what_can_be_read_is_kept_beside_what_cannot() -> None:
    found, bad = limits.sifted([("max.a", "much"), ("min.b", "0.7"), ("max.c", "few")])
    assert found == (Limit(quantity="b", better="higher", value=0.7),)
    assert [one.field for one in bad] == ["max.a", "max.c"]
