"""One arm: a fresh process that loads a model with one stack and does what the coordinator asks, one request at a time.

``python -m workers.measurement.arm`` is started by the coordinator alone; it reads its order from the first line.
"""

import ctypes
import faulthandler
import importlib.util
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from workers.measurement.messages import Channel, Failure, Order

PR_SET_PDEATHSIG = 1
TAIL_LINES = 40


class Arm:
    """The model of one arm and its session."""

    def __init__(self, order: Order) -> None:
        from workers.measurement import device

        self.order = order
        spec = order.spec
        self.stack = sorted(getattr(spec, order.arm).stack, key=lambda technique: technique.order)
        self.on = device.name(spec)
        self.phase = "start"

    def load(self) -> dict[str, Any]:
        """Build and transform the model; what that took, and what it holds then."""
        import torch

        from workers.catalog.technique import LoadOptions
        from workers.catalog.workload import Bench
        from workers.measurement import device
        from workers.measurement.probes import memory

        spec = self.order.spec
        torch.manual_seed(self.order.seed)
        if spec.device == "cuda":
            torch.cuda.set_device(self.on)
            torch.zeros(1, device=self.on)
        self.facts = device.facts(spec)
        self._refuse()
        options = LoadOptions(device=self.on, seed=spec.seed)
        for technique in self.stack:
            options = technique.load_options(options)
        self.phase = "load"
        began = perf_counter()
        with memory.watched(self.on) as load_memory:
            model = spec.model.build(options)
            device.wait(self.on)
        load_s = perf_counter() - began
        parameters = sum(parameter.numel() for parameter in model.parameters())
        self.phase = "convert"
        began = perf_counter()
        with memory.watched(self.on) as convert_memory:
            for technique in self.stack:
                model = technique.transform(model)
            device.wait(self.on)
        convert_s = perf_counter() - began
        tensors = [plain for t in [*model.parameters(), *model.buffers()] for plain in memory.plain_tensors(t)]
        size = sum(plain.nbytes for t in _saved(model.state_dict()) for plain in memory.plain_tensors(t))
        for technique in self.stack:
            model = technique.compile(model)
        self.bench = Bench(model, spec.model, self.stack, spec.device, spec.seed)
        return {
            "load_s": load_s,
            "convert_s": convert_s,
            "memory": {"load": load_memory, "convert": convert_memory},
            "parameters": parameters,
            "weights": sum(tensor.nbytes for tensor in tensors),
            "size": size,
            "threads": torch.get_num_threads(),
        }

    def first_call(self) -> dict[str, Any]:
        """The first step, whatever it sets up or compiles."""
        from workers.measurement import device
        from workers.measurement.probes import evidence, latency, memory

        self.phase = "first_call"
        spec = self.order.spec
        with memory.watched(self.on) as figures:
            self.session = spec.workload.prepare(self.bench)
            device.wait(self.on)
            compiled = evidence.compile_seconds()
            seconds = latency.steps(self.session, spec.workload, self.on, 1).whole[0]
        return {"seconds": seconds, "compile_s": evidence.compile_seconds() - compiled, "memory": figures}

    def warm_up(self) -> dict[str, Any]:
        """Steps until their running median settles, with a cap; the whole series."""
        from workers.measurement import protocol, statistics
        from workers.measurement.probes import latency

        self.phase = "warm_up"
        series: list[float] = []
        began = perf_counter()
        while not statistics.settled(series):
            series += latency.steps(self.session, self.order.spec.workload, self.on, 1).whole
            if len(series) >= protocol.WARM_UP_STEPS or (
                perf_counter() - began > protocol.WARM_UP_S and len(series) >= 2
            ):
                return {"series": series, "settled": False}
        return {"series": series, "settled": True}

    def steps(self, samples: int, inner: int) -> dict[str, Any]:
        """Timed steps of one block."""
        from workers.measurement.probes import latency

        self.phase = "measure"
        return latency.steps(self.session, self.order.spec.workload, self.on, samples, inner).model_dump()

    def memory(self) -> dict[str, Any]:
        """One step under the memory instruments."""
        from workers.measurement.probes import memory

        self.phase = "memory"
        return {"phases": memory.of_step(self.session, self.on)}

    def work(self) -> dict[str, Any]:
        """Floating-point operations of one eager step."""
        from workers.measurement.probes import work

        self.phase = "memory"
        return {"flops": work.flops(self.session)}

    def proofs(self) -> dict[str, Any]:
        """What every technique of the stack says about one observed step."""
        from workers.catalog.report import Proof
        from workers.measurement.probes import evidence

        self.phase = "memory"
        seen = evidence.observe(self.session, self.bench, self.facts)
        found = [(technique.word, technique.proof(seen)) for technique in self.stack]
        return {
            "proofs": [
                Proof(technique=word, arm=self._side, ran=verified.ran, detail=verified.detail).model_dump()
                for word, verified in found
            ]
        }

    def outputs(self, path: str) -> dict[str, Any]:
        """The evaluation's outputs, kept in a file."""
        import numpy as np

        self.phase = "quality"
        answers = self._evaluation.outputs(self.bench)
        if not np.isfinite(answers).all():
            raise InvalidOutputs("The model's outputs on the evaluation's inputs are not all finite numbers.")
        np.save(path, answers)
        return {"items": len(answers)}

    def score(self, baseline: str, candidate: str) -> dict[str, Any]:
        """Scores item by item between two files of outputs."""
        import numpy as np

        self.phase = "quality"
        scores = self._evaluation.score(np.load(baseline), np.load(candidate))
        return {"scores": {name: [float(value) for value in values] for name, values in scores.items()}}

    def environment(self) -> dict[str, Any]:
        """What this process sees of machine and software."""
        from workers.measurement import environment

        return {"fields": environment.of_process(self.order.spec)}

    @property
    def _side(self) -> Any:
        return self.order.arm

    @property
    def _evaluation(self) -> Any:
        return self.order.spec.evaluation

    def _refuse(self) -> None:
        from workers.catalog.model import Unsupported

        for technique in self.stack:
            for package in technique.requires.packages:
                if importlib.util.find_spec(package) is None:
                    raise Unsupported(f"{technique.title} needs the package {package}, which is not installed here.")
            reason = technique.refuses(self.facts)
            if reason:
                raise Unsupported(reason)


