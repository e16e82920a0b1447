"""Three real tiny workloads answer something well-formed about what binds them; which class it is, is the machine's."""

from collections import Counter
from typing import Any, get_args

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.workers.measurement.test_roofline import CEILINGS
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.report import BottleneckClass
from workers.catalog.technique import LoadOptions
from workers.catalog.workload import Bench, Session, Workload
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.train_step import TrainStep
from workers.measurement import binding
from workers.measurement.probes import evidence, peaks, perturbation, work

CPU = torch.device("cpu")
LARGE_PRODUCTS = (Mlp(width=512, layers=2), Classify(batch_size=256))
ONE_TOKEN = (Llama(preset="tiny"), Decode(batch_size=1, context_length=16))
ALMOST_NOTHING = (Mlp(width=8, layers=4), Classify(batch_size=1))
TRAINING = (Mlp(width=64, layers=2), TrainStep(batch_size=8))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perturbation, "MOST_S", 0.05)
    monkeypatch.setattr(perturbation, "BLOCK_S", 0.002)


def made(model: Any, workload: Workload) -> tuple[Bench, Session]:
    built = model.build(LoadOptions()).train(workload.phase == "training")
    bench = Bench(built, model, (), "cpu", 0)
    return bench, workload.prepare(bench)


@pytest.mark.parametrize(
    ("model", "workload", "phases"),
    [
        (*LARGE_PRODUCTS, ["classify"]),
        (*ONE_TOKEN, ["decode"]),
        (*ALMOST_NOTHING, ["classify"]),
        (*TRAINING, ["step", "forward", "backward", "optimizer"]),
    ],
)
def test_a_real_step_gets_a_well_formed_answer(model: Any, workload: Workload, phases: list[str]) -> None:
    bench, session = made(model, workload)
    counted = work.count(session.step)
    session.between()
    reaction = perturbation.react(bench, session, workload, CPU)
    assert reaction.why_not == ""
    assert reaction.work is not None
    assert (reaction.work.flops or 0) > (counted.flops or 0)
    reaction.contention = 0.0
    found = list(binding.bottlenecks("variant", workload, counted, reaction, CEILINGS, peaks.dispatch_seconds(CPU)))
    assert [each.phase for each in found] == phases
    for each in found:
        assert each.kind in get_args(BottleneckClass)
        assert each.sentence.endswith(".")
        assert each.headroom is not None
        assert each.headroom > 0
        assert each.evidence["batch.low"] <= each.evidence["batch.measured"] <= each.evidence["batch.high"]


def test_ceilings_that_others_made_too_low_claim_nothing() -> None:
    bench, session = made(*ALMOST_NOTHING)
    workload = ALMOST_NOTHING[1]
    counted = work.count(session.step)
    reaction = perturbation.react(bench, session, workload, CPU)
    busy = CEILINGS.model_copy(update={"contention": 0.86})
    (found,) = binding.bottlenecks("variant", workload, counted, reaction, busy, 1e-6)
    assert (found.kind, found.headroom) == ("unclear", None)
    assert "86% of the processors busy" in found.sentence


def test_a_reaction_that_others_disturbed_claims_nothing() -> None:
    bench, session = made(*ALMOST_NOTHING)
    workload = ALMOST_NOTHING[1]
    counted = work.count(session.step)
    reaction = perturbation.react(bench, session, workload, CPU)
    reaction.contention = 0.4
    (found,) = binding.bottlenecks("variant", workload, counted, reaction, CEILINGS, 1e-6)
    assert found.kind == "unclear"
    assert "40% of the processors busy while more work was tried" in found.sentence


def test_products_are_done_as_often_as_asked_and_nothing_else_is() -> None:
    layer, rows = torch.nn.Linear(4, 4), torch.ones(2, 4)

    class Counting(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.calls: Counter[str] = Counter()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.calls[func._overloadpacket.__name__] += 1
            return func(*args, **(kwargs or {}))

    seen: list[Counter[str]] = []
    answers = []
    for times in (1, 2):
        with torch.no_grad(), Counting() as counting, perturbation._Products(times):
            answers.append(layer(rows).relu())
        seen.append(counting.calls)
    assert seen[1] == seen[0] + Counter({"addmm": 1})
    assert torch.equal(*answers)


def test_threads_are_as_many_as_before() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        bench, session = made(*ALMOST_NOTHING)
        reaction = perturbation.react(bench, session, ALMOST_NOTHING[1], CPU)
        assert torch.get_num_threads() == 2
        assert set(reaction.threads) == {"classify"}
    finally:
        torch.set_num_threads(before)


def test_a_batch_that_cannot_be_doubled_says_why() -> None:
    model = ALMOST_NOTHING[0]
    workload = Classify(batch_size=65_536)
    bench, session = made(model, workload)
    reaction = perturbation.react(bench, session, workload, CPU)
    assert reaction.growth == {}
    assert reaction.work is None
    assert reaction.why_not.startswith("twice the batch does not run here")


def test_memory_that_runs_out_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, session = made(*ALMOST_NOTHING)

    def full(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Classify, "prepare", full)
    reaction = perturbation.react(bench, session, ALMOST_NOTHING[1], CPU)
    assert "can't allocate memory" in reaction.why_not


def test_compiled_graphs_are_not_given_another_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, session = made(*ALMOST_NOTHING)
    graphs = evidence.graphs()._replace(compiled=1)
    monkeypatch.setattr(evidence, "graphs", lambda: graphs)
    reaction = perturbation.react(bench, session, ALMOST_NOTHING[1], CPU)
    assert reaction.growth == {}
    assert "compiled" in reaction.why_not


def test_slow_steps_are_not_repeated_with_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perturbation, "SLOW_STEP_S", 0.0)
    bench, session = made(*ALMOST_NOTHING)
    assert "too long" in perturbation.react(bench, session, ALMOST_NOTHING[1], CPU).why_not
