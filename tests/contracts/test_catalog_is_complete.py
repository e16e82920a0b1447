"""Everything on a menu is complete, and every name that one entry uses for another exists."""

import importlib
import inspect
from pathlib import Path

import pytest

from workers.catalog import evaluations, metrics, models, techniques, workloads
from workers.catalog.declared import Declared
from workers.catalog.technique import Technique

ROOT = Path(__file__).parents[2]
MENUS: dict[str, tuple[type[Declared], ...]] = {
    "techniques": techniques.TECHNIQUES,
    "models": models.MODELS,
    "workloads": workloads.WORKLOADS,
    "evaluations": evaluations.EVALUATIONS,
}
ENTRIES = [entry for menu in MENUS.values() for entry in menu]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.word)
def test_an_entry_says_what_it_is(entry: type[Declared]) -> None:
    assert entry.word
    assert entry.title
    assert entry.summary.endswith(".")
    for name, field in entry.model_fields.items():
        if name != entry.discriminator:
            assert field.description, f"{entry.word}.{name} has no description"


@pytest.mark.parametrize("menu", MENUS)
def test_words_are_unique(menu: str) -> None:
    words = [entry.word for entry in MENUS[menu]]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("menu", MENUS)
def test_every_file_that_declares_is_on_the_menu(menu: str) -> None:
    for path in (ROOT / "workers/catalog" / menu).glob("*.py"):
        module = importlib.import_module(f"workers.catalog.{menu}.{path.stem}")
        for found in vars(module).values():
            declared = isinstance(found, type) and issubclass(found, Declared) and found.__module__ == module.__name__
            # Without a word and abstract is what several entries have in common.
            if declared and (found.word or not inspect.isabstract(found)):
                assert found in MENUS[menu], f"{path.name} declares {found.__name__}, which is not on the menu"


@pytest.mark.parametrize("technique", techniques.TECHNIQUES, ids=lambda technique: technique.word)
def test_a_technique_names_only_what_exists(technique: type[Technique]) -> None:
    assert technique.conflicts <= set(techniques.BY_WORD)
    if technique.requires.workloads is not None:
        assert technique.requires.workloads <= set(workloads.BY_WORD)
    assert technique.proof is not Technique.proof, "a technique must prove that it ran"
    for expectation in technique.expected:
        assert expectation.metric in metrics.METRICS
        assert 0 < expectation.low <= expectation.high
        assert expectation.source.url.startswith("https://")
    assert (ROOT / f"tests/workers/catalog/techniques/test_{technique.word}.py").exists()


def test_every_metric_is_measured_by_somebody() -> None:
    code = "".join(
        path.read_text()
        for folder in ("workers/measurement", "workers/catalog/workloads", "workers/catalog/evaluations")
        for path in (ROOT / folder).rglob("*.py")
    )
    constants = {name for name, value in vars(metrics).items() if isinstance(value, metrics.Metric)}
    assert {name for name in constants if name not in code} == set()
    assert {vars(metrics)[name] for name in constants} == set(metrics.METRICS)
