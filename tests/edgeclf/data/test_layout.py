"""Classes and parts are found in unpacked archives, and no other folder becomes a class."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeclf.commands.data import data as data_command
from edgeclf.commands.train import train as train_command
from edgeclf.data.folders import scan
from edgeclf.data.sources import read_source
from edgeclf.errors import DataError
from edgeclf.evaluation.evaluate import evaluation_folder


def _fill(root: Path, *folders: str, classes: tuple[str, ...] = ("cats", "dogs"), count: int = 6) -> Path:
    for folder in folders:
        for label in classes:
            (root / folder / label).mkdir(parents=True)
            for number in range(count):
                (root / folder / label / f"{number}.jpg").write_bytes(b"")
    return root


@pytest.mark.parametrize(
    ("folders", "parts"),
    [
        (("training_set/training_set", "test_set/test_set"), {"train", "test"}),
        (("seg_train/seg_train", "seg_test/seg_test"), {"train", "test"}),
        (("training_set", "test_set"), {"train", "test"}),
        (("Train", "Valid", "Test"), {"train", "validation", "test"}),
        (("dataset/train", "dataset/test"), {"train", "test"}),
        (("archive/data/train/train", "archive/data/val"), {"train", "validation"}),
        (("train_images", "val-images", "testset"), {"train", "validation", "test"}),
        (("train/train", "test"), {"train", "test"}),
        (("data/photos",), {""}),
        (("archive/Data/Data",), {""}),
        (("training_set/training_set",), {""}),
    ],
)
def test_classes_and_parts_are_found_below_wrapping_folders(
    folders: tuple[str, ...], parts: set[str], tmp_path: Path
) -> None:
    root = _fill(tmp_path / "my", *folders)
    messages: list[str] = []
    listed, skipped = read_source(root, messages.append)
    assert (listed.labels, set(listed.parts), skipped) == (("cats", "dogs"), parts, [])
    assert len(listed.files) == 12 * len(folders)
    assert all((root / file).is_file() for file in listed.files)
    plain = folders == ("Train", "Valid", "Test")
    assert len(messages) == (0 if plain else 1)
    if "test" in parts:
        assert set(evaluation_folder(root).iterdir()) == {evaluation_folder(root) / name for name in listed.labels}


@pytest.mark.parametrize("names", [("seg_train/seg_train", "seg_test/seg_test"), ("train", "test")])
@pytest.mark.parametrize("other", ["seg_pred/seg_pred", "single_prediction", "unlabelled"])
def test_unlabelled_images_next_to_the_parts_are_ignored_and_reported(
    names: tuple[str, ...], other: str, tmp_path: Path
) -> None:
    root = _fill(tmp_path / "my", *names)
    (root / other).mkdir(parents=True)
    (root / other / "1.jpg").write_bytes(b"")
    listed, _ = scan(root)
    assert (listed.labels, set(listed.parts)) == (("cats", "dogs"), {"train", "test"})
    assert f"{other.partition('/')[0]} has no classes and is ignored" in listed.note


@pytest.mark.parametrize(
    ("folders", "loose", "path"),
    [
        (("training_set", "extra"), "test_set", "training_set"),  # images without classes next to it
        (("training_set/training_set", "test_set/test_set", "more"), "", "training_set/training_set"),
        (("train_a", "train_b", "test_set"), "", "train_a"),
        (("trn", "dev", "holdout"), "", "trn"),
    ],
)
def test_ambiguous_folders_are_refused_with_the_path_to_give(
    folders: tuple[str, ...], loose: str, path: str, tmp_path: Path
) -> None:
    root = _fill(tmp_path, *folders)
    if loose:
        (root / loose).mkdir()
        (root / loose / "1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=f"looks like a part of a split, not a class.*: edgeclf train {root / path}$"):
        scan(root)


@pytest.mark.parametrize(
    "names", [("train", "test"), ("train", "test1"), ("train_images", "test_images", "val_images")]
)
@pytest.mark.parametrize("above", [".", "dogs-vs-cats"])
@pytest.mark.parametrize("twice", [False, True])
def test_parts_without_classes_are_refused(names: tuple[str, ...], above: str, twice: bool, tmp_path: Path) -> None:
    for name in names:
        inner = tmp_path / above / name / (name if twice else ".")
        inner.mkdir(parents=True)
        (inner / "cat.1.jpg").write_bytes(b"")
    first = tmp_path / above / names[0]
    with pytest.raises(DataError, match=f"^{first}: holds images itself; expected one sub-folder of images per class"):
        scan(tmp_path)


def test_classes_next_to_annotations_are_refused_with_the_path_to_give(tmp_path: Path) -> None:
    _fill(tmp_path, "images")
    (tmp_path / "annotations" / "xml").mkdir(parents=True)
    (tmp_path / "annotations" / "xml" / "1.xml").write_bytes(b"")
    with pytest.raises(DataError, match=f"annotations: has no images, .*: edgeclf train {tmp_path / 'images'}$"):
        scan(tmp_path)
    (tmp_path / "annotations" / "xml" / "1.xml").unlink()
    assert scan(tmp_path)[0].labels == ("annotations", "images")  # a class whose images are still to come


def test_an_archive_unpacked_into_itself_is_refused_with_the_path_to_give(tmp_path: Path) -> None:
    root = _fill(tmp_path / "chest_xray", "train", "test", "chest_xray/train", "chest_xray/test")
    with pytest.raises(DataError, match=f"is next to train/.*alone: edgeclf train {root / 'chest_xray'}"):
        scan(root)
    assert set(scan(root / "chest_xray")[0].parts) == {"train", "test"}


def test_a_folder_that_contains_parts_is_not_taken_for_a_class(tmp_path: Path) -> None:
    root = _fill(tmp_path, "dataset/train", "dataset/test")
    (root / "samples").mkdir()
    (root / "samples" / "1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=f"dataset: has parts of its own .*: edgeclf train {root / 'dataset'}$"):
        scan(root)


def test_of_several_sources_a_folder_of_folders_may_be_the_only_class(tmp_path: Path) -> None:
    _fill(tmp_path / "a", ".")
    _fill(tmp_path / "b", "cats", classes=("2024", "2025"))
    with pytest.raises(
        DataError, match=r"b: its only folder, cats, holds folders: it may be a class or the folder of all classes"
    ):
        read_source([tmp_path / "a", tmp_path / "b"])
    assert read_source([tmp_path / "a", tmp_path / "b" / "cats"])[0].labels == ("2024", "2025", "cats", "dogs")


def test_parts_with_other_classes_are_refused(tmp_path: Path) -> None:
    _fill(tmp_path, "training_set")
    _fill(tmp_path, "test_set", classes=("cats", "birds"))
    with pytest.raises(DataError, match="looks like a part"):
        scan(tmp_path)


def test_a_second_copy_of_the_classes_is_refused(tmp_path: Path) -> None:
    _fill(tmp_path, ".", "PlantVillage")
    with pytest.raises(DataError, match=r"PlantVillage: repeats the classes next to it.*edgeclf train .*Village"):
        scan(tmp_path)


def test_classes_named_like_parts_stay_classes(tmp_path: Path) -> None:
    for name in ("test", "training"):
        root = _fill(tmp_path / name, ".", classes=(name, "cats"))
        assert (scan(root)[0].labels, scan(root)[0].note) == (("cats", name), "")


def _unreadable(root: Path) -> Path:
    for name, content in {
        "a/1.HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "a/2.HEIC": b"",
        "b/3.jpg": b"GET /",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    for number in range(9):
        (root / "b" / f"{number}.CR2").write_bytes(b"II*\0")
    return root


def test_a_folder_without_a_readable_image_names_files_reasons_and_commands(tmp_path: Path) -> None:
    root = _unreadable(tmp_path / "p")
    for command, out in ((data_command, ["check", str(root), "--out"]), (train_command, [str(root), "--out"])):
        done = CliRunner().invoke(command, [*out, str(tmp_path / "out")])
        text = str(done.exception)
        assert isinstance(done.exception, DataError)
        assert f"{root}: has no readable image. Skipped 12 files:" in text
        assert f"{root}/a/1.HEIC: cut short; copy the file again, or convert it: heif-convert {root}/a/1.HEIC" in text
        assert "b/3.jpg: not an image" in text
        assert (
            f"b/0.CR2: a camera's raw file, which cannot be read here; convert it: darktable-cli {root}/b/0.CR2" in text
        )
        assert "more .cr2" in text
        assert "skipped.csv" not in text + done.output
        assert len(text.splitlines()) == 7


def test_a_folder_of_raw_files_is_refused_before_any_work(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "p" / label).mkdir(parents=True)
        (tmp_path / "p" / label / "1.NEF").write_bytes(b"MM\0*")
    done = CliRunner().invoke(train_command, [str(tmp_path / "p"), "--out", str(tmp_path / "out")])
    assert "has no readable image. Skipped 2 files:" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_skipped_files_are_listed_before_a_refusal(digits: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(digits, tmp_path / "p")
    for path in list((tmp_path / "p" / "1").iterdir())[3:]:
        path.write_bytes(b"x")
    done = CliRunner().invoke(train_command, [str(tmp_path / "p"), "--out", str(tmp_path / "out"), "--tune", "head"])
    assert "class '1' has 3 readable images" in str(done.exception)
    assert "Skipped 17 files:" in done.output
    assert "skipped.csv" not in done.output
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == '["p"]'
