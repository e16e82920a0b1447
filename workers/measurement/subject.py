"""What an arm measures: a model with one stack, from its loading to its answers. One method for each deed of an order."""

from __future__ import annotations

import importlib
import importlib.util
import math
import resource
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from workers.catalog.metrics import (
    COLD_COMPILE,
    COLD_CONVERT,
    COLD_FIRST_CALL,
    COLD_LOAD,
    COMPUTE_FLOPS,
    MEMORY_WEIGHTS,
    MODEL_PARAMETERS,
    Metric,
)
from workers.catalog.model import Unsupported
from workers.catalog.report import Proof
from workers.catalog.spec import Variant
from workers.catalog.technique import LoadOptions, Technique
from workers.catalog.workload import Bench, Session
from workers.measurement import device, environment
from workers.measurement.failures import Invalid
from workers.measurement.messages import Answer, Order, Reading
from workers.measurement.probes import evidence, latency, memory, work


class Subject:
    """One model under one stack.

    Args:
        order: the order to begin; says which arm of which run this is.
    """

    def __init__(self, order: Order) -> None:
        assert order.spec is not None
        self.spec = order.spec
        self.arm = order.arm
        variant: Variant = getattr(self.spec, order.arm)
        self.stack: tuple[Technique, ...] = tuple(sorted(variant.stack, key=lambda technique: technique.order))
        self.on = device.choose(self.spec)
        self.facts = device.facts(self.on)
        self.model: nn.Module
        self.bench: Bench
        self.session: Session
        self.products: dict[str, int] = {}
        self.recorded: Any = None

    def begin(self, order: Order) -> Answer:
        """Refuse what this machine cannot do, import what will be needed, and describe the surroundings."""
        torch.set_num_threads(environment.physical_cores())
        for technique in self.stack:
            for package in technique.requires.packages:
                if importlib.util.find_spec(package) is None:
                    raise Unsupported(f"{technique.title} needs the package {package}, which is not installed here.")
                importlib.import_module(package)
            if reason := technique.refuses(self.facts) or technique.misfit(self.spec.workload):
                raise Unsupported(reason)
        for module in self.spec.model.modules:
            importlib.import_module(module)
        if self.on.type == "cuda":
            torch.zeros(1, device=self.on)  # Opens the context, which is nobody's load time.
        return Answer(environment=_software() | device.gpu_fields(self.on), timer_s=latency.timer_seconds())

    def load(self, order: Order) -> Answer:
        """Build the model with its weights on the device."""
        if order.memory_limit is not None and self.on.type == "cpu":
            resource.setrlimit(resource.RLIMIT_DATA, (order.memory_limit, order.memory_limit))
        torch.manual_seed(self.spec.seed)
        options = LoadOptions(device=str(self.on), seed=self.spec.seed)
        for technique in self.stack:
            options = technique.load_options(options)

        def build() -> None:
            self.model = self.spec.model.build(options)

        readings = self._timed(COLD_LOAD, "load", build)
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return Answer(readings=(*readings, _reading(MODEL_PARAMETERS, "load", parameters)))

    def convert(self, order: Order) -> Answer:
        """Transform the model, then hand it to a compiler if the stack has one; that compiles at the first call."""

        def transform() -> None:
            for technique in self.stack:
                self.model = technique.transform(self.model)

        transforms = any(type(technique).transform is not Technique.transform for technique in self.stack)
        readings = self._timed(COLD_CONVERT, "convert", transform) if transforms else []
        self.model.train(self.spec.workload.phase == "training")
        readings.append(_reading(MEMORY_WEIGHTS, "load", memory.weights_bytes(self.model)))
        readings.append(memory.size(self.model))
        for technique in self.stack:
            self.model = technique.compile(self.model)
        return Answer(readings=tuple(readings))

    def first_call(self, order: Order) -> Answer:
        """The first step, whatever it has to set up or compile."""
        self.bench = Bench(self.model, self.spec.model, self.stack, self.spec.device, self.spec.seed)
        self.session = self.spec.workload.prepare(self.bench)
        readings = self._timed(COLD_FIRST_CALL, "first_call", lambda: self.session.step(_unmarked))
        self.session.between()
        return Answer(readings=tuple(readings))

    def steps(self, order: Order) -> Answer:
        """Timed steps of one block."""
        series = latency.steps(self.session, self.spec.workload, self.on, order.samples, order.inner, order.most_s)
        return Answer(series=series)

    def memory(self, order: Order) -> Answer:
        """One plain step under the kernel's and the driver's instruments, and one under torch's on a CPU.

        By now everything is compiled that will be: a second size or a second call can make for another graph.
        """
        workload = self.spec.workload
        readings: list[Reading] = []
        if (built := evidence.graphs()).compiled:
            readings.append(_reading(COLD_COMPILE, "compile", built.seconds))
        with memory.phase(workload.main_phase, self.on, readings):
            self.session.step(_unmarked)
        self.session.between()
        if self.on.type == "cpu":
            held = memory.held_bytes(self.on)
            self.recorded = memory.profiled(self.on, self.session.step)
            readings += memory.step_readings(self.recorded, workload.main_phase, held)
        else:
            self.recorded = memory.profiled(self.on, self.session.step)
            readings += memory.parts_on_gpu(self.on, self.session.step, workload.main_phase)
        self.session.between()
        return Answer(readings=tuple(readings))

    def count(self, order: Order) -> Answer:
        """Floating-point operations of one eager step."""
        done = work.count(lambda: self.session.step(_unmarked))
        self.session.between()
        self.products = dict(done.dtypes)
        if done.flops is None:
            note = f"FLOPs of the {self.arm} are not counted: torch's counter cannot see into {', '.join(done.opaque)}."
            return Answer(notes=(note,))
        return Answer(readings=(_reading(COMPUTE_FLOPS, self.spec.workload.main_phase, done.flops),))

    def observe(self, order: Order) -> Answer:
        """What every technique of the stack says about the profiled step. Comes after ``memory`` and ``count``.

        Raises:
            Invalid: the session noticed a value that is not a number.
        """
        noticed = dict(self.session.facts())
        for name, value in noticed.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise Invalid(f"The {name} of a step of the {self.arm} is {value}.")
        seen = evidence.collect(self.facts, self.recorded, self.model, self.products, noticed, self.stack)
        proofs = []
        for technique in self.stack:
            said = technique.proof(seen)
            proofs.append(Proof(technique=technique.word, arm=self.arm, ran=said.ran, detail=said.detail))
        return Answer(proofs=tuple(proofs))

    def outputs(self, order: Order) -> Answer:
        """What the model answers to the evaluation's inputs, kept in a file.

        Raises:
            Invalid: they are not all finite.
        """
        assert self.spec.evaluation is not None
        answers = self.spec.evaluation.outputs(self.bench)
        wrong = int(np.count_nonzero(~np.isfinite(answers)))
        if wrong:
            raise Invalid(f"{wrong:,} of {answers.size:,} outputs of the {self.arm} are not finite numbers.")
        np.save(order.path, answers, allow_pickle=False)
        return Answer()

    def _timed(self, metric: Metric, phase: str, deed: Callable[[], Any]) -> list[Reading]:
        """Time of a deed that happens once, and the memory it took."""
        readings: list[Reading] = []
        with memory.phase(phase, self.on, readings):
            seconds = latency.once(self.on, deed)
        return [_reading(metric, phase, seconds), *readings]


def _software() -> dict[str, Any]:
    """How torch is built and set in this process."""
    backends: Any = torch.backends
    return {
        "torch.version": torch.__version__,
        "torch.git": torch.version.git_version,
        "torch.cuda": torch.version.cuda,
        "torch.cudnn": backends.cudnn.version(),
        "torch.cpu_capability": backends.cpu.get_cpu_capability(),
        "torch.threads": torch.get_num_threads(),
        "torch.interop_threads": torch.get_num_interop_threads(),
        "torch.mkl": backends.mkl.is_available(),
        "torch.mkldnn": backends.mkldnn.is_available(),
        "torch.openmp": backends.openmp.is_available(),
        "torch.fp32_precision": backends.fp32_precision,
        "torch.deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _reading(metric: Metric, phase: str, value: float) -> Reading:
    return Reading(metric=metric.name, phase=phase, value=float(value))


def _unmarked(phase: str) -> None:
    return
