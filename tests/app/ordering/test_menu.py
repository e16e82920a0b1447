"""The order form's menus: what is offered can be ordered, and what does not fit says why."""

from app.ordering.menu import PICKS, STARTS, menu
from workers.catalog.applicability import problems
from workers.catalog.spec import StudySpec, Variant
from workers.catalog.techniques import TECHNIQUES


def test_every_start_is_a_study_without_problems() -> None:
    for start in STARTS:
        assert problems(StudySpec.model_validate({"name": start.question, **start.study})) == []


def test_every_pick_is_a_variant() -> None:
    for pick in PICKS:
        assert Variant.model_validate(pick._asdict()).stack


def test_picks_and_starts_have_their_own_words() -> None:
    assert len({pick.name for pick in PICKS}) == len(PICKS)
    assert len({start.word for start in STARTS}) == len(STARTS)


def test_every_technique_fits_somewhere() -> None:
    fits = menu()["unfit"]
    for technique in TECHNIQUES:
        reasons = [
            by_workload.get(technique.word)
            for by_model in fits.values()
            for by_kind in by_model.values()
            for by_workloads in by_kind.values()
            for by_workload in by_workloads.values()
        ]
        assert None in reasons, technique.word


def test_unfit_says_why() -> None:
    assert "training" in menu()["unfit"]["cpu"]["llama"]["decoder"]["prefill"]["gradient_checkpointing"]


def test_conflicts_are_known_from_both_sides() -> None:
    conflicts = {entry["word"]: set(entry["conflicts"]) for entry in menu()["techniques"]}
    for word, others in conflicts.items():
        assert all(word in conflicts[other] for other in others)
