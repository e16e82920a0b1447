"""How far a study is."""

from collections.abc import Iterable

from pydantic import JsonValue

from app.db.events import TERMINAL


def done(runs: Iterable[tuple[str, JsonValue]]) -> float:
    """Share of a study that is done: runs that have ended count whole, others by their own progress.

    Args:
        runs: state and last progress of each run of the study; none at all gives 0.
    """
    shares = [1.0 if state in TERMINAL else _share(progress) for state, progress in runs]
    return sum(shares) / max(1, len(shares))


def _share(progress: JsonValue) -> float:
    share = progress.get("fraction") if isinstance(progress, dict) else None
    return float(share) if isinstance(share, int | float) else 0.0
