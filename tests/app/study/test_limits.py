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


@pytest.mark.parametrize("text", ["much", "nan", "inf", "1,5", "12 MiB"])
def test_a_budget_that_is_no_number_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(limits.BadLimit) as refused:
        limits.read([("max.latency", text)])
    assert refused.value.field == "max.latency"
