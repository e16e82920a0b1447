"""The study that takes one stack of another study apart, so that it shows which of its techniques brings what."""

from typing import Any

from app.ordering.presets import NotOffered, Stack, cut_name, named_variants, on_top, short
from workers.catalog.applicability import clash, problems
from workers.catalog.spec import StudySpec, Variant
from workers.catalog.technique import Technique


def ablation(spec: StudySpec, variant: Variant) -> dict[str, Any]:
    """The study that takes a stack apart: the whole of it, without each of its techniques, and each of them alone.

    Args:
        spec: the study that the stack stands in; baseline, sweep and everything else stay.
        variant: the stack.

    Raises:
        NotOffered: fewer than two of its techniques differ from the baseline, or the study would be too large.
    """
    base: Stack = tuple(spec.baseline.stack)
    whole: Stack = tuple(variant.stack)
    changed = [technique for technique in whole if technique not in base]
    if len(changed) < 2:
        few = "one technique" if changed else "no technique"
        raise NotOffered(f"{variant.name!r} differs from the baseline by {few}; an ablation takes two or more.")
    wanted: list[tuple[str, Stack]] = [(variant.name, whole)]
    wanted += [(f"without {short(technique)}", _without(technique, whole, base)) for technique in changed]
    wanted += [(f"{short(technique)} alone", on_top(base, (technique,))) for technique in changed]
    study = spec.model_dump(mode="json") | {
        "name": cut_name(f"Ablation of {variant.name}"),
        "variants": named_variants(wanted, spec.baseline.name, base),
    }
    if found := problems(StudySpec.model_validate(study)):
        raise NotOffered(f"{found[0].message} {found[0].hint}".strip())
    return study


def _without(technique: Technique, whole: Stack, base: Stack) -> Stack:
    """The stack without one technique; what the baseline has in its place comes back."""
    rest = tuple(each for each in whole if each != technique)
    back = (
        each
        for each in base
        if each not in whole and clash(each, technique) and not any(clash(each, other) for other in rest)
    )
    return (*back, *rest)
