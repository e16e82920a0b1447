"""Tasks of lm-evaluation-harness: a task made here, offline, answered by the reference decoder."""

import importlib.util
import json
from pathlib import Path

import pytest

from tests.workers.catalog.observed import bench
from workers.catalog.evaluations.lm_eval import LmEval, check_tasks
from workers.catalog.metrics import QUALITY_TASK
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.prefill import Prefill

INSTALLED = importlib.util.find_spec("lm_eval") is not None
needs_lm_eval = pytest.mark.skipif(
    not INSTALLED, reason="needs the package lm_eval (the extra eval); make soak installs it and runs this"
)
TASK = """\
task: endings
dataset_path: json
dataset_kwargs:
  data_files:
    test: endings.jsonl
test_split: test
output_type: multiple_choice
doc_to_text: "{{before}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{right}}"
target_delimiter: ""
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""
WORKLOAD = Prefill()
MODEL = ReferenceDecoder()


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one task: which of two endings is English. Every other item's right one comes first."""
    folder = tmp_path / "datasets" / "tasks"
    folder.mkdir(parents=True)
    (folder / "endings.yaml").write_text(TASK, encoding="utf-8")
    befores = (
        "She said th",
        "It was in the morning tha",
        "and then the",
        "What will yo",
        "He came to her wit",
        "of the wor",
    )
    lines = []
    for index in range(24):
        before = befores[index % len(befores)]
        words, noise = ("e ", "t the ", "y ", "u ", "h the ", "ld ")[index % 6], ("zq", "xj", "qk", "vx")[index % 4]
        choices = [words, noise] if index % 2 else [noise, words]
        lines.append(json.dumps({"before": before, "choices": choices, "right": 0 if index % 2 else 1}))
    (folder / "endings.jsonl").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("TRADESPACE_DATASETS", str(tmp_path / "datasets"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    return folder


@needs_lm_eval
@pytest.mark.filterwarnings("default")  # The harness's libraries have warnings of their own.
def test_a_local_task_is_asked_offline_and_scored_by_item(tasks: Path) -> None:
    evaluation = LmEval(items=20)
    plain, rounded = (evaluation.outputs(bench(MODEL, stack), WORKLOAD) for stack in ((), (Precision(dtype="bf16"),)))
    assert plain["right"].shape == plain["task"].shape == (20,)
    assert plain["right"].mean() > 0.8
    scores = evaluation.score(plain, rounded)[QUALITY_TASK.name]
    assert scores.baseline is not None
    assert len(scores.variant) == len(scores.baseline) == 20


@needs_lm_eval
@pytest.mark.filterwarnings("default")
def test_a_folder_without_tasks_says_so(tasks: Path) -> None:
    (tasks / "endings.yaml").unlink()
    with pytest.raises(Unsupported, match="tasks holds no task"):
        LmEval().outputs(bench(MODEL), WORKLOAD)


def test_code_of_a_task_is_never_run(tasks: Path) -> None:
    (tasks / "endings.yaml").write_text(TASK + "process_docs: !function code.run\n", encoding="utf-8")
    with pytest.raises(Unsupported, match=r"endings\.yaml brings its own code"):
        check_tasks(tasks)
    with pytest.raises(Unsupported, match="brings its own code"):
        LmEval().outputs(bench(MODEL), WORKLOAD)


def test_a_folder_that_is_not_there_says_so(tasks: Path) -> None:
    with pytest.raises(Unsupported, match="did you mean tasks"):
        LmEval(folder="task").outputs(bench(MODEL), WORKLOAD)


def test_a_model_without_a_tokenizer_does_not_fit() -> None:
    assert "no tokenizer" in str(LmEval().misfit(Llama(), WORKLOAD))
    assert LmEval().misfit(MODEL, WORKLOAD) is None
