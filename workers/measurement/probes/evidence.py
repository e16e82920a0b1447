"""Looks at one step and at the model it ran on, so that techniques can prove what ran."""

from collections import Counter
from typing import Any

from torch._dynamo.utils import compile_times, counters
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from workers.catalog.technique import DeviceFacts, Evidence
from workers.catalog.workload import Bench, Session
from workers.measurement.probes.memory import plain_tensors

PRODUCTS = frozenset({"mm", "addmm", "bmm", "baddbmm", "linear", "_int_mm", "convolution"})
SECOND_OPERAND = frozenset({"addmm", "baddbmm"})
"""Products whose first argument is what is added."""


def observe(session: Session, bench: Bench, facts: DeviceFacts) -> Evidence:
    """What one step shows. The session has made steps before, so nothing is compiled any more."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if bench.device == "cuda" else [])
    with profile(activities=activities) as profiler:
        session.step(lambda _: None)
    session.between()
    seen = profiler.key_averages()
    compiled = counters["stats"].get("unique_graphs", 0)
    return Evidence(
        device=facts,
        operators={event.key: event.count for event in seen if event.device_type == DeviceType.CPU},
        kernels={event.key: event.count for event in seen if event.device_type == DeviceType.CUDA},
        matmul_dtypes={} if compiled else _products(session),
        weight_dtypes=_stored(bench),
        modules=Counter(type(module).__name__ for module in bench.model.modules()),
        weight_classes=Counter(type(weight).__name__ for weight in bench.model.parameters()),
        graphs=compiled,
        graph_breaks=sum(counters["graph_break"].values()),
        facts=session.facts(),
        stack=tuple(bench.stack),
    )


def compile_seconds() -> float:
    """What torch's compiler has spent on whole frames in this process so far."""
    names, columns = compile_times(repr="csv", aggregate=True)
    return sum(
        float(seconds) for name, seconds in zip(names, columns, strict=False) if name == "_compile.compile_inner"
    )


def _stored(bench: Bench) -> dict[str, int]:
    stored: Counter[str] = Counter()
    for tensor in [*bench.model.parameters(), *bench.model.buffers()]:
        for plain in plain_tensors(tensor):
            stored[str(plain.dtype).removeprefix("torch.")] += plain.nbytes
    return dict(stored)


def _products(session: Session) -> dict[str, int]:
    found: Counter[str] = Counter()

    class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = func.overloadpacket.__name__
            if name in PRODUCTS:
                operand = args[1] if name in SECOND_OPERAND else args[0]
                found[str(operand.dtype).removeprefix("torch.")] += 1
            return func(*args, **(kwargs or {}))

    with Products():  # type: ignore[no-untyped-call]
        session.step(lambda _: None)
    session.between()
    return dict(found)
