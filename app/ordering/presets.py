"""Whole studies for a model, a workload and a kind of device, to be had with one click.

Each is a pure function to a study as plain data, or to the reason why it is not offered. What the catalog declares decides
what stands in it, so that a new technique takes its place here by itself; the ladder of quantisations alone has its rungs named.
"""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, NamedTuple

from app.ordering.menu import PICKS
from workers.catalog.applicability import clash, misjudged, problems, unfit
from workers.catalog.evaluations.divergence import Divergence
from workers.catalog.model import Model
from workers.catalog.spec import StudySpec
from workers.catalog.technique import MODEL_WORKLOADS, DeviceFacts, DeviceKind, Technique
from workers.catalog.techniques import BY_WORD, TECHNIQUES
from workers.catalog.techniques.attention import BACKENDS, Attention
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.awq import Awq
from workers.catalog.techniques.chunked_loss import ChunkedLoss
from workers.catalog.techniques.fp8 import Fp8
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.int4_weight_only import Int4WeightOnly
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.precision import Precision
from workers.catalog.workload import Workload

Stack = tuple[Technique, ...]

LENGTHS: dict[DeviceKind, tuple[int, ...]] = {"cpu": (128, 256, 512, 1024), "cuda": (512, 1024, 2048, 4096, 8192)}
"""From where the kernels are alike to where the scores of all pairs of tokens fill the memory."""
FP32 = Precision(dtype="fp32")
BF16 = Precision(dtype="bf16")
RUNGS: tuple[type[Technique], ...] = (Int8WeightOnly, Fp8, Int4WeightOnly, Awq, Nf4)
"""One of each kind of quantisation, from long to short: there are too many to measure all of them at once."""
SAVES_WITHOUT_FIGURE = (Attention, ChunkedLoss, GradientAccumulation)
"""Lower memory by how much hangs on lengths, vocabularies and batch sizes, so that the catalog declares no figure for it."""
SAME_TRAINING = (GradientCheckpointing, GradientAccumulation, ChunkedLoss)
"""Lower the memory of training and leave gradients and updates as they are, so that all of them may be stacked."""
_LONGEST_NAME = 120


class NotOffered(Exception):
    """The preset has nothing to measure there; the message says why."""


class Order(NamedTuple):
    """What presets are made for."""

    model: Model
    workload: Workload
    device: DeviceKind

    def misfit(self, technique: Technique) -> str | None:
        """Why the technique cannot be used; None when it can."""
        return (
            unfit(type(technique), self.model, self.workload, self.device)
            or technique.unsuited(self.model)
            or technique.misfit(self.workload)
        )

    def fitting(self, techniques: Iterable[Technique]) -> list[Technique]:
        """Those that can be used."""
        return [technique for technique in techniques if self.misfit(technique) is None]


class Preset(NamedTuple):
    """A kind of study that can be had with one click."""

    word: str
    title: str
    summary: str
    make: Callable[[Order], dict[str, Any]]


class Offered(NamedTuple):
    """A preset for one model, workload and device."""

    word: str
    title: str
    summary: str
    study: dict[str, Any] | None
    """The whole study; None where there is none."""
    reason: str | None
    """Why there is none."""
    runs: int | None


def offers(model: Model, workload: Workload, device: DeviceKind) -> list[Offered]:
    """Every preset, with its study or why there is none."""
    return [_offered(preset, Order(model, workload, device)) for preset in PRESETS]


def on_top(base: Stack, added: Stack) -> Stack:
    """A stack with techniques put on top: what they replace or cannot stand beside is left out."""
    words = {technique.word for technique in added}
    kept = (b for b in base if b.word not in words and not any(clash(b, technique) for technique in added))
    return (*kept, *added)


def short(technique: Technique) -> str:
    """What people call a technique with these parameters, for the name of a variant."""
    if isinstance(technique, Precision):
        return technique.dtype
    as_declared = technique == type(technique)()
    return _NAMES.get(technique) or (technique.title if as_declared else technique.label().replace("_", " "))


def _everything(order: Order) -> dict[str, Any]:
    base = (FP32,)
    alone = order.fitting(_first(technique) for technique in TECHNIQUES)
    return _study(order, base, [(short(technique), on_top(base, (technique,))) for technique in alone])


def _less_memory(order: Order) -> dict[str, Any]:
    if order.workload.word not in MODEL_WORKLOADS:
        raise NotOffered(f"{order.workload.title} runs one kernel alone; what has to fit is the whole model.")
    # A student or a pruned model is another model, which no other step can be compared through.
    same_model = [technique for technique in TECHNIQUES if technique.family != "compression"]
    savers = order.fitting(_first(technique) for technique in same_model if _saves(technique))
    # In the order in which a stack acts; of those that exclude one another the one that saves most comes first.
    return _study(order, (FP32,), _growing(sorted(savers, key=lambda each: (each.order, _lowest(each)))))


def _quantisation(order: Order) -> dict[str, Any]:
    rungs = order.fitting(rung() for rung in RUNGS)
    if not rungs:
        raise NotOffered(str(order.misfit(RUNGS[0]())))
    stacks: list[Stack] = [(BF16,), *(on_top((BF16,), (technique,)) for technique in rungs)]
    return _study(order, (FP32,), [(" + ".join(map(short, stack)), stack) for stack in stacks])


