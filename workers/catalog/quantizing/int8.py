"""What a step shows of linear layers that multiply in int8."""

from workers.catalog.technique import Evidence, Verified

TENSOR_CLASS = "Int8Tensor"
"""torchao's tensor of int8 weights."""
PRODUCT = "aten::_int_mm"
PRODUCTS: frozenset[str] = frozenset({"int8", "uint8"})
"""Formats of the first factor: torch shifts signed activations to unsigned ones for CPUs, whose instructions want them so."""


def multiplied(evidence: Evidence) -> Verified:
    """Whether every linear layer but the one that gives the scores has weights in int8 and multiplied in it."""
    due = evidence.modules.get("Linear", 0) - 1
    quantized = evidence.weight_classes.get(TENSOR_CLASS, 0)
    if quantized == 0 or quantized < due:
        return Verified("fell_back", f"Of {due} linear layers {quantized} have weights in int8.")
    calls = evidence.operators.get(PRODUCT, 0)
    if evidence.graphs and evidence.device.kind == "cuda":
        # The compiler may have written the kernel itself; then its graph says what it reads.
        calls = max(calls, evidence.reads.get("int8", 0) if set(evidence.products) & PRODUCTS else 0)
    if calls < quantized:
        return Verified(
            "fell_back", f"{quantized} layers hold int8 weights, but {calls} int8 products ran in one step."
        )
    stored = evidence.weight_dtypes.get("int8", 0)
    return Verified("as_asked", f"{quantized} layers, {stored:,} bytes of weights in int8, multiplied in int8.")
