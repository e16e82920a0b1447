"""How fast: the steps of a question under the roofs of a device, as plain code takes them, with an interval as wide as what was
published of such steps.

What is reached differs between programs more than between devices, and that is the interval.
"""

from app.frozen import Frozen
from app.planner import roofline, work
from app.planner.machines import Machine
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.models.anatomy import Anatomy
from app.planner.question import Question
from app.planner.roofline import Class, Time
from app.planner.work import Step, Work
from workers.catalog.technique import DeviceKind

SOURCE: dict[DeviceKind, str] = {
    kind: f"at best and at plainest: {roofline.SHARES_SOURCE}; {roofline.READS_SOURCE}; {calls}"
    for kind, calls in roofline.CALLS_SOURCE.items()
}


class Speed(Frozen):
    """Time of one step as plain code takes it, between the best and the plainest of what was published."""

    what: str
    """What a step is."""
    seconds: float
    low: float
    high: float
    tokens: float
    """Tokens of a step."""
    binds: Class
    operations: float
    """Floating-point operations of a step; multiply and add are two, attention is causal."""
    bytes: float
    """That must be read of weights, and read or written of caches."""
    formula: str
    source: str

    @property
    def per_second(self) -> tuple[float, float, float]:
        """Tokens a second: likely, at least, at most."""
        return self.tokens / self.seconds, self.tokens / self.high, self.tokens / self.low


def speeds(anatomy: Anatomy, question: Question, machine: Machine) -> tuple[Speed, ...]:
    """The steps of a question on a device; none where nothing is known of its products. A format without units runs as fp32 does.

    Time of several devices that train together is that of each one's own batch.
    """
    if "float32" not in machine.peaks:
        return ()
    step = step_of(question)
    batch, prompt = question.batch, question.sequence
    if question.phase != "inference":
        counted = work.training(anatomy, step, batch, prompt)
        return (
            _speed("training step", batch * prompt, counted, step, machine, roofline.spent(counted, step, machine)),
        )
    devices = question.devices
    read = work.forward(anatomy, step, batch, prompt, prompt, stored_bytes=question.stored_bytes)
    taken = roofline.spent(read, step, machine, devices)
    found = [_speed("prompt", batch * prompt, read, step, machine, taken, devices)]
    if question.generated:
        # In the middle of the answers.
        length = prompt + question.generated // 2
        counted = work.forward(anatomy, step, batch, 1, length, stored_bytes=question.stored_bytes)
        taken = roofline.token(anatomy, step, machine, counted, batch, length, devices)
        token = _speed("token of every answer", batch, counted, step, machine, taken, devices)
        found.append(_learnt(token, question, machine, roofline.spent(counted, step, machine, devices)))
    return tuple(found)


def step_of(question: Question) -> Step:
    """How a question's step is computed: by plain code, or in llama.cpp, which GGUF files are for."""
    of_file = question.stored_bytes is not None or FORMATS[question.kept_weights].mixture is not None
    return Step(
        weights=question.kept_weights,
        computing=question.computing,
        cache=question.kept_cache,
        flash=question.flash,
        checkpointing=question.phase != "inference" and question.recomputes,
        loss=question.loss,
        optimizer=question.kept_optimizer,
        rank=question.rank if question.phase in ("lora", "qlora") else None,
        execution="engine" if of_file else "eager",
    )


def _speed(
    what: str, tokens: float, counted: Work, step: Step, machine: Machine, taken: Time, devices: int = 1
) -> Speed:
    low, high = roofline.bounds(counted, step, machine, devices)
    return Speed(
        what=what,
        seconds=taken.seconds,
        low=min(low, taken.seconds),
        high=max(high, taken.seconds),
        tokens=float(tokens),
        binds=taken.binds,
        operations=counted.operations,
        bytes=counted.bytes,
        formula=roofline.formula(counted, step, machine, devices),
        source=SOURCE[machine.kind],
    )


def _learnt(token: Speed, question: Question, machine: Machine, reckoned: Time) -> Speed:
    """The same with what was measured on the device, and its interval where plain decoding is asked about.

    Args:
        token: as it was foretold.
        question: what was asked.
        machine: on what.
        reckoned: what formulas alone give.
    """
    learnt = machine.calibrations.get(question.computing)
    if learnt is None or question.devices > 1:
        return token
    source = f"learnt from {learnt.points} decoding steps that were measured on this device"
    if question.stored_bytes is not None or not question.kept_weights == question.computing == question.kept_cache:
        factor = token.seconds / reckoned.seconds
        return token.model_copy(
            update={
                "formula": f"{token.formula}; all that × {factor:.4g}, what plain decoding takes of its own formula",
                "source": f"{token.source}; {source}",
            }
        )
    return token.model_copy(
        update={
            "low": token.seconds / (1 + learnt.error),
            "high": token.seconds * (1 + learnt.error),
            "formula": f"{token.bytes:.3g} B / {learnt.bandwidth:.3g} B/s + {learnt.layer_s * 1e6:.0f} µs a layer",
            "source": source,
        }
    )
