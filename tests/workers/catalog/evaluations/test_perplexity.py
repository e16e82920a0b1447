"""Perplexity: equal to the one worked out from one long look at the text, and moved by what a format costs."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from tests.workers.catalog.observed import bench
from workers.catalog.evaluations.perplexity import Perplexity
from workers.catalog.metrics import QUALITY_NEXT_TOKEN, QUALITY_PERPLEXITY
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.precision import Precision
from workers.catalog.workloads.prefill import Prefill
from workers.measurement import quality

EVALUATION = Perplexity(tokens=1_024, window=128, stride=64)
WORKLOAD = Prefill()
MODEL = ReferenceDecoder()


def test_a_tokens_surprise_is_what_the_window_before_it_leaves() -> None:
    ready = bench(MODEL)
    found = EVALUATION.outputs(ready, WORKLOAD)
    ids = torch.from_numpy(MODEL.labelled("test").inputs)
    assert len(found["surprise"]) == 1_024 - (1_024 - 127) % 64
    # The last token of the third window, after the 127 before it.
    end = 128 + 2 * 64
    with torch.inference_mode():
        scores = ready.model(input_ids=ids[None, end - 128 : end]).logits[0].float()
    wanted = functional.cross_entropy(scores[-2], ids[end - 1])
    assert found["surprise"][end - 2] == pytest.approx(float(wanted), rel=1e-4)
    assert found["right"][end - 2] == (int(scores[-2].argmax()) == int(ids[end - 1]))
    assert found["window"][end - 2] == 2


def test_the_trained_model_reads_its_books_better_than_chance() -> None:
    found = EVALUATION.outputs(bench(MODEL), WORKLOAD)
    assert math.exp(float(found["surprise"].mean())) < 10, "of 256 bytes"
    assert found["right"].mean() > 0.4


def test_a_coarser_format_moves_it_more_and_pairing_makes_it_sharp() -> None:
    stacks = ((), (Precision(dtype="bf16"),), (Nf4(),))
    plain, *others = (EVALUATION.outputs(bench(MODEL, stack), WORKLOAD) for stack in stacks)
    widths = [
        quality.widths(EVALUATION.scorings[0], EVALUATION.score(plain, other)[QUALITY_PERPLEXITY.name], seed=0)
        for other in others
    ]
    assert min(width.tighter for width in widths) >= 3
    bf16, nf4 = (abs(math.log(width.paired.value)) for width in widths)
    assert 0 < bf16 < nf4 < 0.1


def test_the_model_is_left_as_it_was() -> None:
    ready = bench(MODEL)
    ready.model.train()
    first = EVALUATION.outputs(ready, WORKLOAD)
    assert ready.model.training
    again = EVALUATION.outputs(ready, WORKLOAD)
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])


def test_both_metrics_are_of_both_arms() -> None:
    outputs = EVALUATION.outputs(bench(MODEL), WORKLOAD)
    scores = EVALUATION.score(outputs, outputs)
    assert set(scores) == {QUALITY_PERPLEXITY.name, QUALITY_NEXT_TOKEN.name}
    for each in scores.values():
        assert each.baseline is not None
        assert each.variant.shape == each.baseline.shape == outputs["window"].shape


def test_a_text_of_the_operators_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADESPACE_DATASETS", str(tmp_path))
    (tmp_path / "odd.txt").write_text("zqxj" * 400, encoding="utf-8")
    own = EVALUATION.outputs(bench(MODEL), WORKLOAD)["surprise"].mean()
    odd = Perplexity(tokens=512, window=64, stride=32, text_file="odd.txt")
    assert odd.outputs(bench(MODEL), WORKLOAD)["surprise"][:60].mean() > own + 1


@pytest.mark.parametrize(
    ("evaluation", "says"),
    [
        (Perplexity(window=2_048, stride=1_024), "trained on 256 tokens at once"),
        (Perplexity(window=4_096, stride=1_024), "positions for 2,048"),
        (Perplexity(text_file="short.txt"), "8 windows of 256 tokens"),
        (Perplexity(text_file="none.txt"), r"there is short\.txt|did you mean"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    evaluation: Perplexity, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADESPACE_DATASETS", str(tmp_path))
    (tmp_path / "short.txt").write_text("Once upon a time.", encoding="utf-8")
    with pytest.raises(Unsupported, match=says):
        evaluation.outputs(bench(MODEL), WORKLOAD)


def test_a_window_has_to_move_on() -> None:
    with pytest.raises(ValidationError, match="stride is 64 and has to be below window, 64"):
        Perplexity(window=64, stride=64)


def test_a_path_is_no_name() -> None:
    with pytest.raises(ValidationError):
        Perplexity(text_file="../secret.txt")


def test_a_model_without_text_does_not_fit() -> None:
    assert "no held-out text" in str(EVALUATION.misfit(Llama(), WORKLOAD))
    assert EVALUATION.misfit(MODEL, WORKLOAD) is None
