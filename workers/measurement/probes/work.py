"""Counts the floating-point operations of one eager step, by torch's counter."""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula, sdpa_flop_count

from workers.catalog.workload import Session

CPU_FLASH = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


@register_flop_formula(CPU_FLASH)
def _cpu_flash(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """torch knows the formula for its GPU kernels only; the work of the CPU's is the same."""
    return int(sdpa_flop_count(query, key, value))


def flops(session: Session) -> int:
    """Floating-point operations of one step; a multiply-add is two."""
    with FlopCounterMode(display=False) as counter, torch.compiler.set_stance("force_eager"):
        session.step(lambda _: None)
    session.between()
    return int(counter.get_total_flops())
