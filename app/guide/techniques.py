"""The techniques that can be advised: what each changes, sets, needs and costs. Facts of ``techniques.json``."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict

from app.errors import Invalid
from app.frozen import Frozen
from app.guide.situation import EFFORTS, TASKS, Effort, Situation, Task
from app.knowledge.sources import Source
from app.planner.machines import Machine
from app.planner.roofline import Class
from app.planner.work import Step
from workers.catalog.declared import Problem, closest
from workers.catalog.technique import ANY_DEVICE, DeviceKind, Phase

FILE = Path(__file__).parent / "techniques.json"
Term = Literal[
    "weights", "kv", "activations", "logits", "states", "arithmetic", "traffic", "passes", "launches", "communication"
]  # fmt: skip
"""What a technique changes: parts of memory, operations, bytes moved besides weights and cache, how often a token needs all
weights, calls, and exchange."""
TERM_WORDS: dict[Term, str] = {
    "weights": "bytes of weights", "kv": "bytes of the KV cache", "activations": "activations", "logits": "logits",
    "states": "gradients and optimizer states", "arithmetic": "operations or their rate", "traffic": "bytes moved between kernels",
    "passes": "passes over the weights for each token",
    "launches": "calls and launches", "communication": "exchange between devices",
}  # fmt: skip
TOUCHES: dict[Class, frozenset[Term]] = {
    "compute": frozenset({"arithmetic"}),
    "bandwidth": frozenset({"weights", "kv", "traffic", "activations", "passes"}),
    "overhead": frozenset({"launches", "passes"}),
    "communication": frozenset({"communication"}),
}
"""Which terms speed up a step that is bound so (Williams et al. 2009, Roofline)."""
IN_MEMORY: frozenset[Term] = frozenset({"weights", "kv", "activations", "logits", "states"})


class Requires(Frozen):
    """What a device must have."""

    kinds: frozenset[DeviceKind] = ANY_DEVICE
    capability: tuple[int, int] | None = None
    """Least compute capability, on CUDA devices that have one."""
    below: tuple[int, int] | None = None
    """Compute capability from which on it does not run."""
    computes: str | None = None
    """Format that it must have units for."""
    flags: tuple[str, ...] = ()
    """Instruction sets of which a CPU must have one, as far as they are known."""
    devices: int = 1
    """Least number of devices."""


class Technique(Frozen):
    """One technique, with its parameters fixed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: str
    title: str
    does: str
    group: str
    """Of one group at most one technique stands in a stack."""
    phases: frozenset[Phase]
    tasks: frozenset[Task] | None = None
    models: frozenset[Literal["decoder", "image"]] = frozenset({"decoder", "image"})
    terms: frozenset[Term]
    sets: dict[str, Any]
    """Settings that it fixes; ``@computing`` stands for the computing format."""
    times: dict[str, float] = {}
    requires: Requires = Requires()
    needs: tuple[tuple[str, ...], ...] = ()
    """Of each of these at least one technique must stand beside it."""
    conflicts: frozenset[str] = frozenset()
    effort: Effort
    reversible: bool = True
    quality: Literal["none", "rows", "by_size"]
    """Whether it loses nothing by its construction, or what rows of evidence say, for some less the larger the model is."""
    fallback: str | None = None
    """Word of a technique that does the same better, wherever a device can run that."""
    unasked: str | None = None
    """What torch does unasked that is as good or better, so that it is never advised; None where nothing is."""
    unknown: bool = False
    """Whether no formula says what it does to time."""
    catalogue: tuple[dict[str, Any], ...] | None
    """What measures it here; None where nothing does yet."""
    instead: dict[str, dict[str, Any]] = {}
    """What another technique of the stack has to be when it is measured beside this one."""
    also: tuple[dict[str, Any], ...] = ()
    """What else of the catalogue tells of it where somebody measured that."""
    sources: tuple[Source, ...]

    @property
    def as_torch(self) -> bool:
        """Whether it is what torch does unasked, so that a stack is the same with it and without."""
        usual = Step().model_dump()
        return self.unasked is not None and all(usual.get(name) == value for name, value in self.sets.items())


@cache
def techniques() -> tuple[Technique, ...]:
    """All of them, in the order in which they act."""
    held = json.loads(FILE.read_text(encoding="utf-8"))
    sources = {word: Source.model_validate(source) for word, source in held["sources"].items()}
    return tuple(
        Technique.model_validate(one | {"sources": [sources[word] for word in one["sources"]]})
        for one in held["techniques"]
    )


