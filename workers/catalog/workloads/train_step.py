"""Train step: forward, backward and the optimizer's step on one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.metrics import LATENCY
from workers.catalog.model import Unsupported
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
        self.optimizer = bench.optimizer(learning_rate)
        self.updates = 0
        self.optimizer.register_step_post_hook(self._updated)
        self.scaler = torch.amp.GradScaler(bench.device) if options.get("scaler") else None
        self.steps = 0
        self.loss = torch.zeros(())
        self.recomputed = 0
        self.taken = 0
        self.buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]

    def feed(self, batch: dict[str, torch.Tensor]) -> None:
        """Take another batch of the workload's size for the steps from here on."""
        self.micro_batches = _split(batch, self.pieces)

    def step(self, mark: Mark) -> None:
        import torch

        before = getattr(self.model, "recomputed_calls", 0)
        self.loss = torch.zeros((), device=self.loss.device)
        self.taken = 0
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
        self._update()
        mark("optimizer")
        self.recomputed = getattr(self.model, "recomputed_calls", 0) - before

    def _update(self) -> None:
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.steps += 1
        self.optimizer.zero_grad(set_to_none=True)

    def _updated(self, *_: Any) -> None:
        """Called after every step of the optimizer; the scaler leaves out those whose gradients overflowed."""
        self.updates += 1

    def between(self) -> None:
        """Put back what a step moves besides gradients: running statistics of batch norm."""
        import torch

        with torch.no_grad():
            for buffer, value in self.buffers:
                buffer.copy_(value)

    def holdings(self) -> Mapping[Holding, Iterable[torch.Tensor]]:
        import torch

        states = self.optimizer.state.values()
        return {
            "gradients": [weight.grad for weight in self.model.parameters() if weight.grad is not None],
            "optimizer_states": [each for state in states for each in state.values() if isinstance(each, torch.Tensor)],
        }

    def facts(self) -> Mapping[str, Any]:
        import torch

        if hasattr(self.model, "recomputed_calls") and not self.recomputed:
            # Inside a compiled graph no call can be counted; an eager step of the same blocks can be looked at.
            with torch.compiler.set_stance("force_eager"):
                self.step(unmarked)
                self.between()
        return {
            "loss": float(self.loss),
            "micro_batches": self.taken,
            "scaler": self.scaler is not None,
            "skipped_updates": self.steps - self.updates,
            "optimizer": type(self.optimizer).__name__,
            "optimizer_bytes": self._bytes_of_states(),
            "trained": sum(each.numel() for each in self.model.parameters() if each.requires_grad),
            "recomputed_calls": self.recomputed,
            "checkpointed_blocks": getattr(self.model, "checkpointed_blocks", 0),
        }

    def _bytes_of_states(self) -> dict[str, int]:
        """Bytes of the optimizer's states by the format they are stored in."""
        found: Counter[str] = Counter()
        for tensor in self.holdings()["optimizer_states"]:
            found[str(tensor.dtype).removeprefix("torch.")] += tensor.nbytes
        return dict(found)


def _split(batch: dict[str, torch.Tensor], pieces: int) -> list[dict[str, torch.Tensor]]:
    """The batch in nearly equal micro-batches, along its first axis."""
    parts = {name: tensor.tensor_split(pieces) for name, tensor in batch.items()}
    return [dict(zip(parts, values, strict=True)) for values in zip(*parts.values(), strict=True)]
