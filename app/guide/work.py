"""Time of a stack by roofline: operations, bytes, calls and exchange of each step, on what the device reaches.

Formulas: a product takes the longer of its operations over the peak and its weights over the bandwidth; what is moved besides
comes on top (Williams et al. 2009, Roofline). On a GPU calls run ahead of the kernels, so that the longer of both counts; on a
CPU they add up. Constants are fits to published tables, told where they stand.
"""

from app.frozen import Frozen
from app.guide.device import Device
from app.guide.memory import micro_batch, shrunk
from app.guide.settings import TORCH_NAMES, Settings
from app.guide.situation import Decoder, ImageModel, Situation
from app.guide.techniques import Class
from app.planner.memory import states
from app.planner.memory.activations import LOGIT_BYTES
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.inference import CACHE_BITS
from app.planner.models.anatomy import Anatomy
from app.planner.speed import read_bytes

EAGER_OPERATORS = 36
"""Operators of one decoder layer forward in transformers: two norms of 6, seven products, rotary positions 11, cache 2,
attention 1, gate 2, residuals 1 or 2."""
FUSED_KERNELS = 12
"""Kernels of one layer forward after compiling: seven products, attention, and four fused ones."""
ADAPTER_OPERATORS = 4
"""Operators that an adapter adds to each matrix: two products, scale, sum."""
OPERATOR_S = {"cuda": 20e-6, "cpu": 25e-6}
"""Seconds of calling one operator from transformers' modules. With a GPU about 20 µs on older hosts: 23 ms of a token of an 8B
model, where 25.8 ms were measured (derekl35/quantization-benchmarks). On a CPU from 4.1 ms a token of four layers in
``demo/decoder-quantisation``; a token of eight layers then takes 13.7 ms, where ``demo/llama-memory`` has 14.6."""
SHORT_PRODUCT_S = 70e-6
"""Seconds that a CPU needs besides for each product in a 16-bit format, in which oneDNN orders the weights anew: 1.97 ms of a token
with 28 products (``demo/decoder-quantisation``). With it four other ratios of the demo are met within 0.06."""
LAUNCH_S = 5e-6
"""Seconds of one launch: 4 to 6 µs."""
LAYER_S = 95e-6
"""Seconds that a layer of a decoded token costs on a GPU besides bytes, with CUDA graphs: fit to gpt-fast's table on A100."""
FUSED_TRAFFIC = 0.5
"""Of the bytes moved between kernels, what remains once element-wise ones are fused: every second write and read."""
ACCEPTED = 2.88
"""Tokens that a check of a draft's five yields, on average: gpt-fast's 1.92 times the speed with a draft of a tenth."""
SMALLEST_DRAFT = 5e8
"""Parameters of the smallest language models that propose usable tokens: Qwen2.5 0.5B."""
DRAFT_SHARE = 0.1
"""Share of the large model's weights that a draft has where that is no smaller than the smallest."""


NEARLY = 0.5
"""Share of the longest class from which on another binds beside it: halving the first would make the second the longest."""


class Time(Frozen):
    """Seconds of one request, update or batch on all devices together, and what they are spent on."""

    seconds: float
    compute: float
    """At arithmetic."""
    bandwidth: float
    """At moving bytes."""
    overhead: float
    """At calls and launches that nothing hides."""
    communication: float
    """At exchange between devices that nothing hides."""

    @property
    def binds(self) -> Class:
        """What most of it is spent on."""
        return max(self.shares, key=lambda word: self.shares[word])

    @property
    def shares(self) -> dict[Class, float]:
        """Seconds by class."""
        return {
            "compute": self.compute,
            "bandwidth": self.bandwidth,
            "overhead": self.overhead,
            "communication": self.communication,
        }

    @property
    def binding(self) -> tuple[Class, ...]:
        """Every class that takes at least half as long as the one that takes longest, that one first."""
        longest = max(self.shares.values())
        ordered = sorted(self.shares.items(), key=lambda one: -one[1])
        return tuple(word for word, seconds in ordered if seconds >= NEARLY * longest)

    @property
    def margin(self) -> float:
        """How many times the second largest class the largest one is; infinite where it stands alone."""
        first, second = sorted(self.shares.values(), reverse=True)[:2]
        return first / second if second > 0 else float("inf")


class _Pass(Frozen):
    """One pass over some tokens: seconds of arithmetic, of bytes, of gaps between kernels, and of calling."""

    compute: float = 0.0
    bandwidth: float = 0.0
    gaps: float = 0.0
    host: float = 0.0

    def times(self, factor: float) -> "_Pass":
        return _Pass(
            compute=factor * self.compute,
            bandwidth=factor * self.bandwidth,
            gaps=factor * self.gaps,
            host=factor * self.host,
        )