def _attention_by_length(order: Order) -> dict[str, Any]:
    if reason := order.misfit(Attention()):
        raise NotOffered(reason)
    lengths = [name for name in order.workload.sweepable if name.endswith("_length")]
    if not lengths or (order.model.kind != "decoder" and order.workload.word != "attention"):
        raise NotOffered(f"{order.model.label} under {order.workload.title} has no sequence whose length could grow.")
    # GPU kernels for flash take 16-bit formats only; on CPUs bf16 may be emulated, which would drown the kernels.
    format_ = BF16 if order.device == "cuda" else FP32
    facts = DeviceFacts(order.device, order.device)
    others = [Attention.model_validate({"backend": backend}) for backend in ("eager", *BACKENDS) if backend != "math"]
    variants: list[tuple[str, Stack]] = [
        (one.backend.replace("_", " "), (format_, one)) for one in others if one.refuses(facts) is None
    ]
    sweep = {lengths[0]: list(LENGTHS[order.device])}
    return _study(order, (format_, Attention(backend="math")), variants, baseline="math", sweep=sweep)


def _training_memory(order: Order) -> dict[str, Any]:
    if reason := order.misfit(GradientCheckpointing()):
        raise NotOffered(reason)
    of_training = order.fitting(_first(technique) for technique in TECHNIQUES if technique.family == "training")
    formats = order.fitting((Autocast(), BF16))
    alone = [(short(technique), on_top((FP32,), (technique,))) for technique in (*of_training, *formats)]
    stacked = [technique for technique in of_training if isinstance(technique, SAME_TRAINING)]
    stacks = [step for format_ in formats for step in _growing([*stacked, format_])]
    return _study(order, (FP32,), [*alone, *stacks])


PRESETS: tuple[Preset, ...] = (
    Preset(
        "everything",
        "Everything that fits this model",
        "Each technique that can be used here, alone on fp32.",
        _everything,
    ),
    Preset(
        "less_memory",
        "48 to 8 GB",
        "A stack that grows by one memory saver at a time: what each step frees and what it costs.",
        _less_memory,
    ),
    Preset(
        "quantisation",
        "Quantisation ladder",
        "From fp32 over bf16 to the shortest weights, with the outputs held against fp32.",
        _quantisation,
    ),
    Preset(
        "attention",
        "Attention by length",
        "Every attention kernel over doubling lengths, against the plain one.",
        _attention_by_length,
    ),
    Preset(
        "training",
        "Training memory",
        "Everything that lowers memory in one training step alone; checkpointing, accumulation and shorter formats stacked.",
        _training_memory,
    ),
)


def _offered(preset: Preset, order: Order) -> Offered:
    try:
        name = {"name": cut_name(f"{preset.title}: {order.model.label}")}
        spec = StudySpec.model_validate(name | preset.make(order))
        if found := problems(spec):
            raise NotOffered(found[0].message)
    except NotOffered as error:
        return Offered(preset.word, preset.title, preset.summary, None, str(error), None)
    return Offered(preset.word, preset.title, preset.summary, spec.model_dump(mode="json"), None, spec.size)


def _study(
    order: Order,
    base: Stack,
    variants: Iterable[tuple[str, Stack]],
    *,
    baseline: str | None = None,
    sweep: dict[str, list[int]] | None = None,
) -> dict[str, Any]:
    """A study but for its name; the outputs are held against the baseline's where there are any."""
    name, evaluation = baseline or short(base[0]), Divergence()
    judged = misjudged(evaluation, order.model, order.workload) is None
    return {
        "model": order.model.model_dump(mode="json"),
        "workload": order.workload.model_dump(mode="json"),
        "evaluation": evaluation.model_dump(mode="json") if judged else None,
        "baseline": _variant(name, base),
        "variants": named_variants(variants, name, base),
        "sweep": sweep or {},
        "device": order.device,
    }


def named_variants(wanted: Iterable[tuple[str, Stack]], baseline: str, base: Stack) -> list[dict[str, Any]]:
    """Variants with names of their own; of equal stacks the first, and none that is the baseline."""
    seen, names = {frozenset(base)}, {baseline}
    variants: list[dict[str, Any]] = []
    for wish, stack in wanted:
        if frozenset(stack) in seen:
            continue
        seen.add(frozenset(stack))
        name = next(
            one
            for one in (cut_name(wish, f" {number}" if number > 1 else "") for number in count(1))
            if one not in names
        )
        names.add(name)
        variants.append(_variant(name, stack))
    return variants


def _variant(name: str, stack: Stack) -> dict[str, Any]:
    return {"name": name, "stack": [technique.model_dump(mode="json") for technique in stack]}


def _growing(techniques: Iterable[Technique]) -> list[tuple[str, Stack]]:
    """One stack after the other, each with one technique more; what clashes with those before is left out."""
    added: Stack = ()
    steps: list[tuple[str, Stack]] = []
    for technique in techniques:
        if not any(clash(technique, before) for before in added):
            added = (*added, technique)
            steps.append((" + ".join(map(short, added)), on_top((FP32,), added)))
    return steps


def _first(technique: type[Technique]) -> Technique:
    """The technique as one would try it first: a growing cache is what runs when nothing is chosen."""
    return KvCache(implementation="static") if technique is KvCache else technique()


def _memory_figures(technique: type[Technique]) -> list[float]:
    """What the literature says it leaves of the memory, at best."""
    return [one.low for one in technique.expected if one.metric.name.startswith("memory") and one.high < 1]


def _saves(technique: type[Technique]) -> bool:
    return bool(_memory_figures(technique)) or technique in SAVES_WITHOUT_FIGURE


def _lowest(technique: Technique) -> float:
    return min(_memory_figures(type(technique)), default=1.0)


def cut_name(name: str, ending: str = "") -> str:
    """A name that fits its field."""
    room = _LONGEST_NAME - len(ending)
    return (name if len(name) <= room else f"{name[: room - 1].rstrip()}…") + ending


_NAMES: dict[Technique, str] = {
    BY_WORD[str(pick.stack[0]["technique"])].model_validate(pick.stack[0]): pick.name
    for pick in PICKS
    if len(pick.stack) == 1
}
"""Short names of techniques with the parameters of the quick picks."""
