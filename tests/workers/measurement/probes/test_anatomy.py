"""The anatomy of a step's memory: it adds up, agrees with the allocator itself, and puts known tensors where they belong."""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from tests.workers.measurement.probes import counting
from tests.workers.measurement.probes.counting import Counter
from tests.workers.measurement.program import BF16, FP32, SPEC
from workers.catalog.metrics import (
    MEMORY_PEAK_ACTIVATIONS,
    MEMORY_PEAK_GRADIENTS,
    MEMORY_PEAK_KV_CACHE,
    MEMORY_PEAK_OPTIMIZER_STATES,
    MEMORY_PEAK_OTHER,
    MEMORY_PEAK_TEMPORARY,
    MEMORY_PEAK_WEIGHTS,
    Metric,
)
from workers.catalog.spec import RunSpec
from workers.catalog.workload import Holding, Mark, Session
from workers.measurement.messages import Order
from workers.measurement.probes import anatomy, memory
from workers.measurement.probes.allocations import Event
from workers.measurement.probes.anatomy import Block, Look, Watch
from workers.measurement.subject import Subject

MIB = 1 << 20
CPU = torch.device("cpu")
LLAMA = {"name": "llama", "preset": "tiny"}
TRAIN = {"name": "train_step", "batch_size": 4, "sequence_length": 64}
CONFIGURATIONS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "mlp": ({"name": "mlp", "width": 128, "layers": 3}, [FP32]),
    "resnet": ({"name": "resnet", "preset": "tiny"}, [FP32]),
    "llama": (LLAMA, [FP32]),
    "llama, checkpointing": (LLAMA, [FP32, {"technique": "gradient_checkpointing"}]),
    "llama, accumulation": (LLAMA, [FP32, {"technique": "gradient_accumulation", "steps": 2}]),
    "llama, bf16": (LLAMA, [BF16]),
    "llama, autocast": (LLAMA, [{"technique": "autocast", "dtype": "bf16"}]),
}


def ready(model: dict[str, Any], stack: list[dict[str, Any]], workload: dict[str, Any]) -> Subject:
    """A model through its first call."""
    spec = SPEC | {"model": model, "workload": workload, "evaluation": None, "variant": {"name": "v", "stack": stack}}
    order = Order(deed="begin", spec=RunSpec.model_validate(spec), arm="variant")
    subject = Subject(order)
    for deed in (subject.begin, subject.load, subject.convert, subject.first_call):
        deed(order)
    gc.unfreeze()  # As the deed of memory does: tensors put aside for the timed blocks would not be found.
    return subject


def dissected(subject: Subject) -> anatomy.Anatomy:
    found = anatomy.of_step(subject.model, subject.session, CPU, subject.spec.workload.main_phase)
    subject.session.between()
    return found


def phases(found: anatomy.Anatomy) -> dict[str, Mapping[Metric, int]]:
    return {peak.phase: peak.parts for peak in found.peaks}


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    if counting.compiler() is None:
        pytest.skip("no C++ compiler to build the counting allocator with")
    with counting.installed(tmp_path_factory.mktemp("counting")) as installed:
        yield installed


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_memory_of_a_training_step_adds_up_byte_for_byte(counter: Counter, name: str) -> None:
    there, counted = sum(memory.held(CPU).values()), counter.now()
    subject = ready(*CONFIGURATIONS[name], TRAIN)
    counter.reset()
    found = dissected(subject)
    step = found.peaks[0]
    # What the allocator itself counted, tensors held before the step included.
    assert step.allocated - there == counter.peak() - counted
    assert found.unexplained == 0
    assert max(value for _, value in found.series) == step.allocated == max(each.allocated for each in found.peaks[1:])

    parts = phases(found)
    assert list(parts) == ["step", "forward", "backward", "optimizer"]
    for peak in found.peaks:
        assert sum(peak.parts.values()) == peak.allocated
        assert min(peak.parts.values()) >= 0
    weights = list(subject.model.parameters())
    size = sum(weight.numel() * weight.element_size() for weight in weights)
    for part in parts.values():
        assert part[MEMORY_PEAK_WEIGHTS] == memory.weights_bytes(subject.model)
        # AdamW keeps two averages of each weight, and for each tensor a count of steps in four bytes.
        assert part[MEMORY_PEAK_OPTIMIZER_STATES] == 2 * size + 4 * len(weights)
        assert part[MEMORY_PEAK_KV_CACHE] == 0
    assert parts["optimizer"][MEMORY_PEAK_GRADIENTS] == size
    assert parts["forward"][MEMORY_PEAK_ACTIVATIONS] > 0