def time(situation: Situation, settings: Settings) -> Time:
    """Seconds of one request (chat, prefill), update (training) or batch of images.

    With data parallelism, seconds for each device's batch: all of them go on at once.

    Args:
        situation: what is asked.
        settings: what a stack makes of it.
    """
    model = situation.model
    if isinstance(model, ImageModel):
        passed, parts = _image(model, situation, settings)
    elif situation.phase == "training":
        passed, parts = _step(model, situation, settings)
    else:
        return _request(model, situation, settings)
    return _summed(
        situation.device, [(passed, parts)], _exchange(situation, settings, parts), _replicas(situation, settings)
    )


def per_token(situation: Situation, settings: Settings) -> float | None:
    """Seconds between two generated tokens; None where nothing is generated."""
    if situation.task != "chat" or not isinstance(situation.model, Decoder):
        return None
    anatomy = shrunk(situation.model.anatomy, settings.share)
    decoded = _decoded(anatomy, situation, settings)
    return _summed(situation.device, [(decoded, _steps(anatomy, settings))], 0.0, 1).seconds


def _request(model: Decoder, situation: Situation, settings: Settings) -> Time:
    anatomy = shrunk(model.anatomy, settings.share)
    prompt = _forward(anatomy, situation, settings, situation.batch, situation.sequence, situation.sequence, last=True)
    passes: list[tuple[_Pass, float]] = [(prompt, 1.0)]
    exchanged = 0.0
    if situation.generated:
        steps = situation.generated * _steps(anatomy, settings)
        passes.append((_decoded(anatomy, situation, settings), steps))
        if settings.tensor_parallel and situation.device.link:
            # Two all-reduces a layer; of a token they are too small to fill a link and cost their launches.
            exchanged = steps * anatomy.layers * 2 * 2 * LAUNCH_S
    if settings.tensor_parallel and situation.device.link:
        each = situation.batch * situation.sequence * anatomy.widths.hidden * FORMATS[settings.computing].bits / 8
        n = situation.devices
        exchanged += anatomy.layers * 2 * 2 * (n - 1) / n * each / situation.device.link
    return _summed(situation.device, passes, exchanged, 1)


def _steps(anatomy: Anatomy, settings: Settings) -> float:
    """Steps for each generated token: with a draft, its own work and one check, over the tokens that a check yields.

    Leviathan et al. 2022, arXiv 2211.17192, theorem 3.8.
    """
    if settings.draft_tokens == 1:
        return 1.0
    share = max(DRAFT_SHARE, SMALLEST_DRAFT / anatomy.parameters)
    return (settings.draft_tokens * share + 1) / ACCEPTED


def _decoded(anatomy: Anatomy, situation: Situation, settings: Settings) -> _Pass:
    """One generated token of every sequence, half-way through the answer."""
    context = situation.sequence + situation.generated // 2
    if settings.reuse:
        return _forward(anatomy, situation, settings, situation.batch, settings.draft_tokens, context, last=False)
    return _forward(anatomy, situation, settings, situation.batch, context, context, last=True)


def _forward(
    anatomy: Anatomy, situation: Situation, settings: Settings, batch: int, new: int, context: int, *, last: bool
) -> _Pass:
    """A forward pass over ``new`` tokens of each sequence that see ``context`` tokens.

    Args:
        anatomy: the model as it is left.
        situation: what is asked.
        settings: what a stack makes of it.
        batch: sequences.
        new: tokens of each that are computed.
        context: tokens that the last of them sees.
        last: whether logits are computed of each sequence's last token alone.
    """
    device, fused = situation.device, settings.execution != "eager"
    cut = situation.devices if settings.tensor_parallel else 1
    tokens = batch * new
    head = sum(each.weights for each in anatomy.matrices if each.role == "head")
    layers = anatomy.active_parameters - head
    operations = 2 * (layers * tokens + head * (batch if last else tokens)) / cut
    seen = context if new < context else (context + 1) / 2
    scores = 4 * tokens * seen * anatomy.widths.queries * anatomy.layers / cut
    computing = FORMATS[settings.computing].bits / 8
    arithmetic = operations / (device.peak(settings.products) * settings.efficiency)
    kept_cache = settings.cache or settings.computing
    # Of experts, those that any token chooses; no cache of a context without tokens.
    read = read_bytes(anatomy, settings.weights, settings.computing, kept_cache, tokens, 0) / cut
    # Tokens that are read together write the cache once; those that are decoded read all of it.
    cache = batch * anatomy.cache_elements(context) * CACHE_BITS[kept_cache] / 8 / cut
    widths = anatomy.widths
    elements = 9 * widths.hidden + 4 * widths.queries + 3 * widths.keys + 4 * widths.ffn
    moved = 2 * tokens * elements * anatomy.layers * computing * (FUSED_TRAFFIC if fused else 1.0) / cut
    if not settings.flash and new == context:
        # Scores are written and read in the computing format and once more in float32, for the softmax.
        moved += 2 * (4 + computing) * batch * anatomy.heads * new * context * anatomy.layers / cut
    by_arithmetic = arithmetic >= read / device.bandwidth
    matrices = sum(each.count * each.active for each in anatomy.linear())
    return _Pass(
        compute=(arithmetic if by_arithmetic else 0.0) + scores / device.peak(TORCH_NAMES[settings.computing]),
        bandwidth=((0.0 if by_arithmetic else read) + cache + moved) / device.bandwidth,
        gaps=LAYER_S * anatomy.layers if device.kind == "cuda" else 0.0,
        host=_calling(device, settings, anatomy.layers * EAGER_OPERATORS, anatomy.layers * FUSED_KERNELS, matrices),
    )


