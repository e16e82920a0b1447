"""Training steps of small models, for the planner's benchmark: which, how they are built, and what the planner is asked about each.

Models are those of transformers, built from a configuration that the planner reads too. The step is the workload's: forward pass,
cross-entropy over all tokens, backward pass, optimizer's step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from app.planner.memory.training import Training
from workers.catalog.models import decoder, seeded
from workers.catalog.technique import LoadOptions
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.workload import Holding, Mark, Session

Dtype = Literal["fp32", "bf16", "autocast"]
"""``autocast`` keeps weights in float32 and computes products in bfloat16."""
Stepping = Literal["adamw fused", "adamw foreach", "adamw", "sgd momentum", "adafactor"]
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "autocast": "float32"}
SIZES: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 1_536,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "vocab_size": 16_384,
    "max_position_embeddings": 2_048,
}
OF_SIZE = {"hidden_size", "intermediate_size", "num_hidden_layers", "n_embd", "n_inner", "n_layer"}
"""Fields that no label repeats."""
NO_WORDS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
DROPOUT_OFF: dict[str, dict[str, Any]] = {
    "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "starcoder2": {"residual_dropout": 0.0, "embedding_dropout": 0.0, "attention_dropout": 0.0},
}
OF_FAMILY: dict[str, dict[str, Any]] = {
    "mixtral": {"num_local_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 768},
    "qwen3_moe": {"num_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": 256},
    "deepseek_v3": {
        "q_lora_rank": 256, "kv_lora_rank": 128, "qk_rope_head_dim": 32, "qk_nope_head_dim": 32, "v_head_dim": 64,
        "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1, "moe_intermediate_size": 512, "n_group": 2,
        "topk_group": 1, "first_k_dense_replace": 1,
    },
}  # fmt: skip
"""Fields that a family has besides, or otherwise."""
GPT2: dict[str, Any] = {
    "n_embd": 512,
    "n_inner": 2_048,
    "n_layer": 8,
    "n_head": 8,
    "n_positions": 2_048,
    "vocab_size": 16_384,
}


@dataclass(frozen=True)
class Step:
    """One training step."""

    family: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    dtype: Dtype = "fp32"
    batch: int = 2
    """Sequences of each micro-batch."""
    pieces: int = 1
    """Micro-batches whose gradients add up before the optimizer's step."""
    length: int = 512
    checkpointing: bool = False
    every: int = 1
    flash: bool = True
    rank: int | None = None
    stepping: Stepping = "adamw fused"

    @property
    def config(self) -> dict[str, Any]:
        """What ``config.json`` would hold."""
        own = GPT2 if self.family == "gpt2" else SIZES | OF_FAMILY.get(self.family, {})
        return {"model_type": self.family, **own, **NO_WORDS, **DROPOUT_OFF.get(self.family, {}), **self.sizes}

    @property
    def asked(self) -> Training:
        """What the planner is asked."""
        word, short = self.stepping.split()[0], "_bf16" if self.dtype == "bf16" and self.rank is None else ""
        optimizer = {"adamw": f"adamw{short}", "sgd": f"sgd_momentum{short}", "adafactor": "adafactor"}[word]
        return Training(
            batch=self.batch, sequence=self.length, weights="bf16" if self.dtype == "bf16" else "fp32",
            computing="fp32" if self.dtype == "fp32" else "bf16", optimizer=optimizer, fused=self.stepping == "adamw fused",
            foreach=self.stepping not in ("adamw", "adafactor"), accumulating=self.pieces > 1,
            checkpointing=self.checkpointing, every=self.every, flash=self.flash, rank=self.rank, on_gpu=False,
        )  # fmt: skip

    @property
    def label(self) -> str:
        """In one line of a table."""
        more = [f"{name.removeprefix('num_')} {value}" for name, value in self.sizes.items() if name not in OF_SIZE]
        more += [f"checkpointing 1 of {self.every}" if self.every > 1 else "checkpointing"] * self.checkpointing
        more += ["eager"] * (not self.flash) + [f"{self.pieces} micro-batches"] * (self.pieces > 1)
        more += [f"LoRA {self.rank}"] if self.rank else []
        return ", ".join([f"b{self.batch} s{self.length} {self.dtype}", self.stepping, *more])

    def prepare(self) -> tuple[nn.Module, Session]:
        """The model, and a session that makes the step."""
        from transformers import AutoConfig, AutoModelForCausalLM

        named = {name: value for name, value in self.config.items() if name != "model_type"}
        config = AutoConfig.for_model(self.family, **named)
        config._attn_implementation = "sdpa" if self.flash else "eager"
        options = LoadOptions(dtype=DTYPES[self.dtype])
        construct: Any = AutoModelForCausalLM.from_config
        model = seeded.build(lambda: construct(config), options).train()
        if self.rank:
            _adapt(model, self.rank)
        if self.checkpointing:
            model = GradientCheckpointing(every=self.every).transform(model)
        return model, Stepped(model, self)


