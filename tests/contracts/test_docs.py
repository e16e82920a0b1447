"""The documents keep up with the code: settings, commands, techniques, outcomes."""

import re
from pathlib import Path
from typing import get_args

import pytest

from app.settings import Settings as ServerSettings
from workers.catalog.report import Outcome
from workers.settings import Settings as WorkerSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs/settings.md").read_text()
    for settings in (ServerSettings, WorkerSettings):
        for name in settings.model_fields:
            assert f"`TRADESPACE_{name.upper()}`" in text


def test_every_outcome_is_in_the_glossary() -> None:
    text = (ROOT / "docs/glossary.md").read_text()
    for outcome in get_args(Outcome):
        assert outcome in text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        for named in re.findall(r"`make ([a-z-]+)", document.read_text()):
            assert named in targets, f"{document.name} names make {named}"
