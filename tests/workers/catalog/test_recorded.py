"""A recorded study comes back from its file as it was, and what is no recorded study says what is wrong with it."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from tests import demo, doubles
from workers.catalog import recorded
from workers.catalog.recorded import RecordedRun, RecordedStudy, Unreadable
from workers.catalog.spec import StudySpec


@pytest.fixture
def study() -> RecordedStudy:
    spec = StudySpec.model_validate(demo.order())
    runs = tuple(
        RecordedRun(claimed_at=9.0, started_at=10.5, ended_at=60.25, pid=7, log=("a", "b"), report=demo.report(planned))
        for planned in spec.runs()
    )
    return RecordedStudy(study=spec, submitted_at=8.0, worker=doubles.announcement(), runs=runs)


def test_it_comes_back_as_it_was(study: RecordedStudy, tmp_path: Path) -> None:
    recorded.write(study, tmp_path / "a.json.xz")
    assert recorded.read(tmp_path / "a.json.xz") == study
    recorded.write(study, tmp_path / "b.json.xz")
    assert (tmp_path / "a.json.xz").read_bytes() == (tmp_path / "b.json.xz").read_bytes()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 2}, "version: "),
        ({"runs": []}, r"the study has 8 runs, and 0 are recorded"),
        ({"surprise": 1}, "surprise: "),
        ({"study": {"name": "x"}}, r"study\.model: "),
    ],
)
def test_what_is_no_recorded_study_is_named(
    study: RecordedStudy, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    file = tmp_path / "wrong.json.xz"
    file.write_bytes(lzma.compress(json.dumps(study.model_dump(mode="json") | changes).encode()))
    with pytest.raises(Unreadable, match=rf"wrong\.json\.xz: .*{says}"):
        recorded.read(file)


@pytest.mark.parametrize("content", [b"", b"{}", lzma.compress(b"{}" * 1_000)[:-9]])
def test_what_is_no_whole_xz_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "torn.json.xz").write_bytes(content)
    with pytest.raises(Unreadable, match=r"torn\.json\.xz"):
        recorded.read(tmp_path / "torn.json.xz")


def test_times_of_a_run_rise(study: RecordedStudy) -> None:
    with pytest.raises(ValueError, match="have to rise"):
        RecordedRun.model_validate(study.runs[0].model_dump() | {"started_at": 61.0})