class Stepped(Session):
    """Repeats a training step on one batch."""

    def __init__(self, model: nn.Module, step: Step) -> None:
        self.model, self.made = model, step
        self.batch = decoder.inputs(model, batch_size=step.batch, length=step.length, seed=0)
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizer = _optimizer(step.stepping, trained)

    def step(self, mark: Mark) -> None:
        for _ in range(self.made.pieces):
            # As the workload does it: autocast holds for layers that are computed again, and is off in the backward pass.
            with torch.autocast("cpu", torch.bfloat16, enabled=self.made.dtype == "autocast"):
                loss = decoder.loss(self.model, self.batch)
                mark("forward")
                with torch.autocast("cpu", enabled=False):
                    loss.backward()  # type: ignore[no-untyped-call]
                mark("backward")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        mark("optimizer")

    def holdings(self) -> Mapping[Holding, Iterator[torch.Tensor]]:
        states = (each for state in self.optimizer.state.values() for each in state.values())
        return {
            "gradients": (weight.grad for weight in self.model.parameters() if weight.grad is not None),
            "optimizer_states": (each for each in states if isinstance(each, torch.Tensor)),
        }


def _optimizer(stepping: Stepping, trained: list[nn.Parameter]) -> torch.optim.Optimizer:
    if stepping == "adafactor":
        from transformers.optimization import Adafactor

        adafactor: Any = Adafactor
        made: torch.optim.Optimizer = adafactor(trained, lr=1e-3, scale_parameter=False, relative_step=False)
        return made
    if stepping == "sgd momentum":
        return torch.optim.SGD(trained, lr=1e-3, momentum=0.9, foreach=True)
    if stepping == "adamw fused":
        return torch.optim.AdamW(trained, lr=1e-3, fused=True)
    return torch.optim.AdamW(trained, lr=1e-3, foreach=stepping == "adamw foreach")


class Adapted(nn.Module):
    """A frozen linear layer with a low-rank adapter beside it (LoRA, arXiv 2106.09685)."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen: nn.Module = linear
        self.down = nn.Parameter(torch.zeros(rank, linear.in_features))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """The layer's result and the adapter's, computed in the format of the tensor [B, S, D]."""
        narrow = functional.linear(tensor, self.down.to(tensor.dtype))
        result: torch.Tensor = self.frozen(tensor) + functional.linear(narrow, self.up.to(tensor.dtype))
        return result


def _adapt(model: nn.Module, rank: int) -> None:
    """Freeze all weights and put an adapter beside every linear layer but the head."""
    for weight in model.parameters():
        weight.requires_grad_(False)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and "layers" in name:
            model.set_submodule(name, Adapted(module, rank))
    decoding: Any = model
    decoding.enable_input_require_grads()  # A checkpointed first layer has no gradient to carry otherwise.
