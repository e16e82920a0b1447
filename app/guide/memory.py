"""Memory that a stack needs, computed by the planner from the changed model and settings, never by multiplying ratios."""

from functools import lru_cache

from app.guide.settings import Settings
from app.guide.situation import Decoder, ImageModel, Situation
from app.planner.memory import inference, overheads, states, training
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.inference import Inference
from app.planner.memory.parts import Instant, Needed, about, exact
from app.planner.memory.training import Training
from app.planner.models.anatomy import Anatomy

LOADING = "loading"
"""The planner's name of the instant in which weights are loaded."""
SMALLEST_DRAFT = 5e8
"""Parameters of the smallest language models that propose usable tokens: Qwen2.5 0.5B."""
DRAFT_SHARE = 0.1
"""What a draft model has of the weights of the large one where that is no smaller than the smallest: 7B beside 70B."""
DRAFT_WEIGHTS = (0.2, 1.0, 2.0)
"""Ends and middle of that, over it: less where a head of a few layers does."""
DRAFT_CACHE = (0.2, 1.0, 4.0)
"""The same of the KV cache: of Llama 3.1 70B's the 1B model has 0.1 (16 layers of 8 heads of 64 beside 80 of 8 of 128), 8B 0.4."""
DRAFT_SOURCE = "gpt-fast: a 7B draft for Llama 2 70B"
KEPT_OF_IMAGES = (1.0, 2.0, 3.0)
"""Elements that training keeps for each that a convolution puts out: at least itself; its normalisation too; at most also what
is not done in place."""
LIVE_OF_IMAGES = (0.05, 0.25, 1.0)
"""Share of a network's activations that lives at a time in inference: one of many layers; a first layer, which is widest; all."""
OF_IMAGES = "outputs of convolutions and products (Radosavovic et al. 2020, arXiv 2003.13678), counted for each image"


def needed(situation: Situation, settings: Settings) -> Needed:
    """Memory of each device, instant by instant, with bounds.

    Args:
        situation: what is asked.
        settings: what a stack makes of it.
    """
    model = situation.model
    if isinstance(model, ImageModel):
        return _image(model, situation, settings)
    if situation.phase == "training":
        return _training(model, situation, settings)
    return _inference(model, situation, settings)


def while_running(found: Needed) -> float:
    """Bytes at the highest moment after everything is loaded, which is what a measurement of a workload sees.

    Args:
        found: memory, instant by instant.
    """
    return max(instant.bytes for instant in found.instants if instant.name != LOADING)


@lru_cache(maxsize=4_096)
def shrunk(anatomy: Anatomy, share: float) -> Anatomy:
    """The same model with a share of its layers, at least one; embedding and head stay.

    Args:
        anatomy: the whole model.
        share: of the layers, between 0 and 1.
    """
    layers = max(1, round(anatomy.layers * share))
    if layers == anatomy.layers:
        return anatomy
    part = layers / anatomy.layers
    matrices = tuple(
        one if one.role in ("embedding", "head") else one.model_copy(update={"count": max(1, round(one.count * part))})
        for one in anatomy.matrices
    )
    caches = tuple(
        one.model_copy(update={"layers": max(1, round(one.layers * part))}) for one in anatomy.caches if one.layers
    )
    return anatomy.model_copy(
        update={
            "layers": layers,
            "matrices": matrices,
            "caches": caches,
            "vectors": max(1, round(anatomy.vectors * part)),
        }
    )