def test_checkpointing_keeps_fewer_activations_and_nothing_else_less() -> None:
    plain, checkpointed = (
        phases(dissected(ready(*CONFIGURATIONS[name], TRAIN))) for name in ("llama", "llama, checkpointing")
    )
    assert checkpointed["forward"][MEMORY_PEAK_ACTIVATIONS] < 0.5 * plain["forward"][MEMORY_PEAK_ACTIVATIONS]
    # The blocks computed again in the backward pass make activations there.
    assert checkpointed["backward"][MEMORY_PEAK_ACTIVATIONS] < plain["backward"][MEMORY_PEAK_ACTIVATIONS]
    for metric in (MEMORY_PEAK_WEIGHTS, MEMORY_PEAK_OPTIMIZER_STATES):
        assert checkpointed["step"][metric] == plain["step"][metric]


class Scripted(Session):
    """A step written out in a test."""

    def __init__(self, work: Callable[["Scripted", Mark], None]) -> None:
        self.work = work
        self.owned: dict[Holding, list[torch.Tensor]] = {}

    def step(self, mark: Mark) -> None:
        self.work(self, mark)

    def holdings(self) -> Mapping[Holding, Iterable[torch.Tensor]]:
        return self.owned


def scripted(work: Callable[[Scripted, Mark], None], model: nn.Module | None = None) -> anatomy.Anatomy:
    return anatomy.of_step(model or nn.Module(), Scripted(work), CPU, "step")


def test_known_tensors_go_where_they_belong() -> None:
    model = nn.Linear(1_024, 1_024, bias=False)
    states = [torch.zeros(2 * MIB, dtype=torch.uint8)]
    batch = torch.zeros(MIB, dtype=torch.uint8)

    def work(session: Scripted, mark: Mark) -> None:
        session.owned["optimizer_states"] = states
        kept = torch.zeros(8 * MIB, dtype=torch.uint8)
        mark("forward")
        cache = torch.zeros(16 * MIB, dtype=torch.uint8)
        session.owned["kv_cache"] = [cache[5:]]
        mark("write")
        session.owned["kv_cache"] = []
        del kept, cache

    session = Scripted(work)
    session.owned["optimizer_states"] = states
    before = sum(memory.held(CPU).values())
    parts = phases(anatomy.of_step(model, session, CPU, "step"))
    assert parts["forward"][MEMORY_PEAK_WEIGHTS] == 4 * MIB
    assert parts["forward"][MEMORY_PEAK_OPTIMIZER_STATES] == 2 * MIB
    assert parts["forward"][MEMORY_PEAK_ACTIVATIONS] == 8 * MIB
    assert parts["forward"][MEMORY_PEAK_OTHER] == before - 6 * MIB
    assert batch.nbytes == MIB
    assert parts["step"][MEMORY_PEAK_KV_CACHE] == 16 * MIB
    assert parts["step"][MEMORY_PEAK_ACTIVATIONS] == 8 * MIB


def test_what_one_operator_makes_and_releases_is_temporary() -> None:
    scores, target = torch.zeros(4_096, 256), torch.zeros(4_096, dtype=torch.long)

    def work(session: Scripted, mark: Mark) -> None:
        # One number comes of it, by way of a logarithm for each score.
        torch.nn.functional.cross_entropy(scores, target)

    parts = phases(scripted(work))["step"]
    assert 4 * MIB <= parts[MEMORY_PEAK_TEMPORARY] <= 4 * MIB + 64
    assert parts[MEMORY_PEAK_ACTIVATIONS] == 4


def test_the_compilers_stand_ins_have_no_bytes() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    before = memory.held(CPU)
    with FakeTensorMode():
        model = nn.Linear(4_096, 4_096)
        session = Scripted(lambda session, mark: None)
        session.owned["kv_cache"] = [torch.zeros(64 * MIB)]
    assert memory.held(CPU) == before
    assert memory.weights_bytes(model) == 0
    found = anatomy.of_step(model, session, CPU, "step").peaks[0]
    assert found.parts[MEMORY_PEAK_KV_CACHE] == found.parts[MEMORY_PEAK_WEIGHTS] == 0
    assert found.allocated == sum(before.values())


def watch(held: dict[int, Block], *looks: dict[Metric, set[int]]) -> Watch:
    return Watch(
        nn.Module(),
        Scripted(lambda session, mark: None),
        CPU,
        held,
        sum(block.bytes for block in held.values()),
        [Look({metric: frozenset(addresses) for metric, addresses in look.items()}) for look in looks],
    )


def test_a_block_belongs_to_its_owner_from_its_allocation_on() -> None:
    events = [
        Event(0, mark=""),
        Event(1, 100, 1, origin="forward"),
        Event(2, mark="forward"),
        Event(3, 70, 2, origin="backward"),
        Event(4, 30, 3, origin="backward"),
        Event(5, -100, 1, origin="backward"),
        Event(6, -30, 3, origin="backward"),
        Event(7, mark="backward"),
        Event(8, 10, 4, origin="optimizer"),
        Event(9, -10, 4, origin="optimizer"),
        Event(10, -70, 2, origin="optimizer"),
        Event(11, mark="optimizer"),
    ]
    held = {9: Block(1_000, MEMORY_PEAK_WEIGHTS)}
    looks = watch(held, {}, {}, {MEMORY_PEAK_GRADIENTS: {2}}, {})
    found = anatomy.dissect(events, looks, "step")
    seen = {
        peak.phase: {metric.name.rpartition(".")[2]: n for metric, n in peak.parts.items() if n} for peak in found.peaks
    }
    assert seen == {
        "step": {"weights": 1_000, "activations": 100, "gradients": 70, "temporary": 30},
        "forward": {"weights": 1_000, "activations": 100},
        "backward": {"weights": 1_000, "activations": 100, "gradients": 70, "temporary": 30},
        "optimizer": {"weights": 1_000, "gradients": 70, "temporary": 10},
    }
    assert [(peak.phase, peak.allocated, peak.above) for peak in found.peaks] == [
        ("step", 1_200, 200),
        ("forward", 1_100, 100),
        ("backward", 1_200, 100),
        ("optimizer", 1_080, 10),
    ]


