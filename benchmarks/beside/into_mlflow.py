"""Puts results into MLflow by its own client: ``python -P into_mlflow.py RESULTS DATABASE SECONDS``, in the Python that has MLflow.

Prints what it did as JSON. After so many seconds it stops, with fewer results than there are.
"""

import json
import sys
import time
from pathlib import Path

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient
from mlflow.version import VERSION


def main(results: str, database: str, most_s: str) -> None:
    """One run of one experiment for each result, its parameters and metrics in one batch."""
    client = MlflowClient(tracking_uri=database)
    experiment = client.create_experiment("results")
    lines = [json.loads(line) for line in Path(results).read_text().splitlines()]
    began = time.monotonic()
    count = 0
    for line in lines:
        if time.monotonic() - began > float(most_s):
            break
        ended = int(line["finished_at"] * 1e3)
        run = client.create_run(
            experiment, start_time=ended - 50_000, run_name=line["parameters"]["variant"]
        ).info.run_id
        client.log_batch(
            run,
            metrics=[Metric(name, value, ended, 0) for name, value in line["metrics"].items()],
            params=[Param(name, str(value)) for name, value in line["parameters"].items()],
        )
        client.set_terminated(run, status="FINISHED" if line["ok"] else "FAILED", end_time=ended)
        count += 1
    print(json.dumps({"id": experiment, "results": count, "seconds": time.monotonic() - began, "version": VERSION}))


if __name__ == "__main__":
    main(*sys.argv[1:])
