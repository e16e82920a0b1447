"""What an arm measures: a model with one stack, from its loading to its answers. One method for each deed of an order."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import math
import resource
from collections.abc import Callable
from pathlib import Path
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
    COMPUTE_TRAFFIC,
    COMPUTE_TRAFFIC_LEAST,
    MEMORY_HOST,
    MEMORY_WEIGHTS,
    MODEL_PARAMETERS,
    Metric,
)
from workers.catalog.model import Unsupported
from workers.catalog.report import Proof
from workers.catalog.spec import Variant
from workers.catalog.technique import LoadOptions, Technique
from workers.catalog.workload import Bench, Session, unmarked
from workers.measurement import binding, device, environment, software
from workers.measurement.failures import Invalid
from workers.measurement.messages import Answer, Order, Reading
from workers.measurement.probes import (
    anatomy,
    evidence,
    fakes,
    latency,
    memory,
    parameters,
    peaks,
    perturbation,
    products,
    profile,
    window,
    work,
)


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
        self.counted: work.Work

    def begin(self, order: Order) -> Answer:
        """Refuse what this machine cannot do, import what will be needed, and describe the surroundings."""
        torch.set_num_threads(environment.physical_cores())
        for technique in self.stack:
            for package in technique.packages:
                top = package.partition(".")[0]
                if importlib.util.find_spec(top) is None:
                    raise Unsupported(f"{technique.title} needs {software.missing(top)}")
                importlib.import_module(package)
            if reason := technique.refuses(self.facts) or technique.misfit(self.spec.workload):
                raise Unsupported(reason)
        if evaluation := self.spec.evaluation:
            for package in evaluation.packages:
                if importlib.util.find_spec(package) is None:
                    raise Unsupported(f"{evaluation.title} needs {software.missing(package)}")
        for module in self.spec.model.modules:
            importlib.import_module(module)
        if self.on.type == "cuda":
            torch.zeros(1, device=self.on)  # Opens the context, which is nobody's load time.
        fields = software.fields(self.on, self.spec.seed) | device.gpu_fields(self.on)
        _set_aside()
        return Answer(environment=fields, timer_s=latency.timer_seconds())

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
        count = sum(parameter.numel() for parameter in self.model.parameters())
        return Answer(readings=(*readings, Reading.of(MODEL_PARAMETERS, "load", count)))

    def convert(self, order: Order) -> Answer:
        """Transform the model, then hand it to a compiler if the stack has one; that compiles at the first call."""

        def transform() -> None:
            for technique in self.stack:
                self.model = technique.convert(self.spec.model, self.model, self.spec.seed)

        transforms = any(technique.changes_model for technique in self.stack)
        readings = self._timed(COLD_CONVERT, "convert", transform) if transforms else []
        self.model.train(self.spec.workload.phase == "training")
        readings.append(Reading.of(MEMORY_WEIGHTS, "load", memory.weights_bytes(self.model)))
        readings.append(memory.size(self.model))
        readings += parameters.readings(self.model, self.spec.workload.phase)
        for technique in self.stack:
            self.model = technique.compile(self.model)
        products.watch_compiler()
        return Answer(readings=tuple(readings))

    def first_call(self, order: Order) -> Answer:
        """The first step, whatever it has to set up or compile."""
        self.bench = Bench(self.model, self.spec.model, self.stack, self.spec.device, self.spec.seed)
        self.session = self.spec.workload.prepare(self.bench)
        readings = self._timed(COLD_FIRST_CALL, "first_call", lambda: self.session.step(unmarked))
        self.session.between()
        if evidence.graphs().compiled:
            _set_aside()
        return Answer(readings=tuple(readings))

    def steps(self, order: Order) -> Answer:
        """Timed steps of one block."""
        series = latency.steps(self.session, self.spec.workload, self.on, order.samples, order.inner, order.most_s)
        return Answer(series=series)

    def memory(self, order: Order) -> Answer:
        """One plain step under the kernel's and the driver's instruments, and one under torch's allocation events.

        By now everything is compiled that will be: a second size or a second call can make for another graph.
        """
        built = evidence.graphs()
        if built.compiled:
            gc.unfreeze()  # The compiler's tensors are among what was set aside.
        # What loading and converting took and gave back would count as reserved by the step; garbage would count as held.
        gc.collect()
        if self.on.type == "cuda":
            torch.cuda.empty_cache()
        workload = self.spec.workload
        readings: list[Reading] = []
        if built.compiled:
            readings.append(Reading.of(COLD_COMPILE, "compile", built.seconds))
        with memory.phase(workload.main_phase, self.on, readings, tensors=False):
            self.session.step(unmarked)
        self.session.between()
        dissected = anatomy.of_step(self.model, self.session, self.on, workload.main_phase)
        self.session.between()
        readings += anatomy.readings(dissected)
        notes: list[str] = []
        if self.on.type == "cpu":
            resident = next(int(each.value) for each in readings if each.metric == MEMORY_HOST.name)
            outside = memory.outside(workload.main_phase, resident, dissected.peaks[0].allocated)
            if isinstance(outside, str):
                notes.append(f"Memory of the {self.arm}: {outside}")
            else:
                readings.append(outside)
        if dissected.unexplained:
            notes.append(
                f"Memory of the {self.arm}: torch's allocation events and the tensors there differ by "
                f"{dissected.unexplained:+,} bytes."
            )
        timeline = anatomy.timeline(dissected, workload.main_phase, self.arm)
        return Answer(readings=tuple(readings), timelines=(timeline,), notes=tuple(notes))

    def exact(self, order: Order) -> Answer:
        """The memory of a step counted on fake tensors; no model is loaded, and nothing is computed."""
        found = fakes.of_step(self.spec, self.stack)
        return Answer(readings=tuple(fakes.readings(found)))

    def count(self, order: Order) -> Answer:
        """Operations, their formats and the bytes moved of one eager step, and of its parts."""
        self.counted = work.count(self.session.step)
        self.session.between()
        readings: list[Reading] = []
        formats: dict[str, dict[str, int]] = {}
        for phase, stretch in binding.stretches(self.spec.workload, self.counted).items():
            if stretch.flops is not None:
                readings.append(Reading.of(COMPUTE_FLOPS, phase, stretch.flops))
                formats[phase] = dict(stretch.by_format)
            readings.append(Reading.of(COMPUTE_TRAFFIC, phase, stretch.traffic))
            readings.append(Reading.of(COMPUTE_TRAFFIC_LEAST, phase, stretch.compulsory))
        notes: tuple[str, ...] = ()
        if self.counted.opaque:
            unseen = ", ".join(self.counted.opaque)
            notes = (f"FLOPs of the {self.arm} are not counted: torch's counter cannot see into {unseen}.",)
        return Answer(readings=tuple(readings), formats=formats, notes=notes)

    def observe(self, order: Order) -> Answer:
        """What every technique of the stack says about one more step, run as those that were timed.

        Raises:
            Invalid: the session noticed a value that is not a number.
        """
        recorded = evidence.observe(self.on, self.session.step)
        self.session.between()
        noticed = dict(self.session.facts())
        for name, value in noticed.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise Invalid(f"The {name} of a step of the {self.arm} is {value}.")
        seen = evidence.collect(self.facts, recorded, self.model, noticed, self.stack)
        proofs = []
        for technique in self.stack:
            said = technique.proof(seen)
            proofs.append(
                Proof(
                    technique=technique.word, arm=self.arm, ran=said.ran, detail=said.detail, simulated=said.simulated
                )
            )
        return Answer(proofs=tuple(proofs))

    def outputs(self, order: Order) -> Answer:
        """What the model answers to the evaluation's inputs, kept in a file.

        Raises:
            Invalid: they are not all finite.
        """
        assert self.spec.evaluation is not None
        answers: dict[str, Any] = dict(self.spec.evaluation.outputs(self.bench, self.spec.workload))
        for name, values in answers.items():
            wrong = int(np.count_nonzero(~np.isfinite(values)))
            if wrong:
                said = name.replace("_", " ")
                raise Invalid(f"{wrong:,} of {values.size:,} {said} of the {self.arm} are not finite numbers.")
        np.savez(order.path, **answers)
        return Answer()

    def energy(self, order: Order) -> Answer:
        """Steps for as long as a window of energy lasts; the coordinator reads the counters meanwhile."""
        return Answer(worked=window.worked(self.session, self.on, order.lead_s, order.window_s, order.tail_s))

    def perturb(self, order: Order) -> Answer:
        """What binds each phase, by the device's ceilings and by what more work does. Comes after ``count``."""
        assert order.ceilings is not None
        reaction = perturbation.react(self.bench, self.session, self.spec.workload, self.on)
        calling_s = peaks.dispatch_seconds(self.on)
        found = binding.bottlenecks(self.arm, self.spec.workload, self.counted, reaction, order.ceilings, calling_s)
        return Answer(bottlenecks=tuple(found))

    def profile(self, order: Order) -> Answer:
        """One step under torch's profiler."""
        found = profile.step(self.session, self.on, self.arm, Path(order.path))
        return Answer(
            kernels=found.kernels,
            artifacts=(found.trace,) if found.trace else (),
            notes=(found.note,) if found.note else (),
        )

    def _timed(self, metric: Metric, phase: str, deed: Callable[[], Any]) -> list[Reading]:
        """Time of a deed that happens once, and the memory it took."""
        readings: list[Reading] = []
        with memory.phase(phase, self.on, readings):
            seconds = latency.once(self.on, deed)
        return [Reading.of(metric, phase, seconds), *readings]


def _set_aside() -> None:
    """Keep what is there now out of further collections.

    Blocks begin with one, and so does a look at the memory. Walking through all that libraries and compilers have made takes
    longer than a block, and the arms' turns would lie that far apart.
    """
    gc.collect()
    gc.freeze()
