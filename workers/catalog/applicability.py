"""What fits what: everything about a study that can be refused before it is queued, each with field, reason and choices."""

import itertools
from collections.abc import Iterator

from pydantic import ValidationError

from workers.catalog.declared import Problem, closest
from workers.catalog.evaluation import Evaluation
from workers.catalog.evaluations import EVALUATIONS
from workers.catalog.model import Model
from workers.catalog.spec import MAX_RUNS, StudySpec, Variant
from workers.catalog.technique import DeviceKind, Technique
from workers.catalog.techniques import TECHNIQUES
from workers.catalog.validation import explain
from workers.catalog.workload import Workload

MAX_SWEEP_VALUES = 100


def problems(spec: StudySpec) -> list[Problem]:
    """Everything wrong with a study that its single fields do not show; empty when it can be queued."""
    return [*_names(spec), *_workload(spec), *_evaluation(spec), *_sweep(spec), *_stacks(spec), *_exact(spec)]


def unfit(technique: type[Technique], model: Model, workload: Workload, device: DeviceKind) -> str | None:
    """Why the technique cannot be used with this model, workload and kind of device; None when it can."""
    needs = technique.requires
    if workload.phase not in needs.phases:
        return f"{technique.title} is for {_list(needs.phases)}; {workload.word} is {workload.phase}."
    if model.kind not in needs.models:
        return f"{technique.title} is for {_list(needs.models)} models; {model.label} is {_a(model.kind)} model."
    if needs.attention and not model.attends:
        return f"{technique.title} acts on attention layers; {model.title} has none."
    if needs.workloads is not None and workload.word not in needs.workloads:
        return f"{technique.title} acts in {_list(needs.workloads)}; {workload.word} does not use it."
    if device not in needs.devices:
        return f"{technique.title} runs on {_list(needs.devices)}, not on {device}."
    return None


def conflict(first: type[Technique], second: type[Technique]) -> str | None:
    """Why two techniques cannot stand in one stack; None when they can."""
    if first is second:
        return f"{first.title} stands in the stack twice."
    if second in conflicting(first):
        return f"{first.title} and {second.title} do not combine."
    return None


def conflicting(technique: type[Technique]) -> list[type[Technique]]:
    """Techniques that cannot stand in one stack with it, in the order of the menu.

    One of the two says so, or both say in which format linear layers keep their weights.
    """
    return [
        other
        for other in TECHNIQUES
        if other is not technique
        and (
            other.word in technique.conflicts
            or technique.word in other.conflicts
            or technique.family == other.family == "quantization"
        )
    ]


def clash(first: Technique, second: Technique) -> str | None:
    """Why two techniques with these parameters cannot stand in one stack; None when they can."""
    return conflict(type(first), type(second)) or first.clashes(second) or second.clashes(first)


def _workload(spec: StudySpec) -> Iterator[Problem]:
    if spec.model.kind not in spec.workload.models:
        from workers.catalog.workloads import WORKLOADS

        fitting = [workload.word for workload in WORKLOADS if spec.model.kind in workload.models]
        yield Problem(
            "workload",
            "workload_does_not_fit",
            f"{spec.workload.title} is for {_list(spec.workload.models)} models; {spec.model.label} is {_a(spec.model.kind)} model.",
            f"Workloads for this model: {', '.join(fitting)}.",
        )
    elif reason := spec.workload.misfit(spec.model):
        yield Problem("workload", "workload_does_not_fit", reason, "Choose another model or workload.")


def misjudged(evaluation: Evaluation, model: Model, workload: Workload) -> str | None:
    """Why the quality of this model under this workload cannot be scored so; None when it can."""
    if not workload.logits:
        return f"{workload.title} does not run the whole model, so there are no outputs to score."
    if model.kind not in evaluation.kinds:
        return f"{evaluation.title} is for {_list(evaluation.kinds)} models; {model.label} is {_a(model.kind)} model."
    return evaluation.misfit(model, workload)


def _evaluation(spec: StudySpec) -> Iterator[Problem]:
    if spec.evaluation is None:
        return
    if reason := misjudged(spec.evaluation, spec.model, spec.workload):
        fitting = [each.word for each in EVALUATIONS if not misjudged(each(), spec.model, spec.workload)]
        yield Problem(
            "evaluation",
            "evaluation_does_not_fit",
            reason,
            f"Evaluations that fit: {', '.join(fitting)}."
            if fitting
            else "Leave the evaluation out, or choose another workload.",
        )


def _sweep(spec: StudySpec) -> Iterator[Problem]:
    allowed = spec.workload.sweepable
    for name, values in spec.sweep.items():
        field = f"sweep.{name}"
        if name not in allowed:
            near = closest(name, allowed)
            yield Problem(
                field,
                "unknown_sweep_field",
                f"{spec.workload.word} cannot be swept over {name!r}." + (f" Did you mean {near!r}?" if near else ""),
                f"Fields that can be swept: {', '.join(allowed) or 'none'}.",
            )
        elif not 1 <= len(values) <= MAX_SWEEP_VALUES:
            yield Problem(
                field, "sweep_size", f"has {len(values)} values.", f"Give 1 to {MAX_SWEEP_VALUES} values for one field."
            )
        elif len(set(values)) < len(values):
            yield Problem(field, "sweep_repeats", "names a value twice.", "Give each value once.")
        else:
            yield from _sweep_values(spec.workload, name, values)
    if spec.size > MAX_RUNS:
        yield Problem(
            "sweep",
            "too_many_runs",
            f"The study would have {spec.size:,} runs.",
            f"A study has at most {MAX_RUNS} runs (points times variants, the baseline's null test included).",
        )


