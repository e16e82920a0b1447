"""Which rows a selection means, against what it means of each result in plain Python."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.results.matching import Matched, column
from app.results.selection import FACETS, LIMITS, SIZES, WORDS, Limit, Selection
from tests.app.results import invented
from tests.app.results.conftest import Many
from tests.app.results.invented import TEXTS, refusals

ALL = Selection(null_tests=True)


def let_in(many: Many, selection: Selection) -> int:
    """How many results a selection lets in, of which it means those that it should."""
    found: list[bool] = Matched(many.table, selection).rows.tolist()
    assert found == [not refusals(each, selection) for each in many.results]
    return found.count(True)


@pytest.mark.parametrize("name", WORDS)
def test_a_word_lets_in_what_has_it(many: Many, name: str) -> None:
    choices = invented.words(many.results, name)
    assert len(choices) > 1
    for word in choices:
        assert 0 < let_in(many, ALL.model_copy(update={"words": {name: (word,)}})) < len(many.results)
    either = ALL.model_copy(update={"words": {name: (*choices[:2], "unknown")}})
    assert let_in(many, either) > let_in(many, ALL.model_copy(update={"words": {name: (choices[0],)}}))
    assert let_in(many, ALL.model_copy(update={"words": {name: ("unknown",)}})) == 0


@pytest.mark.parametrize("name", ["batch_size", "length", "new_tokens", "causal"])
def test_a_size_lets_in_what_has_it(many: Many, name: str) -> None:
    assert name in SIZES
    choices = invented.sizes(many.results, name)
    assert len(choices) > 1
    for size in choices:
        assert 0 < let_in(many, ALL.model_copy(update={"sizes": {name: (size,)}})) < len(many.results)
    assert let_in(many, ALL.model_copy(update={"sizes": {name: tuple(choices)}})) < len(many.results)


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_lets_in_what_keeps_it_and_nothing_unmeasured(many: Many, name: str) -> None:
    figure, part, bound = LIMITS[name]
    measured = sorted(value for each in many.results if (value := each.number(figure, part)) is not None)
    assert 0 < len(measured) < len(many.results)
    ends = {"lte": measured[-1], "gte": measured[0]}
    assert let_in(many, ALL.model_copy(update={"limits": (Limit(figure, part, bound, ends[bound]),)})) == len(measured)
    middle = measured[len(measured) // 2]
    kept = let_in(many, ALL.model_copy(update={"limits": (Limit(figure, part, bound, middle),)}))
    beyond = sum(value < middle if bound == "lte" else value > middle for value in measured)
    assert kept == beyond + measured.count(middle)


@pytest.mark.parametrize("text", sorted(filter(None, TEXTS)))
def test_a_text_is_looked_for_in_names_whatever_its_case(many: Many, text: str) -> None:
    kept = let_in(many, ALL.model_copy(update={"text": text}))
    assert (0 < kept < len(many.results)) == (text != "nothing has this name")


def test_of_two_limits_of_one_name_both_hold(many: Many) -> None:
    limits = (Limit("latency", "value", "lte", 2.0), Limit("latency", "value", "lte", 4.0))
    tight = let_in(many, ALL.model_copy(update={"limits": limits[:1]}))
    loose = let_in(many, ALL.model_copy(update={"limits": limits[1:]}))
    for both in (limits, limits[::-1]):
        assert let_in(many, ALL.model_copy(update={"limits": both})) == tight < loose


@given(data=st.data())
@settings(deadline=None)
def test_filters_together_let_in_what_all_of_them_do(many: Many, data: st.DataObject) -> None:
    selection = data.draw(invented.selections(many.results))
    matched = Matched(many.table, selection)
    limits = {limit.name for limit in selection.limits}
    refused = [refusals(each, selection) for each in many.results]
    unlimited = [not names - limits for names in refused]
    ok = [each.row["outcome"] == "ok" for each in many.results]
    asked = [each.row["ran"] != "fell_back" for each in many.results]
    assert matched.rows.tolist() == [not names for names in refused]
    assert matched.unlimited.tolist() == unlimited
    assert matched.failed.tolist() == [kept and not well for kept, well in zip(unlimited, ok, strict=True)]
    assert matched.options.tolist() == [all(each) for each in zip(unlimited, ok, asked, strict=True)]
    for name in {*FACETS, *SIZES, *matched.masks}:
        assert matched.without(name).tolist() == [not names - {name} for names in refused], name


def test_a_column_is_of_values_or_of_ratios(many: Many) -> None:
    for name, part in (("latency", "value"), ("latency_ratio", "ratio"), ("kl", "value")):
        wanted = [each.number(name.removesuffix("_ratio"), part) for each in many.results]
        found = column(many.table, name).tolist()
        assert [None if math.isnan(value) else value for value in found] == wanted
