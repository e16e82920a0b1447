"""How much a setting is like a situation, and how much a technique has to do with a stack's time: weights of evidence."""

from math import exp, log

from app.guide import work
from app.guide.priors import Metric, Setting
from app.guide.settings import of_words, plain
from app.guide.situation import PHASES, TASKS, ImageModel, Situation
from app.planner.roofline import Class

LEAST_INFLUENCE = 0.25
"""Share of a technique's own uncertainty that stays where formulas see nothing of it; a judgement."""
OF_BATCH, OF_SEQUENCE, OF_SIZE = 16.0, 64.0, 10.0
"""Factors of batch, length and parameters over which an effect says a third (1/e) of what it said; judgements: a batch decides more
than a length whether arithmetic or bandwidth binds, and a model's size decides with it."""
NO_BATCH, NO_SEQUENCE, NO_SIZE = 0.8, 0.9, 0.8
"""What counts of an effect whose batch, length or size nobody told; judgements: near enough to a usual one."""
ANOTHER_MODEL = 0.3
"""What counts of an effect in another model whose size is not told; a judgement."""
SAME_GENERATION, SAME_KIND, NO_DEVICE = 0.8, 0.6, 0.5
"""What counts of an effect on another device of the generation, on another of whatever generation, and where nothing is told of it;
judgements: what a device does fast is mostly its generation's. What a GPU does says nothing of a CPU's time; of memory it does."""
OTHER_REGIME = 0.25
"""What counts of an effect that was seen where something else binds; a judgement: it mostly touched something else."""
OTHER_CONVOLUTIONS = 0.15
"""What counts of an effect in a network with depthwise convolutions for one without, and the other way round; a judgement: they have
no products to speed up."""
SAME_PHASE, NO_TASK, OTHER_TRAINING, OTHER_INFERENCE = 0.8, 0.5, 0.7, 0.3
"""What counts of an effect of which only the phase is told, of which no task is told, of training from scratch for fine-tuning and
the other way round, and of prompts for tokens and the other way round; judgements: both kinds of training do the same work, and
prompts bind arithmetic where tokens bind bandwidth."""


def influence(whole: float, without: float) -> float:
    """How much a technique has to do with a stack's time, by formula: from a quarter to 1, where it changes a factor of two.

    Args:
        whole: seconds of the stack with it.
        without: seconds of the same stack without it.
    """
    return min(1.0, max(LEAST_INFLUENCE, abs(log(whole / without)) / log(2)))


def similarity(setting: Setting, situation: Situation, metric: Metric, *, here: bool = False) -> float:
    """How much a setting is like a situation, from 0 to 1: a product over what makes effects differ.

    Args:
        setting: where the effect was seen.
        situation: what is asked.
        metric: what the effect is of.
        here: whether it was seen on the situation's device.
    """
    found = _task_likeness(setting.task, situation)
    if found == 0:
        return 0.0
    found *= nearness(setting.batch, situation.batch, OF_BATCH, NO_BATCH)
    found *= nearness(setting.sequence, situation.sequence, OF_SEQUENCE, NO_SEQUENCE)
    another = setting.parameters is None and setting.model not in (None, situation.model.name)
    found *= nearness(setting.parameters, situation.model.parameters, OF_SIZE, ANOTHER_MODEL if another else NO_SIZE)
    device = situation.device
    if not here:
        if setting.device == device.title:
            found *= 1.0
        elif setting.generation is not None and setting.generation == device.generation:
            found *= SAME_GENERATION
        elif setting.kind is not None:
            found *= SAME_KIND if setting.kind == device.kind or metric != "time" else 0.0
        else:
            found *= NO_DEVICE
    if setting.regime is not None and not here:
        found *= 1.0 if setting.regime == regime_of(situation) else OTHER_REGIME
    if isinstance(situation.model, ImageModel) and setting.depthwise is not None:
        found *= 1.0 if setting.depthwise == situation.model.depthwise else OTHER_CONVOLUTIONS
    return found


def regime_of(situation: Situation) -> Class:
    """What binds the stack of somebody who chose nothing."""
    return work.time(situation, of_words(plain(situation))).binds


def _task_likeness(task: str | None, situation: Situation) -> float:
    if task is None:
        return NO_TASK
    if task == situation.task:
        return 1.0
    if task == situation.phase:
        return SAME_PHASE
    if "classify" in (task, situation.task) and situation.phase == "inference":
        return 0.0
    if task in TASKS and PHASES[task] == situation.phase:
        return OTHER_TRAINING if situation.phase == "training" else OTHER_INFERENCE
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
