"""The trained decoder: real text in, its stored perplexity out, and a loss of quality that grows as formats shrink."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from reference_models import scoring
from tests.workers.catalog.observed import bench
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.reference_decoder import POSITIONS, WINDOW, ReferenceDecoder
from workers.catalog.reference import corpus
from workers.catalog.technique import LoadOptions, Technique
from workers.catalog.techniques.llm_int8 import LlmInt8
from workers.catalog.techniques.nf4 import Nf4
from workers.catalog.techniques.precision import Precision

WINDOWS = 80
"""Of text that formats are compared on: bf16 and int8 lie so near to fp32 that fewer could not tell them apart."""


def losses(*stack: Technique) -> torch.Tensor:
    """Loss of each of the first held-out tokens in nats, read in windows of the training's length."""
    ready = bench(ReferenceDecoder(), stack)
    text = torch.from_numpy(ReferenceDecoder().labelled("test").inputs)
    windows = text[: WINDOWS * WINDOW].view(-1, WINDOW)
    found = []
    with torch.inference_mode():
        for batch in torch.split(windows, 32):
            scores = ReferenceDecoder().logits(ready.model, {"input_ids": batch})[:, :-1].float()
            found.append(functional.cross_entropy(scores.flatten(0, 1), batch[:, 1:].flatten(), reduction="none"))
    return torch.cat(found).double()


def test_it_reaches_its_stored_scores() -> None:
    found = scoring.decoder(ReferenceDecoder().build(LoadOptions()))
    stored = scoring.stored()["reference_decoder"]
    assert found["perplexity"] == pytest.approx(stored["perplexity"], rel=1e-4)
    assert found["next_token_accuracy"] == pytest.approx(stored["next_token_accuracy"], abs=2e-4)


def test_it_knows_more_than_how_often_letters_follow_each_other() -> None:
    text, held_out = corpus.tokens("train"), corpus.tokens("test")
    pairs = np.ones((corpus.VOCABULARY, corpus.VOCABULARY))
    np.add.at(pairs, (text[:-1], text[1:]), 1)
    chances = pairs / pairs.sum(1, keepdims=True)
    of_pairs = math.exp(-np.log(chances[held_out[:-1], held_out[1:]]).mean())
    assert scoring.stored()["reference_decoder"]["perplexity"] < 0.6 * of_pairs


def test_quality_falls_as_formats_shrink_and_pairing_shows_it() -> None:
    fp32 = losses(Precision(dtype="fp32"))
    bf16 = Precision(dtype="bf16")
    candidates = {
        "bf16": losses(bf16),
        "int8": losses(bf16, LlmInt8(threshold=0)),
        "nf4": losses(bf16, Nf4()),
    }
    means = [float(fp32.mean()), *(float(candidate.mean()) for candidate in candidates.values())]
    assert means == sorted(means), dict(zip(("fp32", *candidates), means, strict=True))
    for name, candidate in candidates.items():
        paired = float((candidate - fp32).std())
        unpaired = math.sqrt(float(candidate.var()) + float(fp32.var()))
        assert unpaired > 3 * paired, name
    nf4 = candidates["nf4"] - fp32
    assert float(nf4.mean()) > 3 * float(nf4.std()) / math.sqrt(len(nf4)), "beyond doubt"


def test_windows_are_pieces_of_the_text_it_was_trained_on() -> None:
    model = ReferenceDecoder()
    built = model.build(LoadOptions())
    batch = model.inputs(built, batch_size=3, length=100, seed=7)["input_ids"]
    assert batch.shape == (3, 100)
    for row in batch:
        assert model.decode(row.numpy()) in corpus.text("train")
    with pytest.raises(Unsupported, match="positions for 2,048"):
        model.inputs(built, batch_size=1, length=POSITIONS + 1, seed=0)


def test_it_hands_out_held_out_text_and_its_window() -> None:
    found = ReferenceDecoder().labelled("test")
    assert found.inputs.dtype == np.int64
    assert found.labels is None
    assert found.window == WINDOW
    assert ReferenceDecoder().decode(found.inputs) == corpus.text("test")
    assert ReferenceDecoder().encode("Alice").tolist() == list(b"Alice")


def test_a_model_without_data_or_tokenizer_says_so() -> None:
    assert Llama().labelled("test") is None
    for use in (lambda: Llama().encode("Alice"), lambda: Llama().decode(np.array([1]))):
        with pytest.raises(Unsupported, match="no tokenizer"):
            use()
