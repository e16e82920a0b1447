"""Silent fall-backs made on purpose: for every technique a model that does not do what was asked, without saying so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from workers.catalog.model import Model
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.models.vit import Vit
from workers.catalog.technique import Family, Technique
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.autocast import Autocast
from workers.catalog.techniques.awq import Awq
from workers.catalog.techniques.chunked_loss import ChunkedLoss
from workers.catalog.techniques.decoding import Decoding
from workers.catalog.techniques.distillation import Distillation
from workers.catalog.techniques.fp8 import Fp8
from workers.catalog.techniques.gptq import Gptq
from workers.catalog.techniques.gradient_accumulation import GradientAccumulation
from workers.catalog.techniques.gradient_checkpointing import GradientCheckpointing
from workers.catalog.techniques.int4_weight_only import Int4WeightOnly
from workers.catalog.techniques.int8_dynamic import Int8Dynamic
from workers.catalog.techniques.int8_static import Int8Static
from workers.catalog.techniques.int8_weight_only import Int8WeightOnly
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.techniques.llm_int8 import LlmInt8
from workers.catalog.techniques.lora import Lora
from workers.catalog.techniques.mxfp4 import Mxfp4
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.nvfp4 import Nvfp4
from workers.catalog.techniques.optimizer import Optimizer
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.qlora import Qlora
from workers.catalog.techniques.semi_structured_pruning import SemiStructuredPruning
from workers.catalog.techniques.smoothquant import SmoothQuant
from workers.catalog.techniques.structured_pruning import StructuredPruning
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.techniques.unstructured_pruning import UnstructuredPruning
from workers.catalog.techniques.w4a8 import W4a8
from workers.catalog.workload import Workload
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.generate import Generate
from workers.catalog.workloads.prefill import Prefill
from workers.catalog.workloads.train_step import TrainStep

PREFILL = Prefill(sequence_length=16)
TRAIN = TrainStep(batch_size=4, sequence_length=16)
COMPILE = TorchCompile()


class Spoiled(Technique):
    """Stands in a stack behind all others and makes them not happen."""

    technique: Literal["spoiled"] = "spoiled"
    title = "Spoiled"
    summary = "Makes others fall back."
    family: ClassVar[Family] = "training"
    order = 80

    change: Callable[[nn.Module], None]
    options: dict[str, Any] = {}

    def transform(self, model: nn.Module) -> nn.Module:
        self.change(model)
        return model

    def training_options(self) -> dict[str, Any]:
        return self.options


class Seeded(NamedTuple):
    """One technique where it runs, and what is done to it so that it does not."""

    how: str
    technique: Technique
    model: Model
    workload: Workload
    change: Callable[[nn.Module], None]
    others: tuple[Technique, ...] = ()
    options: dict[str, Any] = {}

    @property
    def spoiled(self) -> Spoiled:
        """The technique that makes it fall back."""
        return Spoiled(change=self.change, options=self.options)


def _inside(context: Callable[[], Any], model: nn.Module) -> None:
    """Have the model's forward pass run in a context of its own, which comes inside those of the stack."""
    forward = model.forward

    def in_context(*inputs: Any, **named: Any) -> Any:
        with context():
            return forward(*inputs, **named)

    model.forward = in_context


def _linears(model: nn.Module) -> Iterator[nn.Linear]:
    """Linear layers and what has replaced them, without the one that gives the scores."""
    found = [module for module in model.modules() if isinstance(module, nn.Linear)]
    yield from found[:-1]


def _to_float(model: nn.Module) -> None:
    model.float()


def _upcast(model: nn.Module, share: float = 1.0) -> None:
    """Linear layers keep their weights and multiply in fp32."""
    found = list(_linears(model))
    for linear in found[: round(share * len(found))]:

        def forward(x: torch.Tensor, of: nn.Linear = linear) -> torch.Tensor:
            bias = None if of.bias is None else of.bias.float()
            return functional.linear(x.float(), of.weight.float(), bias).to(x.dtype)

        linear.forward = forward  # type: ignore[method-assign, assignment]


def _bypass(model: nn.Module, count: int = 1_000) -> None:
    """Quantised layers keep their weights and multiply by others, which are not quantised."""
    for linear in list(_linears(model))[:count]:
        plain = torch.zeros(linear.out_features, linear.in_features)
        linear.forward = partial(_dense, plain)  # type: ignore[method-assign]


