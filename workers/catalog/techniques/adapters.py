"""Low-rank adapters on frozen linear layers, by peft: attached, counted, and shown to be all that is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from workers.catalog.model import Unsupported
from workers.catalog.technique import NOTED, Evidence
from workers.catalog.techniques import linears

if TYPE_CHECKING:
    from torch import nn

Targets = Literal["all", "attention"]
BYTES = 4
"""Of a weight of an adapter, and of its gradient: they stay in fp32 beside shorter base weights, as in peft."""
ADAPTER = "adapter"
"""What peft calls it."""
ADAPTERS = "adapter_parameters"
"""Fact of training: parameters of the adapters, by the shapes of the layers that have them."""


def chosen(model: nn.Module, title: str, targets: Targets) -> dict[str, nn.Linear]:
    """Linear layers that get adapters, by dotted name: never the one that gives the scores.

    Raises:
        Unsupported: there are none; ``title`` names the technique that finds nothing to do.
    """
    found = linears.inner(model, title)
    if targets == "all":
        return found
    attending = [name for name, module in model.named_modules() if "Attention" in type(module).__name__]
    inside = {name: layer for name, layer in found.items() if any(name.startswith(f"{each}.") for each in attending)}
    if not inside:
        raise Unsupported(
            f"{title} of attention finds no attention layer in {type(model).__name__}; targets all takes its others."
        )
    return inside


def attach(model: nn.Module, layers: dict[str, nn.Linear], *, rank: int, alpha: int) -> nn.Module:
    """Freeze the model and give these layers adapters, in fp32 on the layers' device.

    peft makes them without memory, and they get it here: where it moves and casts them, tensors without values cannot follow.
    """
    import torch
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.lora import LoraLayer
    from torch import nn
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    model.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, bias="none", target_modules=list(layers))
    with unset_fake_temporarily():
        inject_adapter_in_model(config, model, ADAPTER, low_cpu_mem_usage=True)
    for module in model.modules():
        if isinstance(module, LoraLayer):
            adapted: Any = module
            device = adapted.get_base_layer().weight.device
            for half in (adapted.lora_A[ADAPTER], adapted.lora_B[ADAPTER]):
                half.weight = nn.Parameter(torch.empty(half.weight.shape, dtype=torch.float32, device=device))
            adapted.reset_lora_parameters(ADAPTER, init_lora_weights=True)
    parameters = sum(rank * (each.in_features + each.out_features) for each in layers.values())
    setattr(model, NOTED, {**getattr(model, NOTED, {}), ADAPTERS: parameters})
    return model


def wrong(evidence: Evidence) -> str | None:
    """Why a step did not train the adapters and nothing else; None when it did."""
    due, trained = (int(evidence.facts.get(name, 0)) for name in (ADAPTERS, "trained"))
    if due == 0 or trained != due:
        return f"{trained:,} parameters are trained; the adapters have {due:,}."
    in_backward = any(technique.training_options().get("in_backward") for technique in evidence.stack)
    gradients = int(evidence.facts.get("gradient_bytes", 0))
    if not in_backward and gradients != BYTES * due:
        return f"Gradients of {gradients:,} bytes were there after the backward pass; those of the adapters have {BYTES * due:,}."
    return None