def _calling(device: Device, settings: Settings, operators: float, kernels: float, matrices: float) -> float:
    """Seconds of calling everything once."""
    if settings.execution in ("graphs", "engine"):
        return 0.0
    each = OPERATOR_S[device.kind]
    short = matrices * SHORT_PRODUCT_S if device.kind == "cpu" and settings.computing != "fp32" else 0.0
    if settings.execution == "compiled":
        return kernels * LAUNCH_S + short + (matrices * settings.linear_operators * each if settings.opaque else 0.0)
    return (operators + matrices * settings.linear_operators) * each + short


def _step(model: Decoder, situation: Situation, settings: Settings) -> tuple[_Pass, int]:
    """One micro-batch forward and backward with its part of the optimizer's step, and how many of them make an update."""
    anatomy = shrunk(model.anatomy, settings.share)
    batch = micro_batch(situation, settings)
    parts = -(-situation.batch // batch)
    one = _forward(anatomy, situation, settings, batch, situation.sequence, situation.sequence, last=False)
    # Backward takes twice the operations of forward, or once where weights are frozen; recomputing takes one forward more.
    backward = 1 if settings.rank else 2
    again = 1 if settings.checkpointing else 0
    adapters = states.adapter_parameters(anatomy, settings.rank) if settings.rank else 0
    trained = adapters or anatomy.parameters
    tokens = batch * situation.sequence
    computing = FORMATS[settings.computing].bits / 8
    scores = 2 * LOGIT_BYTES[settings.loss] * tokens * anatomy.vocabulary
    kept = (
        2 * (FORMATS[settings.weights].bits / 8 * (0 if adapters else 1) + computing)
        + 2 * states.BY_WORD[settings.optimizer].bytes
    )
    bytes_moved = scores + trained * (kept + (8 if adapters else 0)) / parts
    matrices = sum(each.count for each in anatomy.linear())
    added = matrices * ADAPTER_OPERATORS * OPERATOR_S[situation.device.kind] if adapters else 0.0
    return _Pass(
        compute=one.compute * (1 + backward + again) + 6 * adapters * tokens / situation.device.peak(settings.products),
        bandwidth=one.bandwidth * (3 + again) + bytes_moved / situation.device.bandwidth,
        gaps=one.gaps * (2 + again),
        host=(one.host + (added if settings.execution == "eager" else 0.0)) * (2 + again),
    ), parts


def _image(model: ImageModel, situation: Situation, settings: Settings) -> tuple[_Pass, int]:
    """One micro-batch of images, forward or with its step, and how many of them there are."""
    device, batch = situation.device, micro_batch(situation, settings)
    computing = FORMATS[settings.computing].bits / 8
    moved = 1.0 if settings.activations == "int8" else computing
    # Depthwise convolutions sum over too little to fill units for products: they stay at the computing format's rate.
    products = TORCH_NAMES[settings.computing] if model.depthwise else settings.products
    passes = (3 + (1 if settings.checkpointing else 0)) if situation.phase == "training" else 1
    operations = batch * settings.share * model.flops / (device.peak(products) * settings.efficiency)
    fused = settings.execution != "eager"
    activations = 2 * batch * model.activations * moved * settings.share * (FUSED_TRAFFIC if fused else 1.0)
    weights = settings.share * model.parameters * FORMATS[settings.weights].bits / 8
    kernels = model.operators / 3
    return _Pass(
        compute=operations * passes,
        bandwidth=(activations + weights) * passes / device.bandwidth,
        gaps=0.0,
        host=_calling(device, settings, model.operators, kernels, 0) * passes,
    ), -(-situation.batch // batch)


def _exchange(situation: Situation, settings: Settings, parts: int) -> float:
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


def _replicas(situation: Situation, settings: Settings) -> int:
    return situation.devices if settings.sharding != "none" else 1


def _summed(device: Device, passes: list[tuple[_Pass, float]], exchanged: float, replicas: int) -> Time:
    """All passes one after the other; what hides behind something longer is not counted."""
    compute = sum(one.compute * times for one, times in passes)
    bandwidth = sum(one.bandwidth * times for one, times in passes)
    waiting = 0.0
    for one, times in passes:
        busy = one.compute + one.bandwidth + one.gaps
        if device.kind == "cpu":
            waiting += times * one.host
        else:
            waiting += times * (one.gaps + max(0.0, one.host - busy))
    work = compute + bandwidth + waiting
    exposed = max(0.0, exchanged - compute - bandwidth)
    return Time(
        seconds=(work + exposed) / replicas,
        compute=compute / replicas,
        bandwidth=bandwidth / replicas,
        overhead=waiting / replicas,
        communication=exposed / replicas,
    )
