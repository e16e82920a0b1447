"""How much a setting is like a situation, and how much a technique has to do with a stack's time: weights of evidence."""

from math import exp, log

from app.guide import settings as settings_of
from app.guide import work
from app.guide.priors import Setting
from app.guide.settings import applied
from app.guide.situation import PHASES, TASKS, ImageModel, Situation
from app.guide.techniques import Class, chosen

LEAST_INFLUENCE = 0.25
"""Share of a technique's own uncertainty that stays where formulas see nothing of it."""


def influence(whole: float, without: float) -> float:
    """How much a technique has to do with a stack's time, by formula: from a quarter to 1, where it changes a factor of two.

    Args:
        whole: seconds of the stack with it.
        without: seconds of the same stack without it.
    """
    return min(1.0, max(LEAST_INFLUENCE, abs(log(whole / without)) / log(2)))


def similarity(setting: Setting, situation: Situation, *, here: bool = False) -> float:
    """How much a setting is like a situation, from 0 to 1: a product over what makes effects differ.

    Args:
        setting: where the effect was seen.
        situation: what is asked.
        here: whether it was seen on the situation's device.
    """
    found = _task_likeness(setting.task, situation)
    if found == 0:
        return 0.0
    found *= nearness(setting.batch, situation.batch, 16.0, 0.8)
    found *= nearness(setting.sequence, situation.sequence, 64.0, 0.9)
    another = setting.parameters is None and setting.model not in (None, situation.model.name)
    found *= nearness(setting.parameters, situation.model.parameters, 10.0, 0.3 if another else 0.8)
    device = situation.device
    if not here:
        if setting.device == device.name:
            found *= 1.0
        elif setting.generation is not None and setting.generation == device.generation:
            found *= 0.8
        elif setting.kind is not None:
            found *= 0.6 if setting.kind == device.kind else 0.1
        else:
            found *= 0.5
    if setting.regime is not None and not here:
        found *= 1.0 if setting.regime == regime_of(situation) else 0.25
    if isinstance(situation.model, ImageModel) and setting.depthwise is not None:
        found *= 1.0 if setting.depthwise == situation.model.depthwise else 0.15
    return found


def regime_of(situation: Situation) -> Class:
    """What binds the stack of somebody who chose nothing."""
    return work.time(situation, applied(chosen(settings_of.plain(situation)))).binds


def _task_likeness(task: str | None, situation: Situation) -> float:
    if task is None:
        return 0.5
    if task == situation.task:
        return 1.0
    if task == situation.phase:
        return 0.8
    if "classify" in (task, situation.task) and situation.phase == "inference":
        return 0.0
    if task in TASKS and PHASES[task] == situation.phase:
        return 0.7 if situation.phase == "training" else 0.3
    return 0.0


def nearness(one: float | None, other: float, scale: float, unknown: float) -> float:
    """How near two sizes are: 1 where equal, 1/e where they differ by a factor of ``scale``.

    Args:
        one: a size, or None where it is not told.
        other: the size that is asked about.
        scale: factor at which the nearness has fallen to 1/e.
        unknown: what is returned where it is not told.
    """
    return unknown if one is None else exp(-abs(log(one / other)) / log(scale))
