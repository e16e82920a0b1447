"""KV cache: the cache in use is the one that was asked for, off really computes everything again, and what is lost is seen."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.workers.catalog.observed import bench, evidence, proven, steps, without
from workers.catalog.applicability import problems
from workers.catalog.evaluations.divergence import Divergence
from workers.catalog.evaluations.perplexity import Perplexity
from workers.catalog.metrics import QUALITY_KL, QUALITY_PERPLEXITY
from workers.catalog.models.llama import Llama
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.spec import StudySpec
from workers.catalog.technique import DeviceFacts, Evidence
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.workload import Workload
from workers.catalog.workloads import caching
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.generate import Generate

GENERATE, DECODE = Generate(prompt_length=12, new_tokens=4), Decode(context_length=16)
WINDOW = {"implementation": "window", "window": 10, "sinks": 2}
RUNNING: list[tuple[Workload, dict[str, Any]]] = [
    *(
        (workload, {"implementation": word})
        for workload in (GENERATE, DECODE)
        for word in ("off", "dynamic", "static", "fp8")
    ),
    *((GENERATE, {"implementation": word}) for word in ("int8", "int4")),
    *((workload, WINDOW) for workload in (GENERATE, DECODE)),
]


def cache(**parameters: Any) -> KvCache:
    return KvCache.model_validate(parameters)


@pytest.mark.parametrize(("workload", "parameters"), RUNNING, ids=str)
def test_it_runs_as_asked(workload: Workload, parameters: dict[str, Any]) -> None:
    technique = cache(**parameters)
    assert technique.misfit(workload) is None
    verified = proven(technique, workload, Llama())
    assert (verified.ran, verified.simulated) == ("as_asked", False), verified.detail


@pytest.mark.parametrize("workload", [GENERATE, DECODE], ids=lambda workload: workload.word)
def test_another_cache_is_a_fall_back(workload: Workload) -> None:
    dynamic = evidence(workload, bench(Llama()))
    assert cache(implementation="dynamic").proof(dynamic).ran == "as_asked"
    for other in ("static", "off", "int8", "int4", "fp8", "window"):
        assert cache(implementation=other).proof(dynamic).ran == "fell_back"


def test_a_cache_that_keeps_other_bits_or_tokens_is_a_fall_back() -> None:
    int8 = evidence(GENERATE, bench(Llama(), (cache(implementation="int8"),)))
    assert int8.facts["cache_bits"] == 8
    for other in ("int4", "fp8"):
        assert cache(implementation=other).proof(int8).ran == "fell_back"
    window = evidence(GENERATE, bench(Llama(), (cache(**WINDOW),)))
    assert window.facts["cache_tokens"] == 9
    whole = without(window, facts={**window.facts, "cache_tokens": 15})
    assert cache(**WINDOW).proof(whole).ran == "fell_back"


def test_without_facts_nothing_is_proven() -> None:
    assert KvCache().proof(Evidence(DeviceFacts("cpu", "a CPU"))).ran == "fell_back"


def test_bytes_are_those_of_the_format() -> None:
    """Six layers of four heads of 32 keep 15 tokens: keys and values, a byte or half of one for each but the newest."""
    prompt, newest = 12, 3
    each = 2 * 6 * 4 * 32
    for word, share in (("int8", 1.0), ("int4", 0.5)):
        kept = evidence(GENERATE, bench(Llama(), (cache(implementation=word),))).facts["cache_bytes"]
        assert kept["uint8"] == each * prompt * share
        # In fp32: the newest tokens, and a scale and a zero for each group of 64.
        assert kept["float32"] == 4 * each * newest + 4 * 2 * each * prompt / 64
    fp8 = evidence(GENERATE, bench(Llama(), (cache(implementation="fp8"),))).facts["cache_bytes"]
    assert fp8["float8_e4m3fn"] == each * (prompt + newest)


@pytest.mark.parametrize("parameters", [{"implementation": "fp8"}, WINDOW], ids=str)
def test_decode_answers_alike_at_every_step(parameters: dict[str, Any]) -> None:
    ready = bench(Llama(), (cache(**parameters),))
    session: Any = DECODE.prepare(ready)
    answers: list[Any] = []
    handle = ready.model.register_forward_hook(lambda _, __, answer: answers.append(answer.logits))
    steps(session, 3)
    handle.remove()
    assert all((answer == answers[0]).all() for answer in answers)
    assert session.cache.get_seq_length() == 16


def test_a_window_keeps_the_first_and_the_last_tokens() -> None:
    import torch

    ready = bench(Llama(), (cache(**WINDOW),))
    options = cache(**WINDOW).generation_options()
    made = caching.empty(ready.model.config, options, 16)
    layer = made.layers[0]
    for token in range(16):
        states = torch.full((1, 1, 1, 1), float(token))
        layer.update(states, states)
    assert layer.keys.flatten().tolist() == [0, 1, 9, 10, 11, 12, 13, 14, 15]
    assert layer.get_seq_length() == 16


@pytest.fixture(scope="module")
def exact() -> Any:
    return Divergence(items=32).outputs(bench(ReferenceDecoder()), GENERATE)


def test_divergence_sees_what_a_cache_loses(exact: Any) -> None:
    found: dict[str, float] = {}
    lossy: dict[str, dict[str, Any]] = {
        "int8": {"implementation": "int8", "residual": 4},
        "int4": {"implementation": "int4", "residual": 4},
        "fp8": {"implementation": "fp8"},
        "wide": {"implementation": "window", "window": 28},
        "narrow": {"implementation": "window", "window": 12},
    }
    for name, parameters in lossy.items():
        outputs = Divergence(items=32).outputs(bench(ReferenceDecoder(), (cache(**parameters),)), GENERATE)
        found[name] = float(Divergence().score(exact, outputs)[QUALITY_KL.name].variant.mean())
    assert 0 < found["int8"] < found["fp8"] < found["int4"]
    assert found["wide"] < found["narrow"]
    assert found["int8"] < 1e-3 < found["narrow"]


def test_reading_through_a_whole_cache_changes_nothing(exact: Any) -> None:
    """A window that drops nothing is a dynamic cache, and scores token by token are those of one pass."""
    through = Divergence(items=32).outputs(
        bench(ReferenceDecoder(), (cache(implementation="window", window=64),)), GENERATE
    )
    np.testing.assert_allclose(through["log_probabilities"], exact["log_probabilities"], atol=1e-4)


def test_perplexity_reads_through_the_cache() -> None:
    evaluation = Perplexity(tokens=256, window=32, stride=16)
    plain = evaluation.outputs(bench(ReferenceDecoder()), GENERATE)
    whole = evaluation.outputs(bench(ReferenceDecoder(), (cache(implementation="window", window=64),)), GENERATE)
    np.testing.assert_allclose(whole["surprise"], plain["surprise"], atol=1e-3)
    narrow = evaluation.outputs(bench(ReferenceDecoder(), (cache(implementation="window", window=8),)), GENERATE)
    scores = evaluation.score(plain, narrow)[QUALITY_PERPLEXITY.name]
    assert scores.baseline is not None
    assert scores.variant.mean() > scores.baseline.mean() + 0.05


def study(technique: KvCache, workload: Workload, evaluation: dict[str, Any] | None) -> list[str]:
    spec = {
        "name": "caches", "model": {"name": "reference_decoder"}, "workload": workload.model_dump(), "device": "cpu",
        "evaluation": evaluation, "baseline": {"name": "none", "stack": []}, "variants": [{"name": "one", "stack": [technique.model_dump()]}],
    }  # fmt: skip
    return [problem.message for problem in problems(StudySpec.model_validate(spec))]


def test_what_cannot_be_seen_or_dropped_is_refused() -> None:
    long = Generate(prompt_length=200, new_tokens=8)
    wide = cache(implementation="window", window=64)
    assert study(wide, long, {"name": "perplexity"}) == []
    assert "drops none" in study(wide, long, {"name": "divergence"})[0]
    assert "not see" in study(wide, long, {"name": "lm_eval"})[0]
    assert "drop none" in study(wide, GENERATE, None)[0]
    assert "anew" in study(cache(implementation="int8"), Decode(), None)[0]
    assert study(cache(implementation="static"), long, {"name": "divergence"}) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"implementation": "dynamic", "window": 64},
        {"implementation": "fp8", "group": 64},
        {"implementation": "window", "window": 8, "sinks": 7},
    ],
    ids=str,
)
def test_parameters_belong_to_their_implementation(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cache(**parameters)
