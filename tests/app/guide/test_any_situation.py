"""Any situation without a contradiction is answered: every device, families of all kinds, sizes from one token to very many."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.devices.datasheets import datasheets, processors
from app.guide.advice import advise
from app.guide.answer import answer
from app.guide.experiments import missing
from app.guide.question import of_address, of_catalogue
from app.guide.situation import EFFORTS, Decoder, Situation, Task
from app.guide.techniques import by_word
from app.planner.machines import of_title
from app.planner.models import families
from app.planner.predicted import anatomy_of
from tests.app.guide.scenes import MOBILENET, RESNET, SERVER, TASKS_OF_DECODERS
from tests.app.planner.models.test_families import PUBLISHED
from workers.catalog.applicability import problems
from workers.catalog.spec import StudySpec

MODELS: list[Any] = [
    *(Decoder(name=name, anatomy=families.read(config[0])) for name, config in PUBLISHED.items()),
    MOBILENET,
    RESNET,
]
OF_IMAGES: tuple[Task, ...] = ("train", "finetune", "classify")
DEVICES = [
    *(of_title(one.title) for one in datasheets()),
    *(of_title(one.title, one.memory or SERVER) for one in processors()),
]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    model = draw(st.sampled_from(MODELS))
    task = draw(st.sampled_from(OF_IMAGES if model.kind == "image" else TASKS_OF_DECODERS))
    sizes = {"sequence": draw(st.sampled_from([1, 200, 400, 1_500]))} if model.kind == "decoder" else {}
    return Situation(
        task=task,
        model=model,
        device=draw(st.sampled_from(DEVICES)),
        devices=draw(st.sampled_from([1, 1, 2, 8])),
        batch=draw(st.sampled_from([1, 3, 32, 1_000])),
        **sizes,
        generated=draw(st.sampled_from([1, 500])) if task == "chat" else 0,
        tolerance=draw(st.sampled_from([0.0, 0.01, 0.1, 1.0])),
        latency=draw(st.sampled_from([None, 1e-4, 10.0])),
        effort=draw(st.sampled_from(EFFORTS)),
    )


@given(situations())
@settings(deadline=None, derandomize=True, max_examples=50)
def test_it_is_answered(situation: Situation) -> None:
    advice = advise(situation)
    picked = set(advice.pick.words) if advice.pick else set()
    assert picked | {one.word for one in advice.rejected} == set(by_word())
    assert advice.considered >= 1
    assert bool(advice.ranked) == (advice.outcome in ("advised", "keep", "tight"))
    for one in advice.ranked:
        if advice.outcome != "tight":
            assert not one.broken
        assert one.memory.low > 0
        assert one.time.low > 0
    assert all(one.factor >= 1 for one in advice.changes)
    if advice.pick and advice.pick.words != advice.before.words and not missing(advice.pick.words):
        assert advice.experiments[0].words == advice.pick.words
    assert advice.model_dump_json()


@st.composite
def measurable(draw: st.DrawFn) -> Situation:
    """Models that the catalogue can build, of any size that may be asked about."""
    name = draw(st.sampled_from(sorted(of_catalogue())))
    task = draw(st.sampled_from(TASKS_OF_DECODERS))
    return Situation(
        task=task,
        # Of a configuration that says nothing of how long its context is, so that no length is refused.
        model=Decoder(name=name, anatomy=anatomy_of(of_catalogue()[name]).model_copy(update={"context": None})),
        device=draw(st.sampled_from(DEVICES)),
        batch=draw(st.integers(1, 100_000)),
        sequence=draw(st.integers(1, 10_000_000)),
        generated=draw(st.integers(1, 10_000_000)) if task == "chat" else 0,
        effort=draw(st.sampled_from(EFFORTS)),
    )


@given(measurable())
@settings(deadline=None, derandomize=True, max_examples=25)
def test_what_to_measure_is_a_study_or_a_reason_whatever_the_sizes(situation: Situation) -> None:
    found = answer(situation)
    if found.study is None:
        assert found.not_measurable
        return
    spec = StudySpec.model_validate(found.study)
    assert not problems(spec)
    assert spec.variants


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"task": "prefill", "sequence": "1000000"}, "workload.sequence_length"),
        ({"task": "train", "batch": "100000"}, "workload.batch_size"),
        ({"task": "chat", "generated": "2000000"}, "workload.new_tokens"),
        ({"task": "train", "batch": "2000", "stack": "accumulation"}, "baseline.stack.1.steps"),
    ],
)
def test_sizes_beyond_the_catalogue_are_told_and_no_error(given: dict[str, str], field: str) -> None:
    found = answer(of_address({"model": "llama tiny", "device": "RTX 4090", **given}))
    assert found.study is None
    assert field in str(found.not_measurable)