def share_of_batch(situation: Situation, settings: Settings) -> int:
    """Sequences or images of a batch that the device with most of them has; all of it unless devices work on data of their own."""
    return situation.batch if settings.sharding == "none" else -(-situation.batch // situation.devices)


def micro_batch(situation: Situation, settings: Settings) -> int:
    """Sequences or images that a device takes at a time."""
    return 1 if settings.parts is None else -(-share_of_batch(situation, settings) // settings.parts)


def _training(model: Decoder, situation: Situation, settings: Settings) -> Needed:
    batch = micro_batch(situation, settings)
    return training.needed(
        shrunk(model.anatomy, settings.share),
        Training(
            batch=batch,
            accumulating=batch < share_of_batch(situation, settings),
            sequence=situation.sequence,
            weights=settings.weights,
            computing=settings.computing,
            optimizer=settings.optimizer,
            fused=False,
            foreach=situation.device.gpu,
            checkpointing=settings.checkpointing,
            flash=settings.flash,
            loss=settings.loss,
            rank=settings.rank,
            sharding=settings.sharding,
            devices=situation.devices if settings.sharding != "none" else 1,
            on_gpu=situation.device.gpu,
        ),
    )


def _inference(model: Decoder, situation: Situation, settings: Settings) -> Needed:
    found = inference.needed(
        shrunk(model.anatomy, settings.share),
        Inference(
            batch=situation.batch,
            prompt=situation.sequence,
            generated=situation.generated,
            weights=settings.weights,
            computing=settings.computing,
            cache=settings.kept_cache,
            flash=settings.flash,
            loading=settings.loading,
            devices=situation.devices if settings.tensor_parallel else 1,
            on_gpu=situation.device.gpu,
        ),
    )
    if settings.draft_tokens > 1:
        share = draft_share(shrunk(model.anatomy, settings.share))
        found = Needed(instants=tuple(_with_draft(instant, share) for instant in found.instants))
    return found


def draft_share(anatomy: Anatomy) -> float:
    """What a draft model has of a model's weights.

    Args:
        anatomy: the large model.
    """
    return max(DRAFT_SHARE, SMALLEST_DRAFT / anatomy.parameters)


def _with_draft(instant: Instant, share: float) -> Instant:
    """The same with the small model that proposes tokens, and its cache."""
    drafts = []
    for name, of_name in (("weights", DRAFT_WEIGHTS), ("KV cache", DRAFT_CACHE)):
        for part in instant.parts:
            if part.name == name:
                low, mid, high = (share * times * part.bytes for times in of_name)
                drafts.append(
                    about(f"{name} of the draft model", mid, low, high, f"{share:.2g} of the {name}", DRAFT_SOURCE)
                )
    return instant.model_copy(update={"parts": (*instant.parts, *drafts)})


def _image(model: ImageModel, situation: Situation, settings: Settings) -> Needed:
    computing = FORMATS[settings.computing].bits / 8
    moved = 1.0 if settings.activations == "int8" else computing
    parameters = settings.share * model.parameters
    kept = FORMATS[settings.weights].bits / 8
    weights = exact(
        "weights", kept * parameters, f"{parameters:,.0f} parameters × {kept:g} B", FORMATS[settings.weights].source
    )
    on_gpu = situation.device.gpu
    if situation.phase == "inference":
        each = situation.batch * settings.share * model.activations * moved
        low, mid, high = (each * share for share in LIVE_OF_IMAGES)
        said = f"{situation.batch} images × {model.activations:,.0f} × {moved:g} B, of which {LIVE_OF_IMAGES[1]:g} at a time"
        live = about("activations", mid, low, high, said, OF_IMAGES)
        return Needed(instants=(Instant(name="forward", parts=overheads.with_these([weights, live], on_gpu)),))
    batch = micro_batch(situation, settings)
    optimizer = states.BY_WORD[settings.optimizer]
    moments = exact(
        "optimizer", optimizer.bytes * parameters, f"{optimizer.bytes:g} B × {parameters:,.0f}", optimizer.source
    )
    gradients = exact("gradients", kept * parameters, f"{kept:g} B × {parameters:,.0f}", "one of each parameter")
    each = batch * model.activations * moved
    # With each block's input alone kept, about the square root of the activations lives (Chen et al. 2016, arXiv 1604.06174).
    left = model.operators**-0.5 if settings.checkpointing else 1.0
    low, mid, high = (each * times * left for times in KEPT_OF_IMAGES)
    said = f"{batch} images × {model.activations:,.0f} × {moved:g} B × {KEPT_OF_IMAGES[1] * left:.2g}"
    activations = about("activations", mid, low, high, said, OF_IMAGES)
    parts = overheads.with_these([weights, moments, gradients, activations], on_gpu)
    return Needed(instants=(Instant(name="start of the backward pass", parts=parts),))
