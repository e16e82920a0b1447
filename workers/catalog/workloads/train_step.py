"""Train step: forward, backward and the optimizer's step on one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.metrics import LATENCY
from workers.catalog.model import Unsupported
from workers.catalog.technique import LOOKED, NOTED
from workers.catalog.workload import Bench, Holding, Mark, Part, Session, Workload, unmarked

if TYPE_CHECKING:
    import torch

LEARNING_RATE = 0.0
"""Every operation of AdamW runs as with any other rate, and the weights stay: each step does the same work on the same
numbers however many there are, and the arms' outputs stay comparable."""


class TrainStep(Workload):
    name: Literal["train_step"] = "train_step"
    title = "Train step"
    summary = "One optimisation step with AdamW: forward, backward and update, timed apart."
    phase = "training"
    sweepable = ("batch_size", "sequence_length")

    batch_size: int = Field(4, ge=1, le=65_536, description="Samples in one step, micro-batches taken together.")
    sequence_length: int = Field(128, ge=2, le=131_072, description="Tokens of each sample; decoders only.")

    @property
    def main_phase(self) -> str:
        return "step"

    @property
    def parts(self) -> tuple[Part, ...]:
        return Part("forward", LATENCY), Part("backward", LATENCY), Part("optimizer", LATENCY)

    @property
    def samples(self) -> int:
        return self.batch_size

    def prepare(self, bench: Bench) -> Session:
        return Training(self, bench, LEARNING_RATE)

    def training(self, bench: Bench, learning_rate: float) -> Training:
        """A session that really trains: its steps move the weights."""
        return Training(self, bench, learning_rate)


