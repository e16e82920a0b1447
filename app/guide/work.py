"""Time of a stack: the planner's counts of what a step does, on what the device reaches; drafts, images and exchange beside it."""

from app.guide.memory import draft_share, micro_batch, share_of_batch, shrunk
from app.guide.settings import Settings
from app.guide.situation import Decoder, ImageModel, Situation
from app.planner import roofline, work
from app.planner.memory import states
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.models.anatomy import Anatomy
from app.planner.roofline import Time
from app.planner.work import Work

ACCEPTED = 2.88
"""Tokens that a check of a draft's five yields, on average: gpt-fast's 1.92 times the speed with a draft of a tenth."""
OPERATORS_OF_A_KERNEL = 3
"""Operators of a network over images that compiling makes one kernel of: a convolution, its normalisation, its activation."""


def time(situation: Situation, settings: Settings) -> Time:
    """Seconds of one request (chat, prefill), update (training) or batch of images, on all devices together.

    With data parallelism each device takes its share of an update's batch, all at once.

    Args:
        situation: what is asked.
        settings: what a stack makes of it.
    """
    model = situation.model
    if isinstance(model, Decoder) and situation.phase == "inference":
        return _request(model, situation, settings)
    step, ((counted, parts),) = _passes(situation, settings)
    one = roofline.spent(counted, step, situation.device)
    return roofline.summed([one.times(parts)], _exchange(situation, settings, parts))


def bounds(situation: Situation, settings: Settings) -> tuple[float, float]:
    """Seconds at best and at plainest, as the planner tells them of plain code; what is compiled is not taken for plain again.

    Args:
        situation: what is asked.
        settings: what a stack makes of it.
    """
    step, passes = _passes(situation, settings)
    if step.execution != "eager":
        step = step.model_copy(update={"execution": "engine"})
    devices, taken = _cut(situation, settings), time(situation, settings)
    ends = [(times, roofline.bounds(counted, step, situation.device, devices)) for counted, times in passes]
    low, high = (taken.communication + sum(times * end[place] for times, end in ends) for place in (0, 1))
    return min(low, taken.seconds), max(high, taken.seconds)


def _passes(situation: Situation, settings: Settings) -> tuple[Settings, list[tuple[Work, float]]]:
    """How a pass is computed, and all passes of one request, update or batch of images: counts, and how often."""
    model = situation.model
    if isinstance(model, Decoder) and situation.phase == "inference":
        anatomy = shrunk(model.anatomy, settings.share)
        steps = situation.generated * _steps(anatomy, settings)
        tokens = [(token(anatomy, situation, settings), steps)] if steps else []
        return settings, [(prompt(anatomy, situation, settings), 1.0), *tokens]
    batch = micro_batch(situation, settings)
    parts = -(-share_of_batch(situation, settings) // batch)
    if isinstance(model, ImageModel):
        # Depthwise convolutions sum over too little to fill units for products: they stay at the computing format's rate.
        rate = {"efficiency": 1.0, **({"arithmetic": None} if model.depthwise else {})}
        return settings.model_copy(update=rate), [(_image(model, situation, settings, batch), parts)]
    counted = work.training(shrunk(model.anatomy, settings.share), settings, batch, situation.sequence, parts)
    return settings, [(counted, parts)]


def per_token(situation: Situation, settings: Settings) -> float | None:
    """Seconds between two generated tokens; None where nothing is generated."""
    if situation.task != "chat" or not isinstance(situation.model, Decoder):
        return None
    anatomy = shrunk(situation.model.anatomy, settings.share)
    return decoded(anatomy, situation, settings).times(_steps(anatomy, settings)).seconds


def prompt(anatomy: Anatomy, situation: Situation, settings: Settings) -> Work:
    """Counts of the prompts."""
    return work.forward(anatomy, settings, situation.batch, situation.sequence, situation.sequence)


def token(anatomy: Anatomy, situation: Situation, settings: Settings) -> Work:
    """Counts of one generated token of every sequence, or of one check of a draft, half-way through the answer."""
    context = _context(situation)
    return work.forward(
        anatomy, settings, situation.batch, settings.draft_tokens if settings.reuse else context, context
    )


def decoded(anatomy: Anatomy, situation: Situation, settings: Settings) -> Time:
    """Seconds of that, by what was learnt of decoding on the device."""
    counted, devices = token(anatomy, situation, settings), _cut(situation, settings)
    if not settings.reuse:
        return roofline.spent(counted, settings, situation.device, devices)
    return roofline.token(anatomy, settings, situation.device, counted, situation.batch, _context(situation), devices)


def _context(situation: Situation) -> int:
    return situation.sequence + situation.generated // 2


def _cut(situation: Situation, settings: Settings) -> int:
    """Devices that have a share of every matrix each."""
    return situation.devices if settings.tensor_parallel else 1


def _request(model: Decoder, situation: Situation, settings: Settings) -> Time:
    anatomy, devices = shrunk(model.anatomy, settings.share), _cut(situation, settings)
    counted = prompt(anatomy, situation, settings)
    passes = [roofline.spent(counted, settings, situation.device, devices)]
    steps = situation.generated * _steps(anatomy, settings)
    if steps:
        passes.append(decoded(anatomy, situation, settings).times(steps))
    return roofline.summed(passes)


def _steps(anatomy: Anatomy, settings: Settings) -> float:
    """Steps for each generated token: with a draft, its own work and one check, over the tokens that a check yields.

    Leviathan et al. 2022, arXiv 2211.17192, theorem 3.8.
    """
    if settings.draft_tokens == 1:
        return 1.0
    return (settings.draft_tokens * draft_share(anatomy) + 1) / ACCEPTED


def _image(model: ImageModel, situation: Situation, settings: Settings, batch: int) -> Work:
    """One micro-batch of images, forward or with its step."""
    moved = 1.0 if settings.activations == "int8" else FORMATS[settings.computing].bits / 8
    passes = (3 + (1 if settings.checkpointing else 0)) if situation.phase == "training" else 1
    return Work(
        products=passes * batch * settings.share * model.flops,
        scores=0.0,
        weights=0.0,
        cache=0.0,
        activations=passes * 2 * batch * model.activations * moved * settings.share,
        # Convolutions reuse weights so much that reading them is no bound of theirs.
        others=passes * settings.share * model.parameters * FORMATS[settings.weights].bits / 8,
        layers=0.0,
        operators=float(passes * model.operators),
        kernels=passes * model.operators / OPERATORS_OF_A_KERNEL,
        matrices=0.0,
    )


def _exchange(situation: Situation, settings: Settings, parts: float) -> float:
    """Seconds of exchange for one update (Rajbhandari et al. 2019: gradients twice the parameters, ZeRO-3 three times)."""
    n, link, model = situation.devices, situation.device.link, situation.model
    if settings.sharding == "none" or n == 1 or link is None:
        return 0.0
    element = FORMATS[settings.computing].bits / 8
    adapters = 0
    if isinstance(model, Decoder) and settings.rank:
        adapters = states.adapter_parameters(model.anatomy, settings.rank)
    once = (n - 1) / n * element * (adapters or model.parameters) / link
    if settings.sharding == "zero3":
        gathered = (n - 1) / n * element * model.parameters / link
        return 2 * gathered * parts + once
    return 2 * once
