"""How far a study is, from the states of its runs and what they said last."""

import pytest
from pydantic import JsonValue

from app.study.progress import done


def test_runs_that_have_ended_count_whole_and_others_by_what_they_said() -> None:
    going: tuple[str, JsonValue] = ("running", {"phase": "measure", "fraction": 0.5})
    assert done([("done", None), ("cancelled", {"fraction": 0.2}), going, ("queued", None)]) == pytest.approx(2.5 / 4)


@pytest.mark.parametrize("said", [None, {}, {"fraction": None}, {"fraction": "half"}, ["fraction"], "half"])
def test_what_says_no_share_counts_as_nothing(said: JsonValue) -> None:
    assert done([("running", said), ("done", None)]) == 0.5


def test_a_study_without_runs_is_not_done() -> None:
    assert done([]) == 0.0
