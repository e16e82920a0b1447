"""Real data: what the operator's folder gives and what it does not, and windows that score every token once."""

from pathlib import Path

import pytest

from workers.catalog.evaluations import data
from workers.catalog.model import Unsupported
from workers.catalog.models.llama import Llama


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's folder of data sets with one text in it, and a secret beside it."""
    root = tmp_path / "datasets"
    root.mkdir()
    (root / "book.txt").write_text("Once upon a time", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("not for you", encoding="utf-8")
    monkeypatch.setenv("TRADESPACE_DATASETS", str(root))
    return root


def test_a_text_of_the_operators_folder_is_read(folder: Path) -> None:
    assert data.text("book.txt") == "Once upon a time"


def test_without_an_operators_folder_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRADESPACE_DATASETS", raising=False)
    with pytest.raises(Unsupported, match="its operator sets TRADESPACE_DATASETS"):
        data.text("book.txt")


@pytest.mark.parametrize("name", ["../secret.txt", "link.txt", "/etc/hostname", "..", ""])
def test_nothing_outside_it_is_read(folder: Path, name: str) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    with pytest.raises(Unsupported, match="no file in this worker's folder"):
        data.text(name)


def test_a_name_written_wrong_is_told_the_right_one(folder: Path) -> None:
    with pytest.raises(Unsupported, match=r"did you mean book\.txt"):
        data.text("bok.txt")
    with pytest.raises(Unsupported, match=r"there is book\.txt"):
        data.text("zzzzzzzz")


def test_what_is_no_text_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "image.png").write_bytes(b"ab\xff\xfe")
    with pytest.raises(Unsupported, match="byte 2 cannot be read"):
        data.text("image.png")
    monkeypatch.setattr(data, "MOST_TEXT_BYTES", 8)
    with pytest.raises(Unsupported, match="more than"):
        data.text("book.txt")


def test_a_model_without_data_says_so() -> None:
    with pytest.raises(Unsupported, match="llama tiny comes with no held-out data"):
        data.held_out(Llama())


@pytest.mark.parametrize(("length", "window", "stride"), [(40, 8, 4), (41, 8, 3), (64, 16, 15), (8, 8, 1)])
def test_windows_score_every_token_once_and_in_order(length: int, window: int, stride: int) -> None:
    found = data.windows(length, window, stride)
    scored = [token for each in found for token in range(each.scored, each.end)]
    assert scored == list(range(1, scored[-1] + 1))
    assert length - stride < scored[-1] + 1 <= length
    assert {each.end - each.start for each in found} == {window}
    assert all(each.scored - each.start == window - stride for each in found[1:])


def test_a_text_shorter_than_a_window_has_none() -> None:
    assert data.windows(7, 8, 4) == []
