"""Outcomes of runs in words: how a run ended, and what ran against what was asked."""

from app.study.comparison import ComparedRun
from workers.catalog.report import Outcome, Ran

OUTCOMES: dict[Outcome, str] = {
    "ok": "measured",
    "oom_device": "out of device memory",
    "oom_host": "out of host memory",
    "timeout_start": "too slow to start",
    "timeout_run": "out of time",
    "timeout_no_progress": "stopped moving",
    "crashed": "crashed",
    "error": "error",
    "unsupported": "not supported",
    "invalid": "not valid",
    "killed_unknown": "killed, cause unknown",
}
"""Outcomes in a few words."""
RAN: dict[Ran, str] = {"as_asked": "as asked", "emulated": "emulated", "fell_back": "fell back"}
"""What ran against what was asked, in words."""


def ended(run: ComparedRun) -> str:
    """How a failed run ended, in a few words."""
    if run.outcome is None:
        return {"quarantined": "given up", "expired": "waited too long", "cancelled": "not started"}.get(
            run.state, run.state
        )
    where = f" in {run.outcome_phase.replace('_', ' ')}" if run.outcome_phase else ""
    return f"{OUTCOMES[run.outcome]}{where}"
