"""MLflow and optuna-dashboard: how each takes in results, is served, is asked our question, and shows its page."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from benchmarks.asking import Asked

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-dashboards/bin/python"
"""``make bench-beside`` makes it."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


class Tool(NamedTuple):
    """Another dashboard."""

    name: str
    into: Path
    """Program that puts results into it."""
    command: Callable[[str, int], list[str]]
    """What serves a database on a port."""
    ready: str
    """Path that answers as soon as it can be used."""
    question: Callable[[str, int], Asked]
    """Of what the client called the results, for the n-th time: what it is asked where we filter, sort and take 50 rows."""
    asked: str
    """The question in words."""
    page: Callable[[str], str]
    """Path of its page of these results."""
    awaited: str
    """Selector of what has to be there until the page can be used."""
    shows: str
    """The page in words."""
    has_chart: bool
    """Whether that is a chart; otherwise a table."""


def _share(n: int) -> float:
    """The limit that ours is asked with."""
    return 0.5 + n % 97 / 200


def _mlflow_question(experiment: str, n: int) -> Asked:
    return Asked(
        "/api/2.0/mlflow/runs/search",
        {
            "experiment_ids": [experiment],
            "filter": f"metrics.memory_ratio <= {_share(n):.4f}",
            "order_by": ["metrics.latency_ratio ASC"],
            "max_results": 50,
        },
    )


MLFLOW = Tool(
    name="MLflow",
    into=HERE / "into_mlflow.py",
    command=lambda database, port: [
        str(PYTHON.with_name("mlflow")),
        "server",
        *("--backend-store-uri", database),
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
        # On a busy machine its workers, of which it starts four, would be taken for dead while they start.
        *("--uvicorn-opts", "--timeout-worker-healthcheck 60"),
    ],
    ready="/health",
    question=_mlflow_question,
    asked="runs/search with a filter and an order by metrics, 50 runs",
    page=lambda experiment: (
        f"/#/experiments/{experiment}/runs?searchFilter={quote('metrics.memory_ratio <= 0.9')}"
        f"&orderByKey={quote('metrics.`latency_ratio`')}&orderByAsc=true"
    ),
    awaited='.ag-row [role="gridcell"] a',
    shows="table of an experiment's runs, filtered and sorted",
    has_chart=False,
)
OPTUNA = Tool(
    name="optuna-dashboard",
    into=HERE / "into_optuna.py",
    command=lambda database, port: [
        str(PYTHON.with_name("optuna-dashboard")),
        database,
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
    ],
    ready="/dashboard",
    question=lambda study, n: Asked(f"/api/studies/{study}"),
    asked="the whole study: it has no question for a part of it",
    page=lambda study: f"/dashboard/studies/{study}",
    awaited="#graph-pareto-front .point, #graph-pareto-front canvas",
    shows="a study's page with its Pareto front",
    has_chart=True,
)
TOOLS = (MLFLOW, OPTUNA)
