"""Folders of photographs, valid and invalid."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf.data.division import split
from edgeclf.data.folders import scan
from edgeclf.errors import DataError


def _fill(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((4, 4, 3), number, np.uint8))


def test_each_class_is_split_in_the_same_shares_by_the_seed(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 40)
    _fill(tmp_path / "dog", 20)
    data, skipped = scan(tmp_path)
    first, again, other = (split(data, 0.2, 0.1, seed) for seed in (1, 1, 2))
    assert not skipped
    assert [first.counts(part).tolist() for part in ("train", "validation", "test")] == [[28, 14], [8, 4], [4, 2]]
    assert first.parts == again.parts != other.parts


def test_existing_parts_are_kept(tmp_path: Path) -> None:
    for part, count in (("train", 8), ("val", 3), ("test", 2)):
        _fill(tmp_path / part / "cat", count)
        _fill(tmp_path / part / "dog", count)
    data = split(scan(tmp_path)[0], 0.5, 0.5, 0)
    assert [data.counts(part).tolist() for part in ("train", "validation", "test")] == [[8, 8], [3, 3], [2, 2]]


def test_numeric_class_names_are_sorted_by_value(tmp_path: Path) -> None:
    for name in ("10", "9", "1"):
        _fill(tmp_path / name, 1)
    assert scan(tmp_path)[0].labels == ("1", "9", "10")


def test_other_files_are_counted(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 5)
    _fill(tmp_path / "dog", 5)
    (tmp_path / "cat" / "notes.txt").write_text("x", "utf-8")
    (tmp_path / "cat" / ".hidden.png").write_text("x", "utf-8")
    assert [item.file for item in scan(tmp_path)[1]] == ["cat/notes.txt"]


def test_bad_folders_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        scan(tmp_path / "none")
    with pytest.raises(DataError, match="no sub-folders"):
        scan(tmp_path)
    _fill(tmp_path / "cat", 5)
    with pytest.raises(DataError, match="only one class"):
        scan(tmp_path)
    _fill(tmp_path / "dog", 2)
    with pytest.raises(DataError, match="'dog' has 2 readable images; at least 5"):
        split(scan(tmp_path)[0], 0.2, 0.0, 0)


def test_a_folder_next_to_the_parts_is_reported(tmp_path: Path) -> None:
    for part in ("train", "test", "dev"):
        _fill(tmp_path / part / "cat", 5)
    with pytest.raises(DataError, match="'dev' is next to train/ but is not a split"):
        scan(tmp_path)


@pytest.mark.parametrize("names", [("training_set", "dev_set"), ("train", "unlabelled"), ("dev", "eval", "labels")])
def test_parts_with_other_names_are_not_taken_for_classes(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        _fill(tmp_path / name / "cat", 5)
        _fill(tmp_path / name / "dog", 5)
    with pytest.raises(DataError, match="looks like a part of a split, not a class"):
        scan(tmp_path)


def test_a_class_may_have_subfolders_and_be_named_like_a_part(tmp_path: Path) -> None:
    for name in ("pregnancy test", "cats"):
        _fill(tmp_path / name / "2024", 5)
        _fill(tmp_path / name / "2025", 5)
    assert scan(tmp_path)[0].labels == ("cats", "pregnancy test")
    (tmp_path / "pregnancy test").rename(tmp_path / "train")
    with pytest.raises(DataError, match="looks like a part"):
        scan(tmp_path)
    cv2.imwrite(str(tmp_path / "train" / "a.png"), np.zeros((4, 4, 3), np.uint8))
    assert scan(tmp_path)[0].labels == ("cats", "train")


def test_a_class_and_its_percent_encoded_name_are_refused_as_the_same(tmp_path: Path) -> None:
    for name in ("Brot", "K%C3%A4se", "Käse"):
        _fill(tmp_path / name, 5)
    with pytest.raises(DataError, match=r"'K%C3%A4se' and 'Käse' are the same.*Merge them"):
        scan(tmp_path)


def test_one_name_in_two_forms_of_unicode_is_one_class(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    for part, name in (("train", decomposed), ("test", composed)):
        _fill(tmp_path / part / name, 5)
        _fill(tmp_path / part / "tea", 5)
    data = scan(tmp_path)[0]
    assert data.labels == (composed, "tea")
    assert data.counts("test").tolist() == [5, 5]
    assert all((tmp_path / file).is_file() for file in data.files)
    _fill(tmp_path / "train" / composed, 5)
    with pytest.raises(DataError, match="twice, in two Unicode spellings"):
        scan(tmp_path)


def test_names_that_differ_by_a_leading_zero_have_a_fixed_order(tmp_path: Path) -> None:
    for name in ("1", "01", "001"):
        _fill(tmp_path / name, 1)
    assert scan(tmp_path)[0].labels == ("001", "01", "1")


def test_labels_may_use_any_script_but_no_direction_overrides(tmp_path: Path) -> None:
    for name in ("می‌خواهم", "क्‍ष", "fruit\u00a0rouge"):
        _fill(tmp_path / name, 1)
    assert len(scan(tmp_path)[0].labels) == 3
    _fill(tmp_path / "cat\u202egod", 1)
    with pytest.raises(DataError, match="cannot be a label"):
        scan(tmp_path)


def test_unreadable_files_and_unprintable_names_are_skipped_and_listed(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        _fill(tmp_path / name, 5)
    _fill(tmp_path / "elsewhere" / "deep", 5)
    (tmp_path / "elsewhere").rename(tmp_path / ".elsewhere")
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "cat" / "linked").symlink_to(tmp_path / ".elsewhere")
    (tmp_path / "dog" / "0.png").rename(tmp_path / "dog" / "0\r\x1b[31m.png")
    data, skipped = scan(tmp_path)
    assert len(data.files) == 9
    assert [item.file for item in skipped] == ["cat/gone.png", "cat/linked", "dog/0 [31m.png"]
    assert "a link to no file" in skipped[0].reason
    assert "control character" in skipped[2].reason


def test_train_may_be_a_class(tmp_path: Path) -> None:
    _fill(tmp_path / "train", 5)
    _fill(tmp_path / "__background__", 5)
    for folder in ("__unsorted", "__whole", "__discarded"):  # of ``edgeclf run --snapshots``
        _fill(tmp_path / folder, 5)
    assert scan(tmp_path)[0].labels == ("__background__", "train")


def test_file_names_that_are_not_utf8_are_skipped_and_listed(tmp_path: Path) -> None:
    _fill(tmp_path / "cat", 5)
    _fill(tmp_path / "dog", 5)
    try:
        (tmp_path / "cat" / "0.png").rename(tmp_path / "cat" / os.fsdecode(b"K\xe4tzchen.png"))
    except OSError:
        pytest.skip("this file system accepts only UTF-8 names")
    data, (skipped,) = scan(tmp_path)
    assert len(data.files) == 9
    assert (skipped.file, skipped.reason) == (r"cat/K\xe4tzchen.png", "its name is not UTF-8 text; rename it")


def test_a_part_with_another_class_is_refused(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        _fill(tmp_path / "train" / name, 5)
    _fill(tmp_path / "test" / "horse", 5)
    with pytest.raises(DataError, match="this class is not in the train part"):
        scan(tmp_path)


def test_images_outside_any_class_are_reported_as_ignored(tmp_path: Path) -> None:
    for name in ("train/cat/a.png", "train/dog/a.png", "train/lost.png", "train/notes.txt", "test/cat/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    data, skipped = scan(tmp_path)
    assert len(data.files) == 3
    assert [(item.file, item.reason) for item in skipped] == [("train/lost.png", "is in no class's folder")]


def test_a_class_called_unknown_is_refused(tmp_path: Path) -> None:
    for label in ("cat", "Unknown"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.jpg").touch()
    with pytest.raises(DataError, match="'Unknown' has the name of the answer for uncertain images"):
        scan(tmp_path)
