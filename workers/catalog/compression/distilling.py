"""Trains a student on the data its teacher was trained on, towards the teacher's answers and the right ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from workers.catalog.evaluations import data
from workers.catalog.model import Labelled, Model, Unsupported
from workers.catalog.workload import Bench

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

WINDOWS, WINDOW = 8, 128
"""Stretches of text of one step, and tokens of each, where the model saw so many at once."""
SAMPLES = 64
"""Images or vectors of one step."""
WARMING = 0.1
"""Share of the steps in which the learning rate rises; then it falls to nothing."""
CLIP = 1.0
"""Norm of the gradients at most."""
ENDS = 20
"""The loss at the beginning and at the end is a mean over one of so many parts of the steps."""


class Course(NamedTuple):
    """How a student is trained."""

    steps: int
    learning_rate: float
    temperature: float
    alpha: float
    """Weight of the teacher's answers; the right ones have the rest."""
    seed: int


class Trained(NamedTuple):
    """What came of it."""

    steps: int
    first: float
    """Mean loss of the first steps, nats."""
    last: float
    """Of the last ones."""
    taught: bool
    """Whether a teacher took part."""


def distil(declared: Model, teacher: nn.Module, student: nn.Module, course: Course) -> Trained:
    """Train the student in fp32, on the same batches for a seed; it keeps its number format.

    The loss is ``alpha * T**2 * KL(teacher || student)`` of answers softened by the temperature T, and ``1 - alpha`` of the
    cross-entropy with the right ones (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).

    Raises:
        Unsupported: the model comes with no training data.
    """
    import torch

    real = declared.labelled("train")
    if real is None:
        raise Unsupported(f"{declared.label} comes with no data to train a student on.")
    losses: list[float] = []
    with _in_fp32(student), torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(course.seed)
        optimizer = torch.optim.AdamW(student.parameters(), lr=course.learning_rate)
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, course.learning_rate, total_steps=course.steps + 1, pct_start=WARMING
        )
        student.train()
        for inputs, labels in _drawn(declared, real, course):
            loss = _loss(declared, teacher, student, course, inputs, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(student.parameters(), CLIP)
            optimizer.step()
            rate.step()
            losses.append(float(loss.detach()))
        optimizer.zero_grad(set_to_none=True)
        student.eval()
    part = max(1, course.steps // ENDS)
    return Trained(len(losses), sum(losses[:part]) / part, sum(losses[-part:]) / part, course.alpha > 0)


def _loss(
    declared: Model,
    teacher: nn.Module,
    student: nn.Module,
    course: Course,
    inputs: np.ndarray,
    labels: np.ndarray | None,
) -> torch.Tensor:
    import torch
    from torch.nn import functional

    batch = _batch(declared, student, inputs, labels)
    scores = declared.logits(student, batch).float()
    decoder = declared.kind == "decoder"
    wanted = batch["input_ids"][:, 1:].flatten() if decoder else batch["labels"]
    answered = scores[:, :-1].flatten(0, 1) if decoder else scores
    loss = (1 - course.alpha) * functional.cross_entropy(answered, wanted)
    if course.alpha:
        with torch.no_grad():
            told = declared.logits(teacher, _batch(declared, teacher, inputs, labels)).float()
        soft = functional.kl_div(
            (scores / course.temperature).log_softmax(-1).flatten(0, -2),
            (told / course.temperature).log_softmax(-1).flatten(0, -2),
            reduction="batchmean",
            log_target=True,
        )
        loss = loss + course.alpha * course.temperature**2 * soft
    return loss


def _drawn(declared: Model, real: Labelled, course: Course) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Inputs and labels of every step."""
    import numpy as np

    generator = np.random.default_rng(course.seed)
    for _ in range(course.steps):
        if declared.kind == "decoder":
            length = min(WINDOW, real.window or WINDOW)
            starts = generator.integers(0, len(real.inputs) - length + 1, WINDOWS)
            yield real.inputs[starts[:, None] + np.arange(length)], None
        else:
            assert real.labels is not None
            chosen = generator.integers(0, len(real.inputs), SAMPLES)
            yield real.inputs[chosen], real.labels[chosen]


def _batch(declared: Model, model: nn.Module, inputs: np.ndarray, labels: np.ndarray | None) -> dict[str, torch.Tensor]:
    bench = Bench(model, declared, (), "cpu", 0)
    return data.tokens(bench, inputs) if labels is None else data.samples(bench, inputs, labels)


@contextmanager
def _in_fp32(model: nn.Module) -> Iterator[None]:
    """Hold the model in fp32 for a while: updates of a short format would round to nothing."""
    tensors = [*model.parameters(), *model.buffers()]
    formats = [tensor.dtype for tensor in tensors]
    for tensor in tensors:
        if tensor.is_floating_point():
            tensor.data = tensor.data.float()
    yield
    for tensor, dtype in zip(tensors, formats, strict=True):
        tensor.data = tensor.data.to(dtype)