def test_a_workspace_ends_with_its_operator_and_an_activation_does_not() -> None:
    events = [
        Event(0, mark=""),
        Event(1, 64, 1, until_ns=10),
        Event(2, 8, 2, until_ns=10),
        Event(9, -8, 2, until_ns=10),
        Event(20, -64, 1),
        Event(21, mark=""),
    ]
    step = anatomy.dissect(events, watch({}, {}, {}), "step").peaks[0]
    assert step.parts[MEMORY_PEAK_ACTIVATIONS] == 64
    assert step.parts[MEMORY_PEAK_TEMPORARY] == 8


def test_an_address_that_is_used_again_is_another_block() -> None:
    events = [
        Event(0, mark=""),
        Event(1, 50, 7),
        Event(2, mark=""),
        Event(3, -50, 7),
        Event(4, 60, 7),
        Event(5, -60, 7),
        Event(6, mark=""),
    ]
    step = anatomy.dissect(events, watch({}, {}, {MEMORY_PEAK_KV_CACHE: {7}}, {}), "step").peaks[0]
    assert (step.parts[MEMORY_PEAK_KV_CACHE], step.parts[MEMORY_PEAK_ACTIVATIONS]) == (0, 60)


def test_what_was_there_unseen_is_told_when_it_goes() -> None:
    events = [Event(0, mark=""), Event(1, 5, 1), Event(2, -400, 99), Event(3, mark="")]
    step = anatomy.dissect(events, watch({}, {}, {}), "step").peaks[0]
    assert (step.allocated, step.parts[MEMORY_PEAK_OTHER]) == (405, 400)


def test_a_part_that_comes_twice_counts_with_its_higher_peak() -> None:
    events = [
        Event(0, mark=""),
        Event(1, 10, 1),
        Event(2, mark="forward"),
        Event(3, 30, 2),
        Event(4, -40, 3),
        Event(5, mark="forward"),
        Event(6, mark=""),
    ]
    found = anatomy.dissect(events, watch({3: Block(40, MEMORY_PEAK_OTHER)}, {}, {}, {}, {}), "step")
    assert [(peak.phase, peak.allocated, peak.above) for peak in found.peaks] == [("step", 80, 40), ("forward", 80, 30)]


def test_a_thinned_series_keeps_its_ends_and_the_extremes_of_every_stretch() -> None:
    series = [(float(index), value) for index, value in enumerate([5] + [100, 1, 50, 60] * 500 + [7])]
    kept = anatomy.thinned(series, 402)
    assert len(kept) <= 402
    assert (kept[0], kept[-1]) == (series[0], series[-1])
    assert [at for at, _ in kept] == sorted({at for at, _ in kept})
    assert {value for _, value in kept[1:-1]} == {100, 1}
    assert set(kept) <= set(series)
    assert anatomy.thinned(series, len(series)) == series


@pytest.mark.parametrize(
    ("workload", "tokens", "copies"),
    [
        ({"name": "prefill", "batch_size": 2, "sequence_length": 64}, 64, 0),
        # A layer's keys, and then its values, are copied when they grow: for that long both are there.
        ({"name": "decode", "batch_size": 2, "context_length": 63}, 64, 1),
        ({"name": "generate", "batch_size": 2, "prompt_length": 60, "new_tokens": 5}, 64, 1),
    ],
    ids=["prefill", "decode", "generate"],
)
def test_the_cache_at_the_peak_is_that_of_the_tokens_read(workload: dict[str, Any], tokens: int, copies: int) -> None:
    subject = ready(LLAMA, [FP32], workload)
    found = dissected(subject)
    step = found.peaks[0]
    config: Any = subject.model.config
    layer = 2 * 2 * 4 * config.num_key_value_heads * config.head_dim
    held = step.parts[MEMORY_PEAK_KV_CACHE]
    assert 0 < held <= tokens * layer * (config.num_hidden_layers + copies)
    assert sum(step.parts.values()) == step.allocated
    assert found.unexplained == 0
    # Every token, the cache of the one before has been let go.
    assert (
        max(peak.parts[MEMORY_PEAK_KV_CACHE] for peak in found.peaks) >= (tokens - 1) * layer * config.num_hidden_layers
    )
