"""What one workload declares and does: it prepares a session on a loaded model; the session makes one step of work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from workers.catalog.declared import Declared
from workers.catalog.metrics import Metric
from workers.catalog.model import Model
from workers.catalog.technique import ANY_MODEL, DeviceKind, ModelKind, Phase, Technique

if TYPE_CHECKING:
    import torch
    from torch import nn

Mark = Callable[[str], None]
"""Called by a session inside a step when a phase of it has just ended, for example mark("forward").

A phase that a step goes through several times (forward of every micro-batch) is marked each time; its times add up.
"""


def unmarked(phase: str) -> None:
    """The mark of a step whose phases nobody asks about."""


Holding = Literal["gradients", "optimizer_states", "kv_cache"]
"""What a session keeps in memory besides the model's weights."""


class Part(NamedTuple):
    """One timed part of a step: what its time is called, and by what it is divided."""

    phase: str
    metric: Metric
    divisor: int = 1
    """The part's time is divided by this (tokens after the first, for time per output token)."""


@dataclass(frozen=True)
class Bench:
    """A model ready to work: built, transformed, compiled; with the stack that shaped it."""

    model: nn.Module
    declared: Model
    stack: Sequence[Technique]
    device: DeviceKind
    seed: int

    def step_context(self) -> AbstractContextManager[Any]:
        """All step contexts of the stack, entered in order."""
        from contextlib import ExitStack

        entered = ExitStack()
        for technique in self.stack:
            entered.enter_context(technique.step_context(self.device))
        return entered

    def options(self, hook: str) -> dict[str, Any]:
        """What a hook of the whole stack returns, merged in order: ``generation_options`` or ``training_options``."""
        merged: dict[str, Any] = {}
        for technique in self.stack:
            merged.update(getattr(technique, hook)())
        return merged

    def optimizer(self, parameters: Sequence[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        """The optimizer of some of the parameters that are trained: the stack's, or torch's AdamW."""
        import torch

        for technique in self.stack:
            if (found := technique.optimizer(parameters, learning_rate)) is not None:
                return found
        return torch.optim.AdamW(parameters, lr=learning_rate)

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The loss of one training batch, a scalar: computed in the stack's way, or the model's."""
        for technique in self.stack:
            if (found := technique.loss(self.declared, self.model, batch)) is not None:
                return found
        return self.declared.loss(self.model, batch)


class Session(ABC):
    """Work that can be repeated: every step does the same amount."""

    @abstractmethod
    def step(self, mark: Mark) -> None:
        """One unit of work, from start to end; the probe synchronises the device around it."""

    def between(self) -> None:
        """Undo what a step left behind (a grown cache), outside the timed region."""
        return

    def holdings(self) -> Mapping[Holding, Iterable[torch.Tensor]]:
        """What tensors are for, at this moment: asked between steps, and inside one at its marks."""
        return {}

    def watched(self, look: Callable[[], None]) -> AbstractContextManager[None]:
        """While entered, a step calls ``look`` whenever its holdings have changed and no mark says so.

        No timed step is watched.
        """
        return nullcontext()

    def facts(self) -> Mapping[str, Any]:
        """What the session noticed about itself after at least one step; evidence for proofs."""
        return {}


class Workload(Declared):
    """What is done with the model."""

    phase: ClassVar[Phase]
    models: ClassVar[frozenset[ModelKind]] = ANY_MODEL
    sweepable: ClassVar[tuple[str, ...]] = ()
    """Fields that a study may sweep over."""
    on_fake_tensors: ClassVar[bool] = True
    """Whether a step works on tensors without values; what does not cannot be counted (effort ``exact``)."""
    logits: ClassVar[bool] = True
    """Whether the workload runs the whole model, so that outputs can be compared."""

    def misfit(self, model: Model) -> str | None:
        """Why the workload cannot use this model although its kind fits; None when it can."""
        return None

    @abstractmethod
    def prepare(self, bench: Bench) -> Session:
        """A session on the loaded model.

        Raises:
            Unsupported: the model cannot do what the sizes ask for; the message says why.
        """

    @property
    @abstractmethod
    def main_phase(self) -> str:
        """What a whole step is called in measurements: prefill, decode, generate, classify, step, attention."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Parts of a step that are timed apart, in the order in which a step marks them; empty for one-part steps."""
        return ()

    @property
    def tokens(self) -> int | None:
        """Tokens one step processes; None when it is not about tokens."""
        return None

    @property
    def samples(self) -> int | None:
        """Samples (images, vectors, sequences) one step processes."""
        return None
