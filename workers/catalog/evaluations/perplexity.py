"""Perplexity and next-token accuracy of decoders on a held-out text, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workers.catalog.evaluation import Evaluation, Outputs, Scores, Scoring, has_data, reads_text
from workers.catalog.evaluations import data
from workers.catalog.metrics import QUALITY_NEXT_TOKEN, QUALITY_PERPLEXITY
from workers.catalog.model import Model, Unsupported
from workers.catalog.models import decoder
from workers.catalog.technique import DECODERS
from workers.catalog.workload import Bench, Workload
from workers.catalog.workloads import caching

if TYPE_CHECKING:
    import numpy as np

BATCH = 8
"""Windows of a batch, the same in every arm: scores move with the batch size
(https://github.com/EleutherAI/lm-evaluation-harness/issues/1645)."""
FEWEST_WINDOWS = 8
"""Below these, windows say nothing about how far they lie apart."""


class Perplexity(Evaluation):
    name: Literal["perplexity"] = "perplexity"
    title = "Perplexity"
    summary = (
        "Perplexity and next-token accuracy on a held-out text, every token predicted once from the window before it."
    )
    kinds = DECODERS
    scorings = (
        Scoring(QUALITY_PERPLEXITY, "log", 0.01, "By convention, a hundredth of the value."),
        Scoring(QUALITY_NEXT_TOKEN, "share", 0.01, "One token in a hundred."),
    )

    tokens: int = Field(8_192, ge=256, le=1_000_000, description="Tokens of the text that are predicted, at most.")
    window: int = Field(256, ge=8, le=131_072, description="Tokens the model sees at once.")
    stride: int = Field(
        128, ge=1, le=131_072, description="By how much the window moves on: fewer give each token more text before it."
    )
    text_file: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$",
        description="Name of a text in the worker's folder of data sets (TRADESPACE_DATASETS); empty for the model's own.",
    )

    @model_validator(mode="after")
    def _moves_on(self) -> Self:
        if self.stride >= self.window:
            raise PydanticCustomError(
                "stride", "stride is {stride} and has to be below window, {window}", self.model_dump()
            )
        return self

    def misfit(self, model: Model, workload: Workload) -> str | None:
        if self.text_file and not reads_text(model):
            return f"{model.title} has no tokenizer, so a text cannot be read to it."
        if not self.text_file and not has_data(model):
            return f"{model.title} comes with no held-out text."
        return None

    @property
    def reach(self) -> int:
        return self.window

    def outputs(self, bench: Bench, workload: Workload) -> Outputs:
        """Of each scored token its ``surprise`` in nats and whether it was ``right``ly the most likely, and its ``window`` [N].

        Raises:
            Unsupported: there is no text, it is too short, or the window longer than the model reaches.
        """
        import numpy as np
        import torch
        from torch.nn import functional

        decoder.check_length(bench.model, self.window)
        ids = self._ids(bench.declared)
        through_cache = caching.lossy(bench.options("generation_options"))
        windows = data.windows(len(ids), self.window, self.stride)
        surprise: list[np.ndarray] = []
        right: list[np.ndarray] = []
        training = bench.model.training
        bench.model.eval()
        with torch.inference_mode(), bench.step_context():
            for first in range(0, len(windows), BATCH):
                some = windows[first : first + BATCH]
                batch = data.tokens(bench, np.stack([ids[each.start : each.end] for each in some]))
                # Positions before this one predict nothing that is scored.
                first = min(each.scored - each.start for each in some) - 1 if through_cache else 0
                scores = (
                    caching.logits(bench, batch["input_ids"], first)
                    if through_cache
                    else bench.declared.logits(bench.model, batch)
                )
                for row, wanted, each in zip(scores, batch["input_ids"], some, strict=True):
                    begin = each.scored - each.start
                    predicted, target = row[begin - 1 - first : -1].float(), wanted[begin:]
                    surprise.append(functional.cross_entropy(predicted, target, reduction="none").cpu().numpy())
                    right.append((predicted.argmax(-1) == target).cpu().numpy())
        bench.model.train(training)
        sizes = [len(each) for each in surprise]
        return {
            "surprise": np.concatenate(surprise),
            "right": np.concatenate(right),
            "window": np.repeat(np.arange(len(sizes)), sizes),
        }

    def score(self, baseline: Outputs, candidate: Outputs) -> Mapping[str, Scores]:
        return {
            metric.name: Scores(
                candidate[name].astype("float64"), baseline[name].astype("float64"), clusters=baseline["window"]
            )
            for metric, name in ((QUALITY_PERPLEXITY, "surprise"), (QUALITY_NEXT_TOKEN, "right"))
        }

    def _ids(self, model: Model) -> np.ndarray:
        """Token ids [T] of the text: so many as give ``tokens`` predictions, and not fewer than make some windows."""
        if self.text_file:
            ids = model.encode(data.text(self.text_file))
        else:
            held_out = data.held_out(model)
            if held_out.window is not None and self.window > held_out.window:
                raise Unsupported(
                    f"{model.label} was trained on {held_out.window:,} tokens at once; a window of {self.window:,} would say "
                    "nothing about it."
                )
            ids = held_out.inputs
        fewest = self.window + (FEWEST_WINDOWS - 1) * self.stride
        most = max(self.tokens + 1, fewest)
        if len(ids) < fewest:
            raise Unsupported(
                f"The text has {len(ids):,} tokens; {FEWEST_WINDOWS} windows of {self.window:,} tokens that move on by "
                f"{self.stride:,} need {fewest:,}. Choose a smaller window or stride, or a longer text."
            )
        return ids[:most]
