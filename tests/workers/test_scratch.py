"""A run's folder is gone after it, in use while it lasts, and swept away when its owner was killed."""

import tempfile
from pathlib import Path

import pytest

from workers import scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_folder_in_use_is_not_swept_and_is_removed_after(tmp_path: Path) -> None:
    with scratch.folder() as path:
        Path(path, "file").write_text("x", encoding="ascii")
        assert scratch.sweep() == []
        assert Path(path, "file").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_owner_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / f"{scratch.PREFIX}left"
    left.mkdir()
    (left / "file").write_text("x", encoding="ascii")
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / f"{scratch.PREFIX}link").symlink_to(other)
    assert scratch.sweep() == [str(left)]
    assert not left.exists()
    assert other.exists()


def test_the_room_that_a_folder_takes_is_that_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for path in (tmp_path / "one", tmp_path / "inner" / "two"):
        path.write_bytes(b"x" * 100_000)
    (tmp_path / "gone").symlink_to("/nonexistent")
    assert 200_000 <= scratch.used(str(tmp_path)) < 300_000
