"""Tasks of lm-evaluation-harness, from a folder on the worker: the harness asks and scores, the arm's model answers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import chdir
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workers.catalog.evaluation import Evaluation, Outputs, Scores, Scoring, reads_text
from workers.catalog.evaluations import data
from workers.catalog.metrics import QUALITY_TASK
from workers.catalog.model import Model, Unsupported
from workers.catalog.models import decoder
from workers.catalog.technique import DECODERS
from workers.catalog.workload import Bench, Workload

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

MEASURE = "acc"
"""The harness's name of the score that is read: 1 where the likeliest choice is the right one, else 0."""
OFFLINE = {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
"""Data sets come from the folder or from this machine's cache; what a task names is never downloaded."""


class LmEval(Evaluation):
    name: Literal["lm_eval"] = "lm_eval"
    title = "lm-evaluation-harness"
    summary = (
        "Accuracy on multiple-choice tasks of lm-evaluation-harness that the worker's operator has put in a folder."
    )
    kinds = DECODERS
    packages = ("lm_eval",)
    scorings = (Scoring(QUALITY_TASK, "share", 0.01, "One item in a hundred."),)

    folder: str = Field(
        "tasks",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Name of a folder with task files inside the worker's folder of data sets (TRADESPACE_DATASETS).",
    )
    items: int = Field(500, ge=8, le=100_000, description="Items of each task, at most.")

    def misfit(self, model: Model, workload: Workload) -> str | None:
        return None if reads_text(model) else f"{model.title} has no tokenizer, so a task cannot be read to it."

    def outputs(self, bench: Bench, workload: Workload) -> Outputs:
        """Whether each item was answered ``right`` [N], and the ``task`` [N] it belongs to, in the order of their names.

        Raises:
            Unsupported: the folder has no tasks that can be run here; the message says why.
        """
        import numpy as np

        folder = data.locate(self.folder, folder=True)
        check_tasks(folder)
        training = bench.model.training
        bench.model.eval()
        # Data files that a task names lie beside it.
        with chdir(folder):
            samples = self._asked(bench, folder)
        bench.model.train(training)
        right: list[np.ndarray] = []
        for name, items in sorted(samples.items()):
            unread = sum(MEASURE not in item for item in items)
            if unread or not items:
                raise Unsupported(f"The task {name} does not score its items by {MEASURE}.")
            ordered = sorted(items, key=lambda item: int(item["doc_id"]))
            right.append(np.array([float(item[MEASURE]) for item in ordered]))
        return {"right": np.concatenate(right), "task": np.repeat(np.arange(len(right)), [len(each) for each in right])}

    def score(self, baseline: Outputs, candidate: Outputs) -> Mapping[str, Scores]:
        return {QUALITY_TASK.name: Scores(candidate["right"], baseline["right"])}

    def _asked(self, bench: Bench, folder: Path) -> dict[str, list[dict[str, Any]]]:
        """What the harness wrote down of every item, by task."""
        os.environ.update(OFFLINE)  # Read when its libraries are first imported.
        from lm_eval import simple_evaluate
        from lm_eval.tasks import TaskManager

        manager = TaskManager(include_path=folder, include_defaults=False)
        tasks = sorted(manager.all_subtasks)
        if not tasks:
            raise Unsupported(f"{self.folder} holds no task of lm-evaluation-harness.")
        found = simple_evaluate(
            model=_answering(bench),
            tasks=tasks,
            task_manager=manager,
            limit=self.items,
            bootstrap_iters=0,
            log_samples=True,
            random_seed=bench.seed,
            numpy_random_seed=bench.seed,
            torch_random_seed=bench.seed,
            fewshot_random_seed=bench.seed,
        )
        assert found is not None, "one process alone has the results"
        samples: dict[str, list[dict[str, Any]]] = found["samples"]
        return samples


def check_tasks(folder: Path) -> None:
    """Refuse task files that have the harness run code of theirs.

    Raises:
        Unsupported: a file does.
    """
    for path in sorted((*folder.rglob("*.yaml"), *folder.rglob("*.yml"))):
        if "!function" in path.read_text(encoding="utf-8"):
            raise Unsupported(f"{path.name} brings its own code (!function); code from task files is never run.")


def _answering(bench: Bench) -> Any:
    """The arm's model as the harness wants it. One request at a time: nothing is padded, and no arm is batched otherwise."""
    import torch
    from lm_eval.api.model import TemplateLM

    class Answering(TemplateLM):  # type: ignore[misc]
        @property
        def eot_token_id(self) -> int:
            # Stands for "nothing before"; models that read bytes have no token of their own for it.
            return int(bench.declared.encode("\n")[0])

        def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
            tokens: list[int] = bench.declared.encode(string).tolist()
            return tokens

        def _loglikelihood_tokens(
            self, requests: list[tuple[Any, list[int], list[int]]], **_: Any
        ) -> list[tuple[float, bool]]:
            answers: list[tuple[float, bool]] = []
            with torch.inference_mode(), bench.step_context():
                for _, before, wanted in requests:
                    answers.append(self._likelihood(before, wanted))
            return answers

        def _likelihood(self, before: list[int], wanted: list[int]) -> tuple[float, bool]:
            import numpy as np

            decoder.check_length(bench.model, len(before) + len(wanted) - 1)
            batch = data.tokens(bench, np.array([[*before, *wanted][:-1]], dtype=np.int64))
            scores = bench.declared.logits(bench.model, batch)[0, -len(wanted) :].float().log_softmax(-1)
            target = torch.tensor(wanted, device=scores.device)
            likely = float(scores.gather(-1, target[:, None]).sum())
            return likely, bool((scores.argmax(-1) == target).all())

        def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
            raise Unsupported("Tasks that score whole texts are not run; the evaluation perplexity reads a text.")

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            raise Unsupported("Tasks that have text generated are not run; tasks of multiple choice are.")

    return Answering()
