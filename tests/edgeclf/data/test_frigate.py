"""Training on images sorted in Frigate, in its own layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from edgeclf import DataError, Run
from edgeclf.commands.train import train
from edgeclf.data.frigate import frigate_dataset


@pytest.fixture
def clips(digits: Path, tmp_path: Path) -> Path:
    """Frigate's folder of clips, with one custom model, a face library and previews."""
    folder = tmp_path / "clips"
    for digit in ("0", "1"):
        place = folder / "digit" / "dataset" / f"is_{digit}"
        place.mkdir(parents=True)
        for number, file in enumerate(sorted((digits / digit).iterdir())[:8]):
            shutil.copy(file, place / f"is_{digit}-17330000{number:02}.123456-abc{number:03}.png")
    (folder / "digit" / "dataset" / "none").mkdir()  # Frigate creates it, and it may stay empty
    (folder / "digit" / "train").mkdir()
    image = cv2.imread(str(next((digits / "2").iterdir())))
    cv2.imwrite(str(folder / "digit" / "train" / "1733000000.1-x-1733000001.2-is_1-0.51.webp"), image)
    (folder / "faces" / "train").mkdir(parents=True)
    (folder / "previews").mkdir()
    return folder


def test_the_sorted_images_are_trained_and_no_others(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--size", "64", "--tune", "head"]
    done = CliRunner().invoke(train, ["--from-frigate", str(clips), *small])
    assert done.exit_code == 0, done.output
    split = Run.open(tmp_path / "runs" / "digit-1").read_split()
    assert split.labels == ("is_0", "is_1")
    assert len(split.files) == 16
    assert all("-17330000" in file for file in split.files)


def test_the_folder_of_a_model_and_its_dataset_are_taken_too(clips: Path) -> None:
    dataset = clips / "digit" / "dataset"
    assert frigate_dataset(clips) == frigate_dataset(clips / "digit") == frigate_dataset(dataset) == dataset


def test_several_models_none_and_a_wrong_folder_are_refused(clips: Path) -> None:
    (clips / "gate" / "dataset").mkdir(parents=True)
    with pytest.raises(DataError, match=r"images of 2 models; pass the folder of one: .*digit, .*gate\.$"):
        frigate_dataset(clips)
    with pytest.raises(DataError, match="has no images sorted in Frigate, expected "):
        frigate_dataset(clips / "faces")
    with pytest.raises(DataError, match="no such folder"):
        frigate_dataset(clips / "missing")
