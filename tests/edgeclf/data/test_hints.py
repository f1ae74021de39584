"""Errors about a path without photographs suggest the right path."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclf import DataError, Run, RunError
from edgeclf.data.sources import read_source, refuse_inside
from edgeclf.evaluation.evaluate import images_of_source
from edgeclf_runtime.model.file import read_model

KEPT = Path(__file__).parents[2] / "kept" / "0.1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photos/ and parts/train/ with two classes, list.csv, and a training."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(KEPT / "photos", tmp_path / "photos")
    for part in ("train", "test"):
        shutil.copytree(KEPT / "photos", tmp_path / "parts" / part)
    shutil.copytree(KEPT / "run", tmp_path / "runs" / "mine")
    (tmp_path / "list.csv").write_text("file,label\n", "utf-8")
    (tmp_path / ".photo").mkdir()
    return tmp_path


def _evaluated(path: Path) -> None:
    images_of_source(path, read_model(KEPT / "model.tflite").card)


@pytest.mark.parametrize(
    ("read", "path", "hint"),
    [
        (read_source, "photos/0", "If it is the folder of one class, pass the folder above it: photos"),
        (_evaluated, "photos/0", "If it is the folder of one class, pass the folder above it: photos"),
        (read_source, "parts/train/0", "pass the folder above it: parts"),
        (read_source, "photo", "photo: no such folder. Did you mean photos?"),
        (read_source, "lists.csv", "lists.csv: no such file. Did you mean list.csv?"),
        (_evaluated, "lists.csv", "lists.csv: no such file. Did you mean list.csv?"),
        (_evaluated, "nowhere/at.csv", "nowhere/at.csv: no such file."),
        (read_source, "runs/mine", "Resume the run with: edgeclf train --resume runs/mine"),
        (read_source, KEPT / "model.tflite", "This is a model file: edgeclf evaluate"),
        (read_source, "photos/0/0.png", "This is an image; the folder above its class is photos."),
    ],
)
def test_a_wrong_path_suggests_a_right_one(read: Callable[[Path], object], path: str, hint: str, folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(Path(path))
    assert str(caught.value).endswith(hint) or hint in str(caught.value)
    assert "/." not in str(caught.value)


def test_a_class_folder_given_as_data_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("photos/0")
    with pytest.raises(DataError, match="holds images itself"):
        refuse_inside(Path("."), Path("runs/0-1"))


def test_folders_inside_class_folders_are_reported(folder: Path) -> None:
    (folder / "outer").mkdir()
    shutil.copytree("photos", "outer/a")
    shutil.copytree("photos/0", "outer/b/0")
    lines: list[str] = []
    data, _ = read_source(Path("outer"), lines.append)
    assert data.labels == ("a", "b")
    (line,) = lines
    assert line.startswith("outer: the classes are a, b; folders inside them, such as a/0/, are not classes.")
    lines.clear()
    read_source(Path("photos"), lines.append)
    assert not lines


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("runs/min", "there is no such folder. Did you mean runs/mine?"),
        ("runs", "but it contains some. Pass one of them: runs/mine"),
        ("photos", "(no config.toml). Train with: edgeclf train photos"),
        ("list.csv", "but a file."),
    ],
)
def test_a_wrong_run_suggests_the_right_one(path: str, hint: str, folder: Path) -> None:
    with pytest.raises(RunError, match="not a run folder") as caught:
        Run.open(Path(path))
    assert str(caught.value).endswith(hint)
