"""Puts results into Optuna by its own client: ``python -P into_optuna.py RESULTS DATABASE SECONDS``, in the Python that has Optuna.

Prints what it did as JSON. After so many seconds it stops, with fewer results than there are.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

OBJECTIVES = {"latency_ratio": "minimize", "memory_ratio": "minimize", "agreement": "maximize"}
AT_ONCE = 100


def main(results: str, database: str, most_s: str) -> None:
    """One trial of one study of three objectives for each result; the other metrics are attributes."""
    study = optuna.create_study(storage=database, study_name="results", directions=list(OBJECTIVES.values()))
    study.set_metric_names(list(OBJECTIVES))
    lines = [json.loads(line) for line in Path(results).read_text().splitlines()]
    known = _distributions([line["parameters"] for line in lines])
    trials = [_trial(line, known) for line in lines]
    began = time.monotonic()
    count = 0
    while count < len(trials) and time.monotonic() - began < float(most_s):
        study.add_trials(trials[count : count + AT_ONCE])
        count = min(len(trials), count + AT_ONCE)
    took = time.monotonic() - began
    print(json.dumps({"id": study._study_id, "results": count, "seconds": took, "version": optuna.__version__}))


def _distributions(parameters: list[dict[str, Any]]) -> dict[str, BaseDistribution]:
    """Numbers as ranges, words as choices."""
    found: dict[str, BaseDistribution] = {}
    for name in sorted({name for each in parameters for name in each}):
        values = sorted({each[name] for each in parameters if name in each})
        is_number = isinstance(values[0], int)
        found[name] = IntDistribution(values[0], values[-1]) if is_number else CategoricalDistribution(values)
    return found


def _trial(line: dict[str, Any], known: dict[str, BaseDistribution]) -> FrozenTrial:
    metrics = line["metrics"]
    trial = optuna.trial.create_trial(
        state=TrialState.COMPLETE if line["ok"] else TrialState.FAIL,
        values=[metrics[name] for name in OBJECTIVES] if line["ok"] else None,
        params=line["parameters"],
        distributions={name: known[name] for name in line["parameters"]},
        user_attrs={name: value for name, value in metrics.items() if name not in OBJECTIVES},
    )
    trial.datetime_complete = datetime.fromtimestamp(line["finished_at"], UTC).replace(tzinfo=None)
    trial.datetime_start = trial.datetime_complete - timedelta(seconds=50)
    return trial


if __name__ == "__main__":
    main(*sys.argv[1:])