class InvalidOutputs(Exception):
    """The run finished but its figures mean nothing; the message says why."""


def _saved(state: dict[str, Any]) -> list[Any]:
    import torch

    unique = {id(value): value for value in state.values() if isinstance(value, torch.Tensor)}
    by_storage = {(value.data_ptr() or key): value for key, value in unique.items()}
    return list(by_storage.values())


def _failure(error: BaseException, phase: str, on: str) -> Failure:
    """What an exception means for the run."""
    import torch

    from workers.catalog.model import Unsupported

    tail = "".join(traceback.format_exception(error)).splitlines()[-TAIL_LINES:]
    text = f"{type(error).__name__}: {error}".strip()[:2_000]
    if isinstance(error, Unsupported):
        return Failure(outcome="unsupported", phase=phase, message=str(error)[:2_000])
    if isinstance(error, InvalidOutputs):
        return Failure(outcome="invalid", phase=phase, message=str(error))
    if isinstance(error, torch.OutOfMemoryError):
        return Failure(outcome="oom_device", phase=phase, message=text, tail="\n".join(tail))
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "bad_alloc" in str(error):
        message = f"Host memory ran out in {phase.replace('_', ' ')}: {text}"
        return Failure(outcome="oom_host", phase=phase, message=message, tail="\n".join(tail))
    return Failure(outcome="error", phase=phase, message=text, tail="\n".join(tail))


def _tie(order: Order) -> None:
    """End with the coordinator, and hold no more memory than allowed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != order.parent:
            raise SystemExit("the coordinator ended before its arm began")
    if order.memory_bytes is not None and order.spec.device == "cpu":
        resource.setrlimit(resource.RLIMIT_DATA, (order.memory_bytes, order.memory_bytes))


def main() -> None:
    """Answer requests until the line closes or one of them fails."""
    channel = Channel()
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    requests = channel.requests()
    order = Order.model_validate(next(requests))
    _tie(order)
    os.chdir(Path(order.scratch))
    arm = Arm(order)
    for request in requests:
        verb: Callable[..., dict[str, Any]] = getattr(arm, request.pop("do"))
        try:
            answer = verb(**request)
        except Exception as error:  # noqa: BLE001 - whatever a model or library raises is this run's outcome
            channel.reply(failure=_failure(error, arm.phase, arm.on).model_dump())
            return
        channel.reply(**answer)


if __name__ == "__main__":
    main()