@cache
def by_word() -> dict[str, Technique]:
    """All of them, by their words."""
    return {one.word: one for one in techniques()}


def chosen(words: Sequence[str]) -> tuple[Technique, ...]:
    """Techniques in the order in which they act.

    Raises:
        Invalid: a word that is not known, or that stands twice; named with the choices.
    """
    problems = []
    for place, word in enumerate(words):
        if word not in by_word():
            near = closest(word, by_word())
            meant = f" Did you mean {near!r}?" if near else ""
            choices = f"One of {', '.join(by_word())}."
            problems.append(
                Problem(f"stack.{place}", "unknown_choice", f"{word[:80]!r} is no technique.{meant}", choices)
            )
        elif word in words[:place]:
            problems.append(
                Problem(f"stack.{place}", "repeated", f"{word!r} stands there twice.", "Name each technique once.")
            )
    if problems:
        raise Invalid.of(problems)
    return tuple(one for one in techniques() if one.word in words)


def misplaced(technique: Technique, situation: Situation) -> str | None:
    """Why it has no place in a task at all; None where it has."""
    if situation.phase not in technique.phases:
        return f"{technique.title} is for {_list(technique.phases)}; to {TASKS[situation.task]} is {situation.phase}."
    if technique.tasks is not None and situation.task not in technique.tasks:
        meant = " or ".join(TASKS[task] for task in sorted(technique.tasks))
        return f"{technique.title} is there to {meant}, not to {TASKS[situation.task]}."
    if situation.model.kind not in technique.models:
        return f"{technique.title} is for {_list(technique.models)} models, and {situation.model.name} is none."
    return None


def unable(technique: Technique, device: Machine, devices: int) -> str | None:
    """Why a device cannot run it; None where it can."""
    needs = technique.requires
    if device.kind not in needs.kinds:
        return f"{technique.title} needs {_list(needs.kinds)}, and {device.title} is {device.kind}."
    if needs.computes is not None and not device.computes(needs.computes):
        at = f" (compute capability {_dotted(device.capability)})" if device.capability else ""
        return f"{device.title}{at} has no units for {needs.computes}; it would be emulated, slower than what it has."
    if device.kind == "cpu" and needs.flags and device.flags and not set(needs.flags) & set(device.flags):
        return (
            f"{technique.title} needs {_list(needs.flags)} on a CPU, and {device.title} has {', '.join(device.flags)}."
        )
    if needs.capability is not None and device.kind == "cuda":
        if device.capability is None:
            return f"{technique.title} needs compute capability {_dotted(needs.capability)}; {device.title} has none that is known."
        if device.capability < needs.capability:
            return (
                f"{technique.title} needs compute capability {_dotted(needs.capability)}; {device.title} has "
                f"{_dotted(device.capability)}."
            )
        if needs.below is not None and device.capability >= needs.below:
            return (
                f"{technique.title} is made for compute capability {_dotted(needs.capability)}; {device.title} has "
                f"{_dotted(device.capability)}."
            )
    if devices < needs.devices:
        return f"{technique.title} needs {needs.devices} devices, and there is one."
    return None


def too_much_effort(technique: Technique, effort: Effort) -> str | None:
    """Why it is more effort than is tolerated; None where it is not."""
    if EFFORTS.index(technique.effort) <= EFFORTS.index(effort):
        return None
    return f"{technique.title} is {technique.effort.replace('_', ' ')} effort, and {effort.replace('_', ' ')} is tolerated."


def clash(stack: Sequence[Technique]) -> str | None:
    """Why techniques cannot stand together; None where they can."""
    seen: dict[str, Technique] = {}
    words = {one.word for one in stack}
    for one in stack:
        if one.group in seen:
            return f"{seen[one.group].title} and {one.title} stand for each other."
        seen[one.group] = one
        for other in stack:
            if other.word in one.conflicts:
                return f"{one.title} and {other.title} do not combine."
        for choice in one.needs:
            if not words & set(choice):
                titles = " or ".join(by_word()[word].title for word in choice)
                return f"{one.title} needs {titles}."
    return None


def _list(words: Sequence[str] | frozenset[str]) -> str:
    return " or ".join(sorted(words))


def _dotted(capability: tuple[int, int] | None) -> str:
    return "none" if capability is None else f"{capability[0]}.{capability[1]}"
