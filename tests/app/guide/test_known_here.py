"""Cases of the team's studies become evidence: labels become the guide's words, and what has none is left out."""

from typing import Any

import pytest

from app.guide.advice import weighed
from app.guide.evidence import Evidence
from app.guide.known_here import measurements, words
from app.guide.situation import Situation
from app.knowledge.cases import Case, Effect
from tests.app.guide.scenes import DECODING_ON_4090, TRAINING_ON_T4
from workers.catalog.technique import Phase


def case(**changed: Any) -> Case:
    effects = {
        "latency": Effect(ratio=0.5, low=0.48, high=0.52, verdict="faster", runs=2),
        "memory": Effect(ratio=0.6, low=0.6, high=0.6, verdict="smaller", runs=2),
        "perplexity": Effect(ratio=1.01, low=1.0, high=1.02, verdict="undecided", runs=1),
    }
    values: dict[str, Any] = {
        "techniques": ("int8_weight_only",), "label": "precision bf16 + kv_cache dynamic + int8_weight_only row",
        "against": "precision bf16 + kv_cache dynamic", "turned_on": True, "model": DECODING_ON_4090.model.name,
        "workload": "decode", "device": "cuda", "hardware": DECODING_ON_4090.device.title, "batch_size": 1, "length": 512,
        "point": {}, "evaluation": None, "family": "quantization", "ran": "as_asked", "runs": 2, "environments": 1, "run": "r1",
        "url": "/runs/r1", "effects": effects, "relative": {},
    }  # fmt: skip
    return Case(**values | changed)


@pytest.mark.parametrize(
    ("label", "phase", "found"),
    [
        ("precision bf16 + torch_compile reduce-overhead, auto + kv_cache static", "inference", ("bf16", "kv_cache", "cuda_graphs")),
        ("precision fp32", "inference", ()),
        ("as built", "training", ()),
        ("autocast bf16 + gradient_accumulation 8 + gradient_checkpointing 1", "training", ("autocast_bf16", "checkpointing", "accumulation")),
        ("autocast bf16 + gradient_accumulation 4", "training", ("autocast_bf16", "accumulation_4")),
        ("autocast bf16 + gradient_accumulation 2", "training", None),
        ("autocast bf16 + gradient_checkpointing 2", "training", None),
        ("autocast bf16 + gradient_checkpointing 1, reentrant", "training", None),
        ("precision bf16", "training", ("bf16_weights",)),
        ("nf4 bf16", "inference", ("nf4",)),
        ("nf4 bf16, double quantization", "inference", None),
        ("something else 4", "inference", None),
        ("precision bf16", "inference", ("bf16",)),
        ("precision bf16 + attention flash", "inference", ("bf16",)),
        ("precision bf16 + attention eager", "inference", ("bf16", "eager_attention")),
        ("precision bf16 + attention math", "inference", ("bf16", "eager_attention")),
        ("precision bf16 + lora 16, 32, all", "training", ("autocast_bf16", "lora")),
        ("autocast bf16 + lora 16, 32, all", "training", None),
        ("precision bf16 + fp8 row, 128", "inference", ("bf16", "fp8")),
        ("precision bf16 + gptq own, 32, 128, 0.01", "inference", ("bf16", "int4_weight_only")),
        ("precision bf16 + gptq own, 32, 64, 0.01", "inference", None),
        ("precision bf16 + smoothquant own, 32, 0.5", "inference", ("bf16", "w8a8_int8")),
    ],
)  # fmt: skip
def test_labels_become_words(label: str, phase: Phase, found: tuple[str, ...] | None) -> None:
    assert words(label, phase, 8) == found


@pytest.mark.parametrize(
    ("steps", "batch", "word"),
    [(4, 4, "accumulation"), (4, 8, "accumulation_4"), (4, None, "accumulation_4"), (8, 8, "accumulation"), (8, 32, None), (8, None, None)],
)  # fmt: skip
def test_accumulation_is_one_at_a_time_only_where_its_steps_are_the_batch(
    steps: int, batch: int | None, word: str | None
) -> None:
    assert words(f"gradient_accumulation {steps}", "training", batch) == (None if word is None else (word,))


