"""Images that are moved to classes, discarded and restored, by several people at once."""

from __future__ import annotations

import threading
import unicodedata
from pathlib import Path

import pytest

from edgeclf_runtime.errors import SinkError, UsageError
from edgeclf_runtime.sorting.pile import Pile

NAME = "kitchen-20261128-193012-123-glass-0.52-000123.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one of them an unsorted snapshot, and other files."""
    (tmp_path / "new" / "__unsorted").mkdir(parents=True)
    for name in (NAME, "two.png", "__unsorted/three.jpg", "notes.txt", ".hidden.jpg"):
        (tmp_path / "new" / name).write_text(name)
    return tmp_path / "new"


@pytest.fixture
def pile(folder: Path, tmp_path: Path) -> Pile:
    return Pile(folder, tmp_path / "photos", ["glass", "a/b"])


def _tree(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_images_go_to_their_class_and_keep_their_names(pile: Pile, folder: Path, tmp_path: Path) -> None:
    assert pile.listed() == [NAME, "__unsorted/three.jpg", "two.png"]
    moved = pile.sort([NAME, "__unsorted/three.jpg"], "glass")
    assert (moved.folder, moved.count) == ("glass", 2)
    pile.sort(["two.png"], "a/b")
    assert _tree(tmp_path / "photos") == {
        f"glass/{NAME}": NAME,
        "glass/three.jpg": "__unsorted/three.jpg",
        "a%2Fb/two.png": "two.png",
    }
    assert pile.listed() == []
    assert pile.classes() == ["glass", "a/b"]


def test_an_image_that_is_there_is_not_overwritten(pile: Pile, tmp_path: Path) -> None:
    (tmp_path / "photos" / "glass").mkdir(parents=True)
    (tmp_path / "photos" / "glass" / "two.png").write_text("another")
    pile.sort(["two.png"], "glass")
    assert _tree(tmp_path / "photos") == {"glass/two.png": "another", "glass/two-2.png": "two.png"}


def test_each_move_is_taken_back_once(pile: Pile, folder: Path, tmp_path: Path) -> None:
    before = _tree(folder)
    first = pile.sort(["two.png", "__unsorted/three.jpg"], "new class")
    second = pile.discard([NAME])
    assert (folder / "__discarded" / NAME).exists()
    assert (pile.undo(first.number), pile.undo(second.number)) == (2, 1)
    assert _tree(folder) == before
    assert not (tmp_path / "photos" / "new class").exists()  # an empty folder would be a class without images
    with pytest.raises(SinkError, match="nothing to undo"):
        pile.undo(first.number)


def test_what_was_discarded_does_not_come_back(pile: Pile, folder: Path) -> None:
    pile.discard([NAME])
    (folder / NAME).write_text("copied once more")
    assert NAME not in pile.listed()


def test_another_image_with_the_name_of_a_discarded_one_is_shown(pile: Pile, folder: Path) -> None:
    """Every camera calls some image IMG_0001.JPG."""
    pile.discard(["two.png"])
    (folder / "two.png").write_text("two.png")
    assert "two.png" not in pile.listed()
    (folder / "two.png").write_text("TWO.png")
    assert "two.png" in pile.listed()
    pile.discard(["two.png"])
    assert sorted(path.name for path in (folder / "__discarded").iterdir()) == ["two-2.png", "two.png"]


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "/etc/passwd", "__discarded/x.jpg", "notes.txt", ".hidden.jpg", "link.jpg", "a\0.jpg", ""]
)
def test_no_other_file_can_be_moved(name: str, pile: Pile, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_text("secret")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(SinkError, match="gone"):
        pile.sort([name], "glass")
    assert (tmp_path / "secret.jpg").read_text() == "secret"
    assert "link.jpg" not in pile.listed()


@pytest.mark.parametrize("label", ["", "../x", "a/b/c", "train", "__unsorted", ".git", "x" * 61, "unknown"])
def test_a_class_is_a_folder_that_training_takes(label: str, pile: Pile) -> None:
    with pytest.raises(UsageError):
        pile.sort(["two.png"], label)
    assert "two.png" in pile.listed()


def test_a_class_in_another_case_is_the_same(pile: Pile) -> None:
    assert pile.sort(["two.png"], " Glass ").folder == "glass"


@pytest.mark.parametrize("name", ["100%", "a:b", "cafe\u0301"])
def test_an_existing_folder_gets_the_images_whatever_its_name(name: str, pile: Pile, tmp_path: Path) -> None:
    (pile.photos / name).mkdir(parents=True)
    assert pile.sort(["two.png"], name).folder == name
    assert (pile.photos / name / "two.png").exists()
    assert [folder for folder in pile.folders() if folder.startswith(name[:3])] == [name]
    assert pile.sort([NAME], unicodedata.normalize("NFC", name)).folder == name


def test_of_two_clicks_one_wins(pile: Pile, folder: Path, tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(100)]
    for name in names:
        (folder / name).write_text(name)
    begin, counts = threading.Barrier(4), []

    def click(label: str) -> None:
        begin.wait()
        try:
            counts.append(pile.sort(names, label).count)
        except SinkError:
            counts.append(0)

    threads = [threading.Thread(target=click, args=(f"class {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == len(names)
    assert sorted(_tree(tmp_path / "photos").values()) == sorted(names)


def test_folders_that_cannot_be_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="no such folder"):
        Pile(tmp_path / "missing", tmp_path)
    with pytest.raises(SinkError, match="is a file; expected a folder for the classes"):
        Pile(folder, folder / "two.png")
    (tmp_path / "photos" / "train").mkdir(parents=True)
    with pytest.raises(UsageError, match="parts of a split"):
        Pile(folder, tmp_path / "photos")
