"""Words for a variant's stack: its label, the techniques that set it apart from the baseline, and their family."""

from workers.catalog.applicability import clash
from workers.catalog.spec import Variant


def label(variant: Variant) -> str:
    """The stack in words, for example "precision bf16 + attention flash"."""
    return " + ".join(technique.label() for technique in variant.stack) or "as built"


def apart(variant: Variant, baseline: Variant) -> tuple[str, ...]:
    """Words of the techniques, or of their other parameters, that the baseline does not have; in alphabetical order."""
    return tuple(sorted({technique.word for technique in variant.stack if technique not in baseline.stack}))


def parts(variant: Variant, baseline: Variant) -> tuple[str, ...]:
    """What sets a stack apart from the baseline's, each in words: techniques that it adds, and "without …" for what it lacks.

    What had to give way, because it stands there with other parameters or beside something it clashes with, is no part.
    """
    added = [technique.label() for technique in variant.stack if technique not in baseline.stack]
    left_out = (
        other
        for other in baseline.stack
        if not any(each.word == other.word or clash(each, other) for each in variant.stack)
    )
    return (*added, *(f"without {other.label()}" for other in left_out))


def family(variant: Variant, baseline: Variant) -> str:
    """The family of the techniques that the baseline does not have; "stack" for several families."""
    added = {technique.family for technique in variant.stack if technique not in baseline.stack}
    if not added:
        return "baseline"
    return added.pop() if len(added) == 1 else "stack"