class Training(Session):
    """Steps of training; on one batch again and again unless it is fed others."""

    def __init__(self, workload: TrainStep, bench: Bench, learning_rate: float) -> None:
        import torch

        options = bench.options("training_options")
        pieces = int(options.get("micro_batches", 1))
        if pieces > workload.batch_size:
            raise Unsupported(f"A batch of {workload.batch_size} cannot be split into {pieces} micro-batches.")
        self.bench = bench
        self.model = bench.model.train()
        batch = bench.declared.inputs(
            bench.model, batch_size=workload.batch_size, length=workload.sequence_length, seed=bench.seed
        )
        self.pieces = pieces
        self.feed(batch)
        self.batch_size = workload.batch_size
        self.trained = [each for each in self.model.parameters() if each.requires_grad]
        self.in_backward = bool(options.get("in_backward", False))
        together = [[each] for each in self.trained] if self.in_backward else [self.trained]
        self.optimizers = [bench.optimizer(parameters, learning_rate) for parameters in together]
        self.updates = 0
        for optimizer in self.optimizers:
            optimizer.register_step_post_hook(self._updated)
        self.scaler = torch.amp.GradScaler(bench.device) if options.get("scaler") else None
        self.clip: float | None = options.get("clip")
        self.steps = 0
        self.loss = torch.zeros(())
        self.recomputed = 0
        self.taken = 0
        self.look: Callable[[], None] | None = None
        self.notes: dict[str, Any] | None = None
        self.buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]

    def feed(self, batch: dict[str, torch.Tensor]) -> None:
        """Take another batch of the workload's size for the steps from here on."""
        self.micro_batches = _split(batch, self.pieces)

    def step(self, mark: Mark) -> None:
        import torch

        before = getattr(self.model, "recomputed_calls", 0)
        self.loss = torch.zeros((), device=self.loss.device)
        self.taken = 0
        with self._updating_in_backward() if self.in_backward else nullcontext():
            for micro_batch in self.micro_batches:
                share = next(iter(micro_batch.values())).shape[0] / self.batch_size
                # Recomputed blocks must meet the kernels the forward pass met, so the context holds for both; autocast is
                # left before the backward pass, as torch asks for.
                with self.bench.step_context():
                    loss = self.bench.loss(micro_batch) * share
                    mark("forward")
                    scaled = loss if self.scaler is None else self.scaler.scale(loss)
                    with torch.autocast(self.bench.device, enabled=False):
                        torch.autograd.backward(scaled)
                    mark("backward")
                self.loss = self.loss + loss.detach()
                self.taken += 1
        if self.notes is not None:
            self.notes["gradient_bytes"] = sum(each.nbytes for each in self._gradients())
        if not self.in_backward:
            self._update(self.optimizers[0])
        mark("optimizer")
        self.steps += 1
        self.recomputed = getattr(self.model, "recomputed_calls", 0) - before

    def _update(self, optimizer: torch.optim.Optimizer) -> None:
        if self.clip is not None:
            self._clip(optimizer, self.clip)
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()
        optimizer.zero_grad(set_to_none=True)

    def _clip(self, optimizer: torch.optim.Optimizer, most: float) -> None:
        """Cut the norm of all gradients down; those that were scaled are brought back to their size before."""
        from torch.nn import utils

        if self.scaler is not None:
            self.scaler.unscale_(optimizer)
        utils.clip_grad_norm_(self.trained, most)
        if self.notes is not None:
            self.notes["clipped_norm"] = float(utils.get_total_norm(self._gradients()))

    @contextmanager
    def _updating_in_backward(self) -> Iterator[None]:
        """While entered, every parameter is updated as soon as its gradient is there, and the gradient is freed.

        Hooks are taken off after each step: those of another training on the same model would update it too.
        """

        def update(optimizer: torch.optim.Optimizer, _: torch.Tensor) -> None:
            if self.look is not None:
                self.look()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        hooks = [
            parameter.register_post_accumulate_grad_hook(partial(update, optimizer))  # type: ignore[no-untyped-call]
            for parameter, optimizer in zip(self.trained, self.optimizers, strict=True)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _updated(self, *_: Any) -> None:
        """Called after every step of an optimizer; the scaler leaves out those whose gradients overflowed."""
        self.updates += 1

    def between(self) -> None:
        """Put back what a step moves besides gradients: running statistics of batch norm."""
        import torch

        with torch.no_grad():
            for buffer, value in self.buffers:
                buffer.copy_(value)

    def holdings(self) -> Mapping[Holding, Iterable[torch.Tensor]]:
        return {"gradients": self._gradients(), "optimizer_states": [each for _, each in self._states()]}

    @contextmanager
    def watched(self, look: Callable[[], None]) -> Iterator[None]:
        """Gradients that are used in the backward pass are gone when it is marked."""
        self.look = look
        try:
            yield
        finally:
            self.look = None

    def facts(self) -> Mapping[str, Any]:
        import torch

        skipped, self.notes = self._skipped(), {}
        setattr(self.model, LOOKED, True)
        self.step(unmarked)
        self.between()
        if hasattr(self.model, "recomputed_calls") and not self.recomputed:
            # Inside a compiled graph no call can be counted; an eager step of the same blocks can be looked at.
            with torch.compiler.set_stance("force_eager"):
                self.step(unmarked)
                self.between()
        setattr(self.model, LOOKED, False)
        noted, self.notes = self.notes, None
        return {
            **getattr(self.model, NOTED, {}),
            **noted,
            "loss": float(self.loss),
            "micro_batches": self.taken,
            "scaler": self.scaler is not None,
            "skipped_updates": skipped,
            "optimizer": type(self.optimizers[0]).__name__,
            "optimizer_bytes": self._bytes_of_states(),
            "trained": sum(each.numel() for each in self.trained),
            "recomputed_calls": self.recomputed,
            "checkpointed_blocks": getattr(self.model, "checkpointed_blocks", 0),
        }

    def _gradients(self) -> list[torch.Tensor]:
        return [weight.grad for weight in self.model.parameters() if weight.grad is not None]

    def _states(self) -> Iterator[tuple[str, torch.Tensor]]:
        """States of the optimizers that are tensors, by name."""
        import torch

        for optimizer in self.optimizers:
            for state in optimizer.state.values():
                yield from ((name, each) for name, each in state.items() if isinstance(each, torch.Tensor))

    def _skipped(self) -> int:
        """Steps that did not update: a fused kernel leaves them out by itself, which only its own count shows."""
        counts = [int(each) for name, each in self._states() if name == "step"]
        return self.steps - (min(counts) if counts else self.updates // len(self.optimizers))

    def _bytes_of_states(self) -> dict[str, int]:
        """Bytes of the optimizers' states by the format they are stored in; "paged" where the host's memory may hold them.

        Tables that all of them share count once.
        """
        found: Counter[str] = Counter()
        plain = {tensor.data_ptr(): tensor for _, state in self._states() for tensor in _plain(state)}
        for tensor in plain.values():
            paged = " paged" if getattr(tensor, "is_paged", False) else ""
            found[f"{tensor.dtype}{paged}".removeprefix("torch.")] += tensor.nbytes
        return dict(found)


def _plain(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The plain tensors inside a tensor; quantised ones wrap several."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        yield tensor
    else:
        for name in flatten()[0]:
            yield from _plain(getattr(tensor, name))


def _split(batch: dict[str, torch.Tensor], pieces: int) -> list[dict[str, torch.Tensor]]:
    """The batch in nearly equal micro-batches, along its first axis."""
    parts = {name: tensor.tensor_split(pieces) for name, tensor in batch.items()}
    return [dict(zip(parts, values, strict=True)) for values in zip(*parts.values(), strict=True)]
