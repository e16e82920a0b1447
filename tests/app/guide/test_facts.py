"""The guide's data files: every word is known where it is used, every fact has a source, everything measurable can be ordered."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from app.guide import priors, techniques
from app.guide.priors import Prior
from app.guide.settings import applied
from app.guide.situation import Situation
from app.guide.techniques import Technique, by_word, clash
from app.planner.machines import of_title
from app.planner.memory.formats import BY_WORD as FORMATS
from app.planner.memory.inference import CACHE_BITS
from app.planner.memory.states import BY_WORD as OPTIMIZERS
from tests.app.guide.scenes import LLAMA_8B
from workers.catalog.applicability import clash as clash_of_catalogue
from workers.catalog.technique import Technique as CatalogueTechnique
from workers.catalog.techniques import BY_WORD, AnyTechnique

ADAPTER: TypeAdapter[CatalogueTechnique] = TypeAdapter(AnyTechnique)


@pytest.mark.parametrize("technique", techniques.techniques(), ids=lambda one: one.word)
def test_a_technique_names_what_exists(technique: Technique) -> None:
    known = set(by_word())
    assert technique.sources
    assert all(source.url and source.url.startswith("https://") for source in technique.sources)
    assert {word for need in technique.needs for word in need} <= known
    assert technique.conflicts <= known
    assert technique.fallback in (None, *known)
    assert set(technique.instead) <= known
    settings = applied((technique,))
    assert settings.weights in FORMATS
    assert settings.computing in FORMATS
    assert settings.cache is None or settings.cache in CACHE_BITS
    assert settings.optimizer in OPTIMIZERS
    assert technique.terms or technique.unknown


@pytest.mark.parametrize("technique", techniques.techniques(), ids=lambda one: one.word)
def test_what_can_be_measured_is_of_the_catalogue(technique: Technique) -> None:
    for entry in (*(technique.catalogue or ()), *technique.instead.values()):
        filled = {name: 2 if value == "@batch" else value for name, value in entry.items()}
        found = ADAPTER.validate_python(filled)
        assert technique.phases & found.requires.phases
    for also in technique.also:
        assert technique.phases & ADAPTER.validate_python(also).requires.phases
    for word, entry in technique.instead.items():
        beside = ADAPTER.validate_python(entry)
        own = [ADAPTER.validate_python(one) for one in technique.catalogue or ()]
        usual = [ADAPTER.validate_python(one) for one in by_word()[word].catalogue or ()]
        assert not any(clash_of_catalogue(beside, one) for one in own)
        # Another form is there where the usual one clashes, or keeps other weights than the technique means.
        assert technique.sets.get("weights") == "@computing" or any(
            clash_of_catalogue(one, other) for one in usual for other in own
        )


WITHOUT_CATALOGUE = {
    "flash_attention_3": "its package takes no autocast there",
    "gguf_q8_0": "llama.cpp", "gguf_q4_k_m": "llama.cpp",
    "kv_cache_8bit": "stands beside an engine alone",
    "serving_engine": "an engine", "onnx_runtime": "an engine",
    "speculative_decoding": "a second model",
    "ddp": "several devices", "zero1": "several devices", "zero2": "several devices", "zero3": "several devices",
    "tensor_parallel": "several devices",
}  # fmt: skip
"""Techniques that the catalogue cannot measure, with what it lacks for them."""


def test_everything_else_can_be_measured() -> None:
    assert {one.word for one in techniques.techniques() if one.catalogue is None} == set(WITHOUT_CATALOGUE)
    measured = {entry["technique"] for one in techniques.techniques() for entry in (*(one.catalogue or ()), *one.also)}
    # Nothing of the catalogue's that bears the same name is passed over, but what does another thing under it.
    assert (set(BY_WORD) & set(by_word())) - measured <= {"structured_pruning", "cuda_graphs"}


def test_techniques_that_need_nothing_can_stand_alone() -> None:
    for technique in techniques.techniques():
        assert (clash((technique,)) is None) is (not technique.needs)


@pytest.mark.parametrize("prior", priors.priors(), ids=lambda one: one.id)
def test_a_row_of_the_literature_can_be_checked(prior: Prior) -> None:
    assert set(prior.stack) <= set(by_word())
    assert set(prior.beside) <= set(by_word())
    assert prior.effects
    if prior.grade == "D":
        assert prior.source.url is None
        assert prior.id.startswith("article-")
        assert prior.verdict
    else:
        assert prior.source.url
        assert prior.source.url.startswith("https://")
    for metric, effect in prior.effects.items():
        assert effect.low <= effect.mid <= effect.high
        assert effect.low >= 0 if metric == "quality" else effect.low > 0
    known = {one.id for one in priors.priors()}
    assert set(prior.contradicts) <= known
    assert prior.part is None or "memory" in prior.effects


def test_rows_have_names_of_their_own() -> None:
    ids = [one.id for one in priors.priors()]
    assert len(set(ids)) == len(ids)
    assert len(ids) >= 95


def test_files_speak_of_nothing_but_the_subject() -> None:
    for name in ("priors.json", "techniques.json"):
        text = (Path(techniques.__file__).parent / name).read_text(encoding="utf-8").casefold()
        assert not any(word in text for word in ("workplace", "from memory", "from knowledge", "our cpu", "session"))


def test_requirements_are_of_capabilities_and_not_of_names() -> None:
    twin = of_title("GeForce RTX 4060").model_copy(update={"title": "a card of another name"})
    known, renamed = (
        Situation(task="finetune", model=LLAMA_8B, device=device, batch=4, sequence=2_048)
        for device in (of_title("GeForce RTX 4060"), twin)
    )
    for technique in techniques.techniques():
        reasons = [techniques.unable(technique, one.device, one.devices) for one in (known, renamed)]
        assert (reasons[0] is None) is (reasons[1] is None)
