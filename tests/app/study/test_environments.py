"""Environments of a study: most runs give the measure, and others are told by field."""

from app.study.environments import changes, elsewhere


def test_one_environment_is_nowhere_else() -> None:
    assert elsewhere([("1", "a"), ("2", "a")], {"a": {}}) == ()
    assert elsewhere([], {}) == ()


def test_most_runs_give_the_measure() -> None:
    fields = {"a": {"torch.version": "2.12"}, "b": {"torch.version": "2.13"}, "c": {"torch.version": "2.14"}}
    found = elsewhere([("1", "a"), ("2", "b"), ("3", "b"), ("4", "c")], fields)
    assert [(other.environment, other.number, other.runs, other.against) for other in found] == [
        ("a", 2, ("1",), "b"),
        ("c", 3, ("4",), "b"),
    ]
    assert all(other.matters for other in found)
    assert (found[0].changes[0].before, found[0].changes[0].after) == ("2.13", "2.12")


def test_the_first_counts_where_as_many_ran() -> None:
    found = elsewhere([("1", "a"), ("2", "b")], {"a": {"host.name": "x"}, "b": {"host.name": "y"}})
    assert (found[0].against, found[0].matters) == ("a", False)


def test_changes_carry_their_reason() -> None:
    (change,) = changes({"gpu.name": "H100"}, {"gpu.name": "H200"})
    assert change.matters
    assert change.reason
