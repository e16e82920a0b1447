"""The way to the answer as a tree: at each question the answers there are, why one was taken, and what was asked next."""

from __future__ import annotations

from collections.abc import Sequence

from app.frozen import Frozen
from app.guide.options import Option
from app.guide.rejected import CLASS_WORDS, STAGES, Rejected
from app.guide.situation import TASKS, Situation
from app.planner.memory.fit import Verdict

FITS: dict[Verdict, str] = {"fits": "it surely fits", "tight": "it may or may not fit", "no": "it does not fit"}


class Node(Frozen):
    """One answer to the question above it, and the question that follows."""

    answer: str
    because: str
    taken: bool
    question: str | None = None
    """What is asked next; None at an end."""
    children: tuple[Node, ...] = ()
    """Every answer to that question, exactly one of which was taken."""


def tree(
    situation: Situation,
    before: Option,
    considered: int,
    kept: Sequence[Option],
    ranked: Sequence[Option],
    rejections: Sequence[Rejected],
) -> Node:
    """The whole way, from the task to the pick.

    Args:
        situation: what is asked.
        before: the stack there is now.
        considered: how many stacks were composed.
        kept: those that keep all limits.
        ranked: those of them that are worth showing, the pick first.
        rejections: every technique that is not in the pick.
    """
    last = _choice(kept, ranked, considered)
    techniques = _techniques(rejections, last)
    binding = _binding(before, techniques)
    fitting = _fitting(before, binding)
    return Node(
        answer=f"{TASKS[situation.task].capitalize()}: {situation.model.name} on {situation.device.title}",
        because=f"{situation.phase.capitalize()}, {situation.batch:,} at a time, {situation.devices:,} device{'s' if situation.devices > 1 else ''}.",
        taken=True,
        question="Does what there is now fit?",
        children=fitting,
    )


def _fitting(before: Option, following: tuple[str, tuple[Node, ...]]) -> tuple[Node, ...]:
    question, children = following
    said = (
        before.broken[0].says
        if before.broken and before.broken[0].limit == "budget"
        else "Its upper bound is below what is free."
    )
    return tuple(
        Node(answer=words, because=said, taken=True, question=question, children=children)
        if verdict == before.fits
        else Node(answer=words, because="", taken=False)
        for verdict, words in FITS.items()
    )


def _binding(before: Option, following: tuple[str, tuple[Node, ...]]) -> tuple[str, tuple[Node, ...]]:
    question, children = following
    total = sum(before.shares.values())
    nodes = []
    for word, seconds in before.shares.items():
        said = f"{seconds / total:.0%} of the time goes there."
        if word == before.binds:
            nodes.append(Node(answer=CLASS_WORDS[word], because=said, taken=True, question=question, children=children))
        else:
            nodes.append(Node(answer=CLASS_WORDS[word], because=said, taken=False))
    return "What binds it?", tuple(nodes)


def _techniques(
    rejections: Sequence[Rejected], following: tuple[str, tuple[Node, ...]]
) -> tuple[str, tuple[Node, ...]]:
    question, children = following
    nodes = [
        Node(
            answer=f"{len(group)} left out: {words}",
            because=" ".join(one.because for one in group),
            taken=False,
        )
        for stage, words in STAGES.items()
        if (group := [one for one in rejections if one.stage == stage])
    ]
    stays = Node(
        answer="the rest",
        because="They can run here and change something.",
        taken=True,
        question=question,
        children=children,
    )
    return "Which techniques come into question?", (*nodes, stays)


def _choice(kept: Sequence[Option], ranked: Sequence[Option], considered: int) -> tuple[str, tuple[Node, ...]]:
    question = (
        f"Which of {considered:,} stacks keeps every limit, and which of those is nearest to the best in everything?"
    )
    if not ranked:
        return question, (Node(answer="none", because="Each breaks a limit.", taken=True),)
    beaten = f"{len(ranked):,} of them are shown, which no other beats in everything."
    said = f"{len(kept):,} keep every limit; {beaten}" if kept else f"None surely fits; of those that may, {beaten}"
    nodes = [
        Node(answer=", ".join(one.titles) or "nothing", because=said if place == 0 else "Runner-up.", taken=place == 0)
        for place, one in enumerate(ranked[:2])
    ]
    return question, tuple(nodes)