def _dense(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return functional.linear(x, weight.to(x.dtype))


def _dequantize(model: nn.Module, count: int = 1_000) -> None:
    for linear in list(_linears(model))[:count]:
        weight: Any = linear.weight
        linear.weight = nn.Parameter(weight.dequantize(), requires_grad=False)


def _do_not_round(model: nn.Module) -> None:
    """One of Model Optimizer's quantizers of weights lets everything pass."""
    quantizer: Any = next(module for name, module in model.named_modules() if name.endswith("1.weight_quantizer"))
    quantizer.disable()


def _generate_plainly(model: Any) -> None:
    """generate takes the likeliest token each time, and a cache of its own, whatever it was told."""
    generate = model.generate

    def plain(*arguments: Any, assistant_model: Any = None, past_key_values: Any = None, **options: Any) -> Any:
        model.generation_config.update(do_sample=False, num_beams=1, prompt_lookup_num_tokens=None)
        return generate(*arguments, **options)

    model.generate = plain


def _forward_with(model: nn.Module, **forced: Any) -> None:
    """The model is always called with these arguments."""
    forward = model.forward
    model.forward = lambda *inputs, **named: forward(*inputs, **(named | forced))


def _break_graph(model: nn.Module) -> None:
    linear = list(_linears(model))[1]
    forward = linear.forward

    def broken(x: torch.Tensor) -> torch.Tensor:
        torch._dynamo.graph_break()
        return forward(x)

    linear.forward = broken  # type: ignore[method-assign, assignment]


def _disable_compiler(model: nn.Module) -> None:
    model.forward = torch.compiler.disable(model.forward)  # type: ignore[no-untyped-call]


def _stay_in_eval(model: nn.Module) -> None:
    """The model does not go into training mode, in which alone its blocks are checkpointed."""
    model.train = partial(_in_eval, model)  # type: ignore[method-assign]


def _in_eval(module: nn.Module, mode: bool = True) -> nn.Module:
    return nn.Module.train(module, False)


def _stay_in_eval_from(number: int, model: Any) -> None:
    for layer in model.model.layers[number:]:
        layer.train = partial(_in_eval, layer)


def _plain_blocks(model: nn.Module) -> None:
    for module in model.modules():
        module.__dict__.pop("forward", None)


def _dense_again(model: Any) -> None:
    """One block gets a feed-forward layer of the width it had."""
    block = model.model.layers[1].mlp
    block.gate_proj, block.up_proj = nn.Linear(256, 688, bias=False), nn.Linear(256, 688, bias=False)
    block.down_proj = nn.Linear(688, 256, bias=False)


def _untrained(model: nn.Module) -> None:
    """The student as it was cut, without a training."""
    del model.distilled


def _no_zeros(model: nn.Module) -> None:
    """One layer that was pruned gets small numbers for its zeros."""
    weight = next(_linears(model)).weight
    with torch.no_grad():
        weight[weight == 0] = 1e-6


def _nothing(model: nn.Module) -> None:
    return


def _all_logits(model: Any) -> None:
    """The head computes and looks through all logits, before chunks of them are computed again."""
    head = model.lm_head
    forward = head.forward

    def whole(hidden: torch.Tensor) -> torch.Tensor:
        functional.linear(hidden, head.weight).amax()
        passed: torch.Tensor = forward(hidden)
        return passed

    head.forward = whole


def _train_all(model: nn.Module) -> None:
    model.requires_grad_(True)


def _without_half(model: nn.Module) -> None:
    """Adapters of every second layer do not take part."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    for module in adapted[::2]:
        module._disable_adapters = True


def _bypass_frozen(model: nn.Module, count: int) -> None:
    """Some layers keep their 4-bit weights beside their adapters and multiply by others."""
    frozen = [
        module
        for module in _linears(model)
        if type(module).__name__ == "Linear4bit" and module.weight.dtype == torch.uint8
    ]
    for layer in frozen[:count]:
        layer.forward = partial(_dense, torch.zeros(layer.out_features, layer.in_features))  # type: ignore[method-assign]


@contextmanager
def _math() -> Iterator[None]:
    with sdpa_kernel(SDPBackend.MATH):
        yield


def _math_in_one_layer(model: Any) -> None:
    _inside(_math, model.model.layers[1].self_attn)


def _fp32() -> Any:
    return torch.autocast("cpu", enabled=False)


SEEDED: tuple[Seeded, ...] = (
    Seeded("weights are put back to fp32", Precision(dtype="bf16"), Llama(), PREFILL, _to_float),
    Seeded("layers multiply in fp32", Precision(dtype="bf16"), Llama(), PREFILL, _upcast),
    Seeded("every fifth layer multiplies in fp32", Precision(dtype="bf16"), Llama(), PREFILL, partial(_upcast, share=0.2)),
    Seeded("compiled layers multiply in fp32", Precision(dtype="bf16"), Mlp(width=64, layers=2), Classify(), _upcast, (COMPILE,)),
    Seeded("fp32 asked, autocast inside", Precision(dtype="fp32"), Llama(), PREFILL, partial(_inside, lambda: torch.autocast("cpu", torch.bfloat16))),
    Seeded("training in fp32", Precision(dtype="bf16"), Mlp(width=64), TRAIN, _upcast),
    Seeded("autocast is switched off inside", Autocast(), Llama(), PREFILL, partial(_inside, _fp32)),
    Seeded("autocast is switched off inside, compiled", Autocast(), Mlp(width=64, layers=2), Classify(), partial(_inside, _fp32), (COMPILE,)),
    Seeded("autocast is switched off in training", Autocast(), Vit(image_size=32), TRAIN, partial(_inside, _fp32)),
    Seeded("math is forced inside", Attention(backend="flash"), Llama(), PREFILL, partial(_inside, _math)),
    Seeded("math is forced in one layer", Attention(backend="flash"), Llama(), PREFILL, _math_in_one_layer),
    Seeded("math is forced inside, compiled", Attention(backend="flash"), Llama(), PREFILL, partial(_inside, _math), (COMPILE,)),
    Seeded("a fused kernel is forced inside", Attention(backend="math"), Llama(), PREFILL, partial(_inside, lambda: sdpa_kernel(SDPBackend.FLASH_ATTENTION))),
    Seeded("the graph is broken", COMPILE, Mlp(width=64, layers=2), Classify(), _break_graph),
    Seeded("the compiler is switched off", COMPILE, Mlp(width=64, layers=2), Classify(), _disable_compiler),
    Seeded("the model never caches", KvCache(implementation="dynamic"), Llama(), Generate(prompt_length=8, new_tokens=4), partial(_forward_with, use_cache=False, past_key_values=None)),
    Seeded("the model never caches in decode", KvCache(implementation="static"), Llama(), Decode(context_length=8), partial(_forward_with, use_cache=False, past_key_values=None)),
    Seeded("the model caches whatever is asked", KvCache(implementation="off"), Llama(), Decode(context_length=8), partial(_forward_with, use_cache=True)),
    *(Seeded("the cache is a whole one", KvCache.model_validate({"implementation": word}), Llama(), Generate(prompt_length=72, new_tokens=4), _generate_plainly) for word in ("int8", "int4", "fp8", "window")),
    *(Seeded("the likeliest token is written", Decoding.model_validate({"method": word}), Llama(), Generate(prompt_length=16, new_tokens=8), _generate_plainly) for word in ("sampling", "beam", "prompt_lookup", "draft")),
    Seeded("weights are put back", Int8WeightOnly(), Llama(), PREFILL, _dequantize),
    Seeded("one layer's weights are put back", Int8WeightOnly(), Llama(), PREFILL, partial(_dequantize, count=1)),
    Seeded("one layer multiplies by others", Int8WeightOnly(), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one compiled layer multiplies by others", Int8WeightOnly(), Mlp(width=64, layers=2), Classify(), partial(_bypass, count=1), (COMPILE,)),
    Seeded("layers multiply by others", LlmInt8(), Llama(), PREFILL, _bypass),
    Seeded("one layer multiplies by others", LlmInt8(), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one layer multiplies by others", Int8Dynamic(), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one layer's weights are put back", Int8Dynamic(), Llama(), PREFILL, partial(_dequantize, count=1)),
    Seeded("one layer multiplies by others", Int8Static(calibration_samples=2), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one layer's weights are put back", Int8Static(calibration_samples=2), Llama(), PREFILL, partial(_dequantize, count=1)),
    Seeded("one layer multiplies by others", Int4WeightOnly(), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one layer multiplies by others", Fp8(), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one layer's weights are put back", Fp8(), Llama(), PREFILL, partial(_dequantize, count=1)),
    Seeded("one layer multiplies by others", Fp8(granularity="block", block=64), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one layer's weights are put back", Fp8(granularity="block", block=64), Llama(), PREFILL, partial(_dequantize, count=1)),
    Seeded("one layer multiplies by others", Mxfp4(), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one layer's weights are put back", Mxfp4(), Llama(), PREFILL, partial(_dequantize, count=1)),
    Seeded("one layer multiplies by others", Nvfp4(), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one layer's weights are put back", Nvfp4(), Llama(), PREFILL, partial(_dequantize, count=1)),
    Seeded("one compiled layer multiplies by others", Int8Dynamic(), Mlp(width=64, layers=2), Classify(), partial(_bypass, count=1), (COMPILE,)),
    Seeded("one compiled layer multiplies by others", Int4WeightOnly(), Mlp(width=64, layers=2), Classify(), partial(_bypass, count=1), (COMPILE,)),
    Seeded("one layer multiplies by others", SmoothQuant(calibration_samples=2), Mlp(width=64, layers=2), Classify(), partial(_bypass, count=1)),
    Seeded("one layer does not round", SmoothQuant(calibration_samples=2), Mlp(width=64, layers=2), Classify(), _do_not_round),
    Seeded("one layer multiplies by others", Awq(calibration_samples=2), Mlp(width=64, layers=2), Classify(), partial(_bypass, count=1)),
    Seeded("one layer does not round", Awq(calibration_samples=2), Mlp(width=64, layers=2), Classify(), _do_not_round),
    Seeded("one layer multiplies by others", Gptq(calibration_samples=2), Mlp(width=64, layers=2), Classify(), partial(_bypass, count=1)),
    Seeded("one layer does not round", Gptq(calibration_samples=2), Mlp(width=64, layers=2), Classify(), _do_not_round),
    Seeded("one layer multiplies by others", W4a8(calibration_samples=2), Mlp(width=64, layers=2), Classify(), partial(_bypass, count=1)),
    Seeded("one layer does not round", W4a8(calibration_samples=2), Mlp(width=64, layers=2), Classify(), _do_not_round),
    Seeded("layers multiply by others", Nf4(), Llama(), PREFILL, _bypass),
    Seeded("one layer multiplies by others", Nf4(), Llama(), PREFILL, partial(_bypass, count=1)),
    Seeded("one layer's zeros are filled", SemiStructuredPruning(), Mlp(width=64), Classify(), _no_zeros),
    Seeded("the student is not trained", Distillation(dimension="width", steps=4), ReferenceCnn(), Classify(), _untrained),
    Seeded("one block is as wide as before", StructuredPruning(), Llama(), PREFILL, _dense_again),
    Seeded("one layer's zeros are filled", UnstructuredPruning(), Mlp(width=64), Classify(), _no_zeros),
    Seeded("zeros are filled", UnstructuredPruning(scope="global"), Mlp(width=64), Classify(), _no_zeros),
    Seeded("the model stays in evaluation mode", GradientCheckpointing(), Llama(), TRAIN, _stay_in_eval),
    Seeded("half of the layers stay in evaluation mode", GradientCheckpointing(), Llama(), TRAIN, partial(_stay_in_eval_from, 3)),
    Seeded("blocks are put back", GradientCheckpointing(), Mlp(width=64), TRAIN, _plain_blocks),
    Seeded("the batch is taken at once", GradientAccumulation(steps=2), Mlp(width=64), TRAIN, _nothing, options={"micro_batches": 1}),
    Seeded("all logits are computed besides", ChunkedLoss(), Llama(), TRAIN, _all_logits),
    Seeded("the base is trained too", Lora(), Mlp(width=64), TRAIN, _train_all),
    Seeded("half of the adapters are left out", Lora(), Llama(), TRAIN, _without_half),
    Seeded("half of the adapters are left out", Qlora(), Llama(), TRAIN, _without_half),
    Seeded("one layer multiplies by others", Qlora(), Llama(), TRAIN, partial(_bypass_frozen, count=1)),
    Seeded("gradients are kept to the end", Optimizer(in_backward=True), Mlp(width=64), TRAIN, _nothing, options={"in_backward": False}),
)  # fmt: skip
"""Every technique of the menu has at least one."""
