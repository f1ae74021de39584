"""Paths that are not model files: the error, and the suggestion of what was probably meant."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgeclf_runtime import ModelError
from edgeclf_runtime.model.file import read_model

KEPT = Path(__file__).parents[2] / "kept" / "0.1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs, one of them exported, and a hidden file left by a killed process."""
    monkeypatch.chdir(tmp_path)
    for name in ("new", "done"):
        shutil.copytree(KEPT / "run", tmp_path / "runs" / name)
    shutil.copy(KEPT / "model.tflite", tmp_path / "runs" / "done")
    (tmp_path / "runs" / "new" / ".model.tflite.part").touch()
    (tmp_path / "runs" / "new" / ".other.tflite").touch()
    shutil.copy(KEPT / "model.tflite", tmp_path / "birds.tflite")
    (tmp_path / ".bird.tflite").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "runs/new",
            "The folder of a training, expected a .tflite file. Write it with: edgeclf export",
        ),
        ("runs/done", "A folder, expected a .tflite file. Give the file: runs/done/model.tflite"),
        ("runs/new/model.tflite", "no model file in this training's folder yet. Write it with: edgeclf export --int8"),
        ("runs", "runs: A folder, expected a .tflite file."),
        ("bird.tflite", "bird.tflite: No such file. Did you mean birds.tflite?"),
        ("elephants.tflite", "elephants.tflite: No such file or directory."),
        ("nowhere/bird.tflite", "nowhere/bird.tflite: No such file or directory."),
    ],
)
def test_a_wrong_path_suggests_the_right_one(path: str, said: str, folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        read_model(path)
    assert said in str(caught.value)
    assert "/." not in str(caught.value)
