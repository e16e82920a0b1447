"""What went wrong becomes one word of ``report.Outcome``: from an exception inside an arm, or from how an arm ended."""

from __future__ import annotations

import signal
import traceback

from workers.catalog.model import Unsupported
from workers.catalog.report import Outcome
from workers.measurement.messages import Failed

HOST_MEMORY = (
    "can't allocate memory",
    "Cannot allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "Unable to allocate",
    "failed to map segment",
    "Thread creation failed",
)
"""How torch's CPU allocator, C++, numpy, the loader and OpenMP say that the host has no memory left."""
DEVICE_MEMORY = ("CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
REFUSED = ("No available kernel", "No viable backend for scaled_dot_product_attention")
"""How torch says that the one kernel it may take does not do what it is given."""
TAIL_CHARS = 8_000


class Invalid(Exception):
    """The step ran, and what it computed cannot be right; the message says what was seen."""


def typed(error: BaseException) -> Failed:
    """The outcome an exception stands for, with a sentence for a person."""
    text = str(error).strip()
    first = text.splitlines()[0][:500] if text else ""
    tail = "".join(traceback.format_exception(error))[-TAIL_CHARS:]
    chain = _chain(error)
    if any(type(each).__name__ == "OutOfMemoryError" for each in chain) or _says(chain, DEVICE_MEMORY):
        return Failed(outcome="oom_device", message=f"The device has too little memory: {first}", tail=tail)
    if any(isinstance(each, MemoryError) for each in chain) or _says(chain, HOST_MEMORY):
        return Failed(
            outcome="oom_host", message=f"The host has too little memory: {first or 'MemoryError'}", tail=tail
        )
    for each in chain:
        if isinstance(each, Unsupported):
            return Failed(outcome="unsupported", message=str(each))
    if _says(chain, REFUSED):
        return Failed(outcome="unsupported", message=f"The kernel that was asked for refuses this: {first}", tail=tail)
    if isinstance(error, ImportError) and error.name:
        message = f"The package {error.name.split('.')[0]!r} cannot be imported here: {first}"
        return Failed(outcome="unsupported", message=message, tail=tail)
    if isinstance(error, Invalid):
        return Failed(outcome="invalid", message=text)
    return Failed(outcome="error", message=f"{type(error).__name__}: {first}".rstrip(": "), tail=tail)


def ended(code: int, tail: str, oom_killed: bool) -> tuple[Failed, int | None]:
    """The outcome of an arm that ended without an answer, and the signal that ended it.

    Args:
        code: Exit status as subprocess states it: negative for a signal.
        tail: The last lines the arm wrote.
        oom_killed: Whether the kernel has killed a process for want of memory meanwhile.
    """
    number = -code if code < 0 else None
    name = _name(number) if number else f"exit code {code}"
    if number == signal.SIGKILL:
        outcome: Outcome = "oom_host" if oom_killed else "killed_unknown"
        why = "the kernel ran out of memory" if oom_killed else "nothing shows why"
        return Failed(outcome=outcome, message=f"The process was killed (SIGKILL); {why}.", tail=tail or None), number
    if any(words in tail for words in HOST_MEMORY):
        return Failed(outcome="oom_host", message=f"The host has too little memory ({name}).", tail=tail), number
    if number:
        return Failed(outcome="crashed", message=f"The process crashed with {name}.", tail=tail or None), number
    return Failed(outcome="error", message=f"The process ended without an answer ({name}).", tail=tail or None), None


def _chain(error: BaseException) -> list[BaseException]:
    """The exception and those it was raised from: compilers and loaders wrap what went wrong."""
    chain: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in chain:
        chain.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return chain


def _says(chain: list[BaseException], words: tuple[str, ...]) -> bool:
    return any(isinstance(each, RuntimeError | OSError) and word in str(each) for each in chain for word in words)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
