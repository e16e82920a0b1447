"""What is left to choose from: counts, spans, limits and what is unlike, against plain counts over the same results."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.results import facets
from app.results.figures import BY_WORD, FIGURES, Part
from app.results.matching import Matched
from app.results.plane import points
from app.results.selection import FACETS, SIZES, Selection, parts
from app.study import budgets
from app.study.budgets import Option
from tests.app.results import invented
from tests.app.results.conftest import Many
from tests.app.results.invented import Invented, refusals


def values(result: Invented, name: str) -> list[str]:
    """What a result counts for among the values of a filter."""
    if name in SIZES:
        size = result.size(name)
        return [] if size is None else [str(size)]
    return result.words(name)


def left(many: Many, selection: Selection, *without: str) -> list[Invented]:
    """Results that are let in when some filters are not looked at."""
    return [each for each in many.results if not refusals(each, selection) - set(without)]


@given(data=st.data())
@settings(deadline=None)
def test_counts_are_of_what_all_other_filters_leave(many: Many, data: st.DataObject) -> None:
    selection = data.draw(invented.selections(many.results))
    found = facets.facets(Matched(many.table, selection))
    assert [(facet.name, facet.title) for facet in found] == [*FACETS.items(), *SIZES.items()]
    for facet in found:
        chosen = [*selection.words.get(facet.name, ()), *map(str, selection.sizes.get(facet.name, ()))]
        counts = Counter(value for each in left(many, selection, facet.name) for value in values(each, facet.name))
        told = [(value, counts[value], value in chosen) for value in {*counts, *chosen}]
        if facet.name in SIZES:
            told.sort(key=lambda one: int(one[0]))
        else:
            told.sort(key=lambda one: (-one[1], one[0]))
        assert [(choice.value, choice.count, choice.chosen) for choice in facet.choices] == told


@pytest.mark.parametrize("name", [*FACETS, "batch_size", "length", "new_tokens", "causal"])
def test_a_filter_takes_nothing_from_its_own_counts(many: Many, name: str) -> None:
    free = Selection(null_tests=True)
    counts = {facet.name: facet.choices for facet in facets.facets(Matched(many.table, free))}
    one = counts[name][0].value
    picked = {"sizes": {name: (int(one),)}} if name in SIZES else {"words": {name: (one,)}}
    again = {f.name: f.choices for f in facets.facets(Matched(many.table, free.model_copy(update=picked)))}
    assert [(c.value, c.count) for c in again[name]] == [(c.value, c.count) for c in counts[name]]
    assert [c.value for c in again[name] if c.chosen] == [one]
    others = [other for other in FACETS if other != name]
    assert any(sum(c.count for c in again[other]) < sum(c.count for c in counts[other]) for other in others)


@given(data=st.data())
@settings(deadline=None)
def test_spans_and_failures_are_of_what_the_filters_leave_whatever_the_limits(many: Many, data: st.DataObject) -> None:
    selection = data.draw(invented.selections(many.results))
    matched = Matched(many.table, selection)
    unlimited = left(many, selection, *(limit.name for limit in selection.limits))
    spans = []
    for figure in FIGURES:
        for part in parts(figure):
            measured = [value for each in unlimited if (value := each.number(figure.word, part)) is not None]
            if measured:
                spans.append((figure.word, part, len(measured), min(measured), max(measured)))
    assert [(one.figure, one.part, one.count, one.low, one.high) for one in facets.ranges(matched)] == spans
    failed = Counter(each.row["outcome"] for each in unlimited if each.row["outcome"] != "ok")
    assert list(facets.failures(matched).items()) == sorted(failed.items(), key=lambda one: (-one[1], one[0]))


@given(data=st.data())
@settings(deadline=None)
def test_limits_cost_what_they_would_cost_on_a_study(many: Many, data: st.DataObject) -> None:
    selection = data.draw(invented.selections(many.results))
    limits = selection.limits
    options = [
        Option(
            each.row["run_id"],
            {one.name: value for one in limits if (value := each.number(one.figure, one.part)) is not None},
        )
        for each in left(many, selection, *(limit.name for limit in limits))
        if each.row["outcome"] == "ok" and each.row["ran"] != "fell_back"
    ]
    weighed = budgets.weigh(
        options,
        [
            budgets.Limit(quantity=one.name, better="lower" if one.bound == "lte" else "higher", value=one.value)
            for one in limits
        ],
    )
    found = facets.budgets(Matched(many.table, selection))
    assert [(one.name, one.figure, one.part, one.bound, one.value) for one in found] == [
        (limit.name, *limit) for limit in limits
    ]
    for one, wanted in zip(found, weighed, strict=True):
        assert one.options == len(options)
        for name in ("removes", "unmeasured", "alone", "next_value", "gains"):
            assert getattr(one, name) == getattr(wanted, name), (one.name, name)


@given(data=st.data())
@settings(deadline=None)
def test_figures_stand_together_where_nothing_that_has_to_be_alike_is_unlike(many: Many, data: st.DataObject) -> None:
    selection = data.draw(invented.selections(many.results))
    matched = Matched(many.table, selection)
    objectives = [(figure.word, selection.part(figure)) for figure in selection.objectives]
    placed = [
        place
        for place, each in enumerate(many.results)
        if not refusals(each, selection) and all(each.number(*one) is not None for one in objectives)
    ]
    assert facets.placed(matched).tolist() == placed
    of_words = ["model", "workload", "hardware", "environment"] if selection.scale == "measured" else []
    if selection.scale == "ratio" or {"kl", "agreement"} & {word for word, _ in objectives}:
        of_words.append("against")
    if {"perplexity", "accuracy", "agreement", "kl"} & {word for word, _ in objectives}:
        of_words.append("evaluation")
    unlike = {name: Counter(many.results[place].row[name] or "" for place in placed) for name in of_words}
    unlike.get("evaluation", Counter()).pop("", None)  # What was not scored was not scored in another way.
    if selection.scale == "measured":
        unlike |= {name: Counter(v for place in placed for v in values(many.results[place], name)) for name in SIZES}
    unlike = {name: counts for name, counts in unlike.items() if len(counts) > 1}
    assert facets.mixed(matched, facets.placed(matched)) == {name: len(counts) for name, counts in unlike.items()}
    told = {facet.name: [(choice.value, choice.count) for choice in facet.choices] for facet in facets.apart(matched)}
    assert told == {name: sorted(n.items(), key=lambda one: (-one[1], one[0])) for name, n in unlike.items()}


@given(data=st.data())
@settings(deadline=None)
def test_along_axes_lies_what_has_two_of_them_whatever_the_plane_is_of(many: Many, data: st.DataObject) -> None:
    selection = data.draw(invented.selections(many.results))
    words = data.draw(st.lists(st.sampled_from(sorted(BY_WORD)), min_size=1, max_size=4, unique=True))
    matched, axes = Matched(many.table, selection), [BY_WORD[word] for word in words]
    parts = {word: selection.part(BY_WORD[word]) for word in words}
    known = {
        place: {word: number for word in words if (number := each.number(word, parts[word])) is not None}
        for place, each in enumerate(many.results)
        if not refusals(each, selection)
    }
    lines = {place: found for place, found in known.items() if len(found) >= 2}
    assert facets.placed(matched, axes).tolist() == list(lines)
    drawn = points(matched, axes=axes)
    assert (drawn.objectives, drawn.standings, drawn.front, drawn.knee) == ([], [], [], None)
    assert drawn.runs == [many.results[place].row["run_id"] for place in lines]
    for word in words:
        column = drawn.columns[f"{word}_ratio" if parts[word] == "ratio" else word]
        assert column == [pytest.approx(found[word], rel=1e-3) if word in found else None for found in lines.values()]
    scored = any(BY_WORD[word].scored for word in words)
    ways = {many.results[place].row["evaluation"] for place in lines} - {None}
    assert drawn.mixed.get("evaluation") == (len(ways) if scored and len(ways) > 1 else None)


@pytest.mark.parametrize(("word", "kind"), [("latency", "pairs"), ("perplexity", "items")])
def test_points_say_what_each_figure_rests_on(many: Many, word: str, kind: Part) -> None:
    other = "memory" if word != "memory" else "latency"
    drawn = points(Matched(many.table, Selection(x=word, y=other)))
    by_run = {each.row["run_id"]: each for each in many.results}
    assert drawn.columns[f"{word}_ratio.{kind}"] == [by_run[run].number(word, kind) for run in drawn.runs]
    assert f"{word}_ratio.{'items' if kind == 'pairs' else 'pairs'}" not in drawn.columns
