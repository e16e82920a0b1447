"""Any situation without a contradiction is answered: every device, families of all kinds, sizes from one token to very many."""

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.devices.datasheets import datasheets, processors
from app.guide.advice import advise
from app.guide.device import of_title
from app.guide.situation import EFFORTS, Decoder, Situation, Task
from app.guide.techniques import by_word
from app.planner.models import families
from tests.app.guide.scenes import MOBILENET, RESNET, SERVER, TASKS_OF_DECODERS
from tests.app.planner.models.test_families import PUBLISHED

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
    return Situation(
        task=task,
        model=model,
        device=draw(st.sampled_from(DEVICES)),
        devices=draw(st.sampled_from([1, 1, 2, 8])),
        batch=draw(st.sampled_from([1, 3, 32, 1_000])),
        sequence=draw(st.sampled_from([1, 200, 400, 1_500])),
        generated=draw(st.sampled_from([1, 500])) if task == "chat" else 0,
        tolerance=draw(st.sampled_from([0.0, 0.01, 0.1, 1.0])),
        latency=draw(st.sampled_from([None, 1e-4, 10.0])),
        effort=draw(st.sampled_from(EFFORTS)),
    )


@given(situations())
@settings(deadline=None, derandomize=True, max_examples=50)
def test_it_is_answered(situation: Situation) -> None:
    if situation.model.kind == "decoder":
        reach = situation.model.anatomy.context or situation.sequence + situation.generated
        assume(situation.sequence + situation.generated <= reach)
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
    assert advice.model_dump_json()