def _exact(spec: StudySpec) -> Iterator[Problem]:
    """What can only be measured, where a study asks to count."""
    if spec.effort != "exact":
        return
    if spec.device != "cpu":
        yield Problem(
            "device", "exact_needs_cpu", "Effort exact counts on tensors that have no memory; no GPU takes part.",
            "Give device cpu: any CPU worker counts any size. Another effort measures on the GPU.",
        )  # fmt: skip
    if spec.evaluation is not None:
        yield Problem(
            "evaluation", "exact_computes_nothing", "Effort exact computes nothing, so there are no outputs to score.",
            "Leave the evaluation out, or take another effort.",
        )  # fmt: skip
    if spec.profile:
        yield Problem(
            "profile", "exact_computes_nothing", "Effort exact computes nothing, so there is no step to profile.",
            "Leave the profile out, or take another effort.",
        )  # fmt: skip
    if not spec.workload.on_fake_tensors:
        from workers.catalog.workloads import WORKLOADS

        fitting = [each.word for each in WORKLOADS if each.on_fake_tensors and spec.model.kind in each.models]
        yield Problem(
            "workload", "cannot_be_counted", f"{spec.workload.title} decides by values, and effort exact has none.",
            f"Workloads that can be counted: {', '.join(fitting)}. Or take another effort.",
        )  # fmt: skip
    for field, variant in (
        ("baseline", spec.baseline),
        *((f"variants.{i}", each) for i, each in enumerate(spec.variants)),
    ):
        for index, technique in enumerate(variant.stack):
            if not technique.on_fake_tensors:
                fitting = [each.word for each in TECHNIQUES if each.on_fake_tensors]
                yield Problem(
                    f"{field}.stack.{index}", "cannot_be_counted",
                    f"{technique.title} needs tensors that have values, and effort exact has none.",
                    f"Techniques that can be counted: {', '.join(fitting)}. Or take another effort.",
                )  # fmt: skip


def _names(spec: StudySpec) -> Iterator[Problem]:
    seen = {spec.baseline.name}
    for index, variant in enumerate(spec.variants):
        if variant.name in seen:
            message = f"{variant.name!r} names another variant already."
            yield Problem(f"variants.{index}.name", "duplicate_name", message, "Give each variant its own name.")
        seen.add(variant.name)


def _sweep_values(workload: Workload, name: str, values: tuple[int, ...]) -> Iterator[Problem]:
    for index, value in enumerate(values):
        try:
            type(workload).model_validate(workload.model_dump() | {name: value})
        except ValidationError as error:
            wrong = explain(error.errors(), {name: value}, type(workload))[0]
            yield wrong._replace(field=f"sweep.{name}.{index}")


def _stacks(spec: StudySpec) -> Iterator[Problem]:
    yield from _stack("baseline", spec.baseline, spec)
    for index, variant in enumerate(spec.variants):
        yield from _stack(f"variants.{index}", variant, spec)


def _stack(field: str, variant: Variant, spec: StudySpec) -> Iterator[Problem]:
    for index, technique in enumerate(variant.stack):
        reason = unfit(type(technique), spec.model, spec.workload, spec.device)
        if reason:
            fitting = [t.word for t in TECHNIQUES if not unfit(t, spec.model, spec.workload, spec.device)]
            yield Problem(
                f"{field}.stack.{index}",
                "technique_does_not_fit",
                reason,
                f"Techniques that fit: {', '.join(fitting)}.",
            )
        elif reason := technique.unsuited(spec.model):
            yield Problem(
                f"{field}.stack.{index}",
                "technique_does_not_fit",
                reason,
                "Change the technique's parameters, or choose another model.",
            )
        else:
            yield from _sizes(f"{field}.stack.{index}", technique, spec)
            yield from _unseen(f"{field}.stack.{index}", technique, spec)
    for (i, first), (j, second) in itertools.combinations(enumerate(variant.stack), 2):
        reason = clash(first, second)
        if reason:
            yield Problem(
                f"{field}.stack.{j}",
                "techniques_conflict",
                f"In {variant.name!r}: {reason}",
                f"Remove {second.word} (position {j}) or {first.word} (position {i}); measure them as two variants.",
            )


def _sizes(field: str, technique: Technique, spec: StudySpec) -> Iterator[Problem]:
    """At most one problem: the first point of the sweep whose sizes the technique's parameters do not fit."""
    for point in itertools.islice(spec.points(), MAX_RUNS):
        try:
            workload = type(spec.workload).model_validate(spec.workload.model_dump() | point)
        except ValidationError:
            continue  # Reported as a problem of the sweep.
        if reason := technique.misfit(workload):
            yield Problem(field, "technique_does_not_fit", reason, "Change the technique's or the workload's sizes.")
            return


def _unseen(field: str, technique: Technique, spec: StudySpec) -> Iterator[Problem]:
    if spec.evaluation and (reason := technique.unseen(spec.evaluation)):
        seeing = [
            each.word
            for each in EVALUATIONS
            if not technique.unseen(each()) and not misjudged(each(), spec.model, spec.workload)
        ]
        hint = f"Evaluations that see it: {', '.join(seeing)}." if seeing else "Leave the evaluation out."
        yield Problem(field, "evaluation_blind", reason, hint)


def _a(kind: str) -> str:
    """The word with its article."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _list(words: frozenset[str] | frozenset[DeviceKind]) -> str:
    return ", ".join(sorted(words))