def test_a_case_becomes_a_row_for_each_figure_that_the_guide_reads() -> None:
    rows = {one.metric: one for one in measurements([case()], DECODING_ON_4090)}
    assert rows["time"].ratio == 0.5
    assert rows["time"].stack == ("bf16", "kv_cache", "int8_weight_only")
    assert rows["time"].baseline == ("bf16", "kv_cache")
    assert rows["time"].setting.task == "chat"
    assert rows["quality"].ratio == pytest.approx(0.01)
    assert rows["quality"].low == pytest.approx(0.0)
    assert rows["memory"].url == "/runs/r1"


def test_accuracy_that_falls_is_a_loss() -> None:
    effects = {"accuracy": Effect(ratio=0.98, low=0.97, high=0.99, verdict="worse", runs=1)}
    (row,) = measurements([case(effects=effects)], DECODING_ON_4090)
    assert row.metric == "quality"
    assert (row.low, row.ratio, row.high) == pytest.approx((0.01, 0.02, 0.03))


def test_what_was_emulated_tells_of_quality_alone() -> None:
    (row,) = measurements([case(ran="emulated")], DECODING_ON_4090)
    assert row.metric == "quality"


@pytest.mark.parametrize("changed", [{"ran": "fell_back"}, {"label": "precision bf16 + unheard_of 4"}])
def test_what_did_not_run_or_has_no_word_is_left_out(changed: dict[str, Any]) -> None:
    assert measurements([case(**changed)], DECODING_ON_4090) == ()


def test_a_case_of_this_model_and_device_is_told_as_measured() -> None:
    rows = measurements([case()], DECODING_ON_4090)
    found = weighed(DECODING_ON_4090, ("bf16", "kv_cache", "int8_weight_only"), rows)
    assert found.ratio.kind == "measured"
    assert found.ratio.value == pytest.approx(0.5, rel=0.05)
    assert found.memory_ratio.kind == "measured"
    assert "r1:perplexity" in found.loss.evidence


def test_a_case_of_another_phase_says_nothing() -> None:
    def believed(situation: Situation, rows: object) -> float:
        return weighed(situation, ("autocast_fp16", "torch_compile"), rows).ratio.value  # type: ignore[arg-type]

    rows = measurements([case(label="torch_compile default, auto", against="as built")], TRAINING_ON_T4)
    assert rows
    assert believed(TRAINING_ON_T4, rows) == believed(TRAINING_ON_T4, ())


def test_a_case_of_another_model_counts_less() -> None:
    stack = ("bf16", "kv_cache", "int8_weight_only")
    same, other = (
        weighed(DECODING_ON_4090, stack, measurements([case(model=model)], DECODING_ON_4090)).ratio
        for model in (DECODING_ON_4090.model.name, "another")
    )
    assert same.high / same.low < other.high / other.low


@pytest.mark.parametrize(
    ("model", "counts"),
    [("llama tiny", True), ("reference decoder", True), ("vit tiny 224px", False), ("reference cnn", False), ("mlp", False), ("some/checkpoint@0123456", False), (TRAINING_ON_T4.model.name, True)],
)  # fmt: skip
def test_training_of_another_kind_of_model_says_nothing(model: str, counts: bool) -> None:
    trained = case(
        model=model, workload="train_step", label="autocast fp16 + gradient_checkpointing 1", against="autocast fp16"
    )
    assert bool(measurements([trained], TRAINING_ON_T4)) is counts


@pytest.mark.parametrize(("model", "counts"), [("llama tiny", True), ("vit tiny 224px", False), ("mlp", False)])
def test_quality_of_another_kind_of_model_says_nothing(model: str, counts: bool) -> None:
    metrics = {one.metric for one in measurements([case(model=model)], DECODING_ON_4090)}
    assert ("quality" in metrics) is counts
    assert {"time", "memory"} <= metrics


def test_what_was_gained_without_eager_attention_tells_of_eager_attention() -> None:
    """A baseline without an entry of attention had torch's own."""
    found = measurements(
        [
            case(
                label="precision bf16 + kv_cache dynamic", against="precision bf16 + attention eager + kv_cache dynamic"
            )
        ],
        DECODING_ON_4090,
    )
    assert {one.baseline for one in found} == {("bf16", "eager_attention", "kv_cache")}
    assert {one.stack for one in found} == {("bf16", "kv_cache")}
    told = Evidence(DECODING_ON_4090, found, ("bf16", "kv_cache")).effect("eager_attention")
    assert "r1:latency" in {one.id for one in told.cited}
    assert told.mean > 0.3
