"""What a report says of itself: in one word, whether what ran is what was asked."""

import pytest

from workers.catalog.report import Arm, Proof, Ran, ran_as


def proof(ran: Ran, arm: Arm = "variant") -> Proof:
    return Proof(technique="precision", arm=arm, ran=ran, detail="")


@pytest.mark.parametrize(
    ("proofs", "worst"),
    [
        ([], None),
        ([proof("as_asked")], "as_asked"),
        ([proof("as_asked"), proof("emulated")], "emulated"),
        ([proof("emulated"), proof("fell_back"), proof("as_asked")], "fell_back"),
        ([proof("as_asked"), proof("fell_back", "baseline")], "fell_back"),
    ],
)
def test_the_worst_of_both_arms_counts(proofs: list[Proof], worst: Ran | None) -> None:
    assert ran_as(proofs) == worst
    assert ran_as(iter(proofs)) == worst


def test_one_arm_can_be_asked_about() -> None:
    proofs = [proof("as_asked"), proof("fell_back", "baseline")]
    assert ran_as(proofs, "variant") == "as_asked"
    assert ran_as(proofs, "baseline") == "fell_back"
    assert ran_as(proofs[:1], "baseline") is None
