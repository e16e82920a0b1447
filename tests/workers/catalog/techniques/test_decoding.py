"""Decoding: exactly as many tokens whatever the method, the proof tells methods apart, and proposing changes no token."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tests.workers.catalog.observed import bench, evidence, proven, steps
from workers.catalog.applicability import clash
from workers.catalog.model import Model, Unsupported
from workers.catalog.models.llama import Llama
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.techniques.decoding import Decoding
from workers.catalog.techniques.kv_cache import KvCache
from workers.catalog.workloads.generate import Generate

WORKLOAD = Generate(prompt_length=48, new_tokens=16)
METHODS: list[dict[str, Any]] = [
    {"method": "greedy"},
    {"method": "sampling", "temperature": 0.8, "top_k": 20, "top_p": 0.9},
    {"method": "beam", "beams": 3},
    {"method": "prompt_lookup"},
    {"method": "draft"},
]


def decoding(**parameters: Any) -> Decoding:
    return Decoding.model_validate(parameters)


def written(model: Model, *stack: Any, workload: Generate = WORKLOAD, times: int = 1) -> list[list[int]]:
    """The new tokens of each step."""
    session: Any = workload.prepare(bench(model, stack))
    generate, found = session.model.generate, []

    def heard(*arguments: Any, **options: Any) -> Any:
        answer = generate(*arguments, **options)
        found.append(answer.sequences[0, workload.prompt_length :].tolist())
        return answer

    session.model.generate = heard
    steps(session, times)
    return found


@pytest.mark.parametrize("parameters", METHODS, ids=lambda parameters: parameters["method"])
def test_it_runs_as_asked(parameters: dict[str, Any]) -> None:
    verified = proven(decoding(**parameters), WORKLOAD, Llama())
    assert verified.ran == "as_asked", verified.detail
    assert "16 tokens" in verified.detail


def test_every_method_tells_itself_from_the_others() -> None:
    for ran in METHODS:
        seen = evidence(WORKLOAD, bench(Llama(), (decoding(**ran),)))
        found = {each["method"] for each in METHODS if decoding(**each).proof(seen).ran == "as_asked"}
        assert found == {ran["method"]}


@pytest.mark.parametrize("method", ["prompt_lookup", "draft"])
def test_proposing_writes_what_greedy_writes_in_fewer_passes(method: str) -> None:
    workload = Generate(prompt_length=96, new_tokens=32)
    assert written(ReferenceDecoder(), decoding(method=method), workload=workload) == written(
        ReferenceDecoder(), workload=workload
    )
    session = workload.prepare(bench(ReferenceDecoder(), (decoding(method=method),)))
    steps(session)
    facts = session.facts()
    assert facts["new_tokens"] == 32
    assert facts["forward_passes"] < 32


def test_a_draft_is_the_models_own_first_layers_with_a_cache() -> None:
    ready = bench(ReferenceDecoder())
    draft: Any = decoding(method="draft", layers=3).draft(ready.model)
    model: Any = ready.model
    assert len(draft.model.layers) == draft.config.num_hidden_layers == 3
    assert len(model.model.layers) == model.config.num_hidden_layers == 4
    assert {id(weight) for weight in draft.parameters()} < {id(weight) for weight in model.parameters()}
    widths: list[int] = []
    model.model.layers[0].register_forward_hook(lambda _, inputs, __: widths.append(inputs[0].shape[1]))
    steps(Generate(prompt_length=24, new_tokens=8).prepare(bench_with(ready, decoding(method="draft", layers=3))))
    # The prompt twice, once by the draft and once with what it proposed; then only what is new.
    assert sorted(widths)[-2:] == [24, 29]
    assert sorted(widths)[-3] <= 6


def bench_with(ready: Any, technique: Decoding) -> Any:
    import dataclasses

    return dataclasses.replace(ready, stack=(technique,))


def test_a_draft_of_all_layers_is_refused() -> None:
    with pytest.raises(Unsupported, match="has 4"):
        WORKLOAD.prepare(bench(ReferenceDecoder(), (decoding(method="draft", layers=4),)))


def test_sampling_draws_the_same_at_every_step_and_another_with_another_seed() -> None:
    first, second = written(ReferenceDecoder(), decoding(method="sampling", seed=1), times=2)
    assert first == second
    assert written(ReferenceDecoder(), decoding(method="sampling", seed=2)) != [first]
    assert written(ReferenceDecoder(), decoding(method="sampling", top_k=1)) == written(ReferenceDecoder())


def test_beams_find_an_answer_at_least_as_likely_as_greedy() -> None:
    workload = Generate(prompt_length=48, new_tokens=12)

    def likelihood(*stack: Any) -> float:
        ready = bench(ReferenceDecoder())
        new = torch.tensor(written(ReferenceDecoder(), *stack, workload=workload))
        prompt = ready.declared.inputs(ready.model, batch_size=1, length=48, seed=0)["input_ids"]
        ids = torch.cat([prompt, new], dim=1)
        with torch.inference_mode():
            scores = ready.declared.logits(ready.model, {"input_ids": ids})[:, 47:-1].log_softmax(-1)
        return float(scores.gather(-1, new[..., None]).sum())

    assert likelihood(decoding(method="beam", beams=6)) >= likelihood() - 1e-4


def test_what_cannot_run_is_refused() -> None:
    assert "batch_size" in str(decoding(method="draft").misfit(Generate(batch_size=2)))
    assert decoding(method="beam").misfit(Generate(batch_size=2)) is None
    for implementation in ("off", "static", "int8", "fp8", "window"):
        cache = KvCache.model_validate({"implementation": implementation})
        assert "only the dynamic" in str(clash(decoding(), cache))
        assert clash(decoding(method="greedy"), cache) is None
    assert clash(decoding(), KvCache()) is None


@pytest.mark.parametrize("parameters", [{"method": "greedy", "top_k": 5}, {"method": "beam", "proposed": 2}], ids=str)
def test_parameters_belong_to_their_method(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        decoding(**parameters)
