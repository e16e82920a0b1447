"""torch.compile: graphs are really built, breaks are told, and a machine that cannot build says so."""

from collections.abc import Iterator

import pytest

from tests.workers.catalog.observed import CPU, bench, evidence, verdicts, without
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.technique import DeviceFacts
from workers.catalog.techniques import torch_compile as module
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.torch_compile import TorchCompile
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.prefill import Prefill

COMPILES = TorchCompile().refuses(CPU) is None
needs_compiler = pytest.mark.skipif(not COMPILES, reason=str(TorchCompile().refuses(CPU)))


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    import torch._dynamo
    import torch._inductor.config

    with (
        torch._dynamo.config.patch(fail_on_recompile_limit_hit=False),
        torch._inductor.config.patch(force_disable_caches=False),
    ):
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()


@needs_compiler
def test_the_model_is_one_graph_with_the_same_answers() -> None:
    import torch

    technique = TorchCompile(fullgraph=True)
    model = Mlp(width=64, layers=2)
    compiled, eager = bench(model, (technique,)), bench(model)
    seen = evidence(Classify(batch_size=4), compiled)
    assert seen.graphs == 1
    assert technique.proof(seen).ran == "as_asked"
    batch = model.inputs(eager.model, batch_size=4, length=None, seed=1)
    with torch.inference_mode():
        torch.testing.assert_close(model.logits(compiled.model, batch), model.logits(eager.model, batch))


@needs_compiler
def test_a_graph_of_one_attention_backend_is_not_given_to_another() -> None:
    workload = Prefill(sequence_length=16)
    for backend in ("math", "flash"):
        import torch._dynamo

        torch._dynamo.reset()
        stack = (Attention.model_validate({"backend": backend}), TorchCompile())
        assert verdicts(workload, Llama(), *stack) == {"attention": "as_asked", "torch_compile": "as_asked"}


def test_a_compile_that_never_ran_is_a_fall_back() -> None:
    seen = evidence(Classify(batch_size=4), bench(Mlp(width=64, layers=2)))
    assert TorchCompile().proof(seen).ran == "fell_back"


def test_graph_breaks_are_a_fall_back() -> None:
    seen = evidence(Classify(batch_size=4), bench(Mlp(width=64, layers=2)))
    verified = TorchCompile().proof(without(seen, graphs=3, graph_calls=3, graph_breaks=2))
    assert verified.ran == "fell_back"
    assert "2 graph breaks" in verified.detail


def test_reduce_overhead_must_launch_cuda_graphs() -> None:
    technique = TorchCompile(mode="reduce-overhead")
    assert "CUDA graphs" in str(technique.refuses(CPU))
    seen = without(
        evidence(Classify(batch_size=4), bench(Mlp(width=64, layers=2))),
        device=DeviceFacts("cuda", "L4", (8, 9)),
        graphs=1,
        graph_calls=1,
    )
    assert technique.proof(seen).ran == "fell_back"
    replayed = without(seen, operators={"cudaGraphLaunch": 1})
    assert technique.proof(replayed).ran == "as_asked"
    refused = technique.proof(without(replayed, replays_refused=2, facts={"cache": "DynamicCache"}))
    assert refused.ran == "fell_back"
    assert "take a static one" in refused.detail


def test_graphs_that_the_step_did_not_call_are_a_fall_back() -> None:
    seen = evidence(Classify(batch_size=4), bench(Mlp(width=64, layers=2)))
    verified = TorchCompile().proof(without(seen, graphs=1))
    assert verified.ran == "fell_back"
    assert "ran eagerly" in verified.detail


def test_it_refuses_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config

    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}):
        assert "C++ compiler" in str(TorchCompile().refuses(CPU))
    if COMPILES:
        monkeypatch.setattr("sysconfig.get_path", lambda _: "/nonexistent")
        assert "Python.h" in str(module._missing_compiler())
