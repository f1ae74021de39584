"""The split of an earlier run is kept: by content, whatever the folder; new images join their near-duplicates."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf import Quiet, Run, make_config
from edgeclf.data.dataset import Dataset
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.sources import read_source
from edgeclf.errors import DataError, RunError
from edgeclf.runs.before import open_before
from edgeclf.runs.split import divide
from tests.listening import Listening


def _divide(run: Run, listed: Dataset, reporter: Quiet) -> Dataset:
    fingerprints = Fingerprints.of(len(listed.files))
    for row, file in enumerate(listed.files):
        fingerprints.add(row, file, listed.content(file), listed.picture(file))
    return divide(run, listed, [], [], fingerprints, reporter)


def _photo(path: Path, seed: int, shift: int = 0) -> None:
    """Write a photograph of random blobs; ``shift`` makes a near-duplicate."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (5, 5, 3)).astype(np.uint8)
    pixels = cv2.resize(small, (120, 120), interpolation=cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.clip(pixels.astype(np.int16) + shift, 0, 255).astype(np.uint8))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty photographs each of two classes."""
    for target, label in enumerate(("cat", "dog")):
        for number in range(20):
            _photo(tmp_path / "photos" / label / f"{number:02}.png", 100 * target + number)
    return tmp_path / "photos"


@pytest.fixture
def before(photos: Path, tmp_path: Path) -> Run:
    """A finished run on them, without weights."""
    run = Run.create(tmp_path / "before", make_config({"test": 0.2}), photos)
    _divide(run, read_source(photos)[0], Quiet())
    run.write_arrays("weights", {})
    run.write_json("metrics", {"status": "finished"})
    return run


@pytest.mark.parametrize("name", ["split.csv", "labels.json", "digests.npz"])
def test_a_damaged_run_says_which_file_to_restore(before: Run, photos: Path, tmp_path: Path, name: str) -> None:
    file = before.path / name
    file.write_bytes(b"\xff")
    if name != "labels.json":
        with pytest.raises(
            RunError, match=f"{name}: cannot be read .*Restore it from a copy of the run, or train again"
        ):
            _grown(before, tmp_path / "damaged", photos)
    file.unlink()
    if name == "digests.npz":  # runs of version 0.1 have none
        return
    with pytest.raises(RunError, match=f"{name}: missing. Restore it from a copy of the run, or train again"):
        _grown(before, tmp_path / "missing", photos)


def test_an_image_that_is_there_twice_counts_once(before: Run, photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "cat" / "00.png", photos / "cat" / "copy.png")
    shutil.copy(photos / "cat" / "01.png", photos / "cat" / "another.png")
    _, said = _grown(before, tmp_path / "after", photos)
    assert f"Of the 40 images of {before.path}, 40 are among these and keep their parts; 0 are new." in said


def _grown(before: Run, out: Path, *sources: Path, **options: object) -> tuple[dict[str, str], list[str]]:
    """Return the part of each file, and the messages."""
    config = make_config({"test": 0.2, "from_run": before.path, **options})
    run, reporter = Run.create(out, config, sources), Listening()
    data = _divide(run, read_source(sources)[0], reporter)
    return dict(zip(data.files, data.parts, strict=True)), reporter.lines


def _parts(run: Run) -> dict[str, str]:
    data = run.read_split()
    return dict(zip(data.files, data.parts, strict=True))


def test_images_keep_their_part_in_a_moved_folder_with_other_names(before: Run, photos: Path, tmp_path: Path) -> None:
    old = _parts(before)
    moved = tmp_path / "elsewhere"
    for file in old:
        target = moved / Path(file).parent / f"renamed-{Path(file).name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        (photos / file).rename(target)
    for number in range(20):
        _photo(moved / "bird" / f"{number:02}.png", 500 + number)
    parts, lines = _grown(before, tmp_path / "after", moved)
    for file, part in old.items():
        assert parts[f"{Path(file).parent}/renamed-{Path(file).name}"] == part
    birds = [part for file, part in parts.items() if file.startswith("bird")]
    assert (birds.count("validation"), birds.count("test"), len(birds)) == (3, 4, 20)  # the usual shares
    assert f"Of the 40 images of {before.path}, 40 are among these and keep their parts; 20 are new." in lines


def test_new_images_go_where_their_near_duplicates_are(before: Run, photos: Path, tmp_path: Path) -> None:
    old = _parts(before)
    for file in old:
        label, seed = Path(file).parent.name, int(Path(file).stem) + 100 * (Path(file).parent.name == "dog")
        _photo(tmp_path / "more" / label / f"near-{Path(file).stem}.png", seed, shift=3)
    parts, _ = _grown(before, tmp_path / "after", photos, tmp_path / "more")
    for file, part in old.items():
        assert parts[f"1/{file}"] == part
        assert parts[f"2/{Path(file).parent}/near-{Path(file).name}"] == part


def test_a_run_that_noted_no_hashes_is_read_again_or_recognized_by_names(
    before: Run, photos: Path, tmp_path: Path
) -> None:
    (before.path / "digests.npz").unlink()  # as in earlier versions
    old = _parts(before)
    copied = tmp_path / "copied"
    for number, file in enumerate(old):
        target = copied / Path(file).parent / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photos / file, target)
    parts, _ = _grown(before, tmp_path / "by-content", copied)
    assert [parts[f"{Path(file).parent}/{number}.png"] for number, file in enumerate(old)] == list(old.values())
    photos.rename(tmp_path / "moved")
    assert _grown(before, tmp_path / "by-name", tmp_path / "moved")[0] == old


def test_what_was_trained_on_is_never_held_out(before: Run, photos: Path, tmp_path: Path) -> None:
    old = _parts(before)
    for file, part in old.items():  # a folder with parts that say the opposite
        folder = "test" if part == "train" else "train"
        (tmp_path / "parts" / folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photos / file, tmp_path / "parts" / folder / file)
    parts, lines = _grown(before, tmp_path / "after", tmp_path / "parts")
    assert {file.partition("/")[2]: part for file, part in parts.items()} == old
    assert any(line.startswith("40 images had another part") for line in lines)


def test_a_test_part_that_the_run_before_had_not_is_taken_from_new_images(photos: Path, tmp_path: Path) -> None:
    before = Run.create(tmp_path / "before", make_config({}), photos)
    _divide(before, read_source(photos)[0], Quiet())
    before.write_arrays("weights", {})
    before.write_json("metrics", {"status": "finished"})
    parts, lines = _grown(before, tmp_path / "without", photos)
    assert "test" not in parts.values()
    assert any(line.startswith("The test part has 0 images, new ones alone") for line in lines)
    for number in range(20):
        _photo(photos / "bird" / f"{number:02}.png", 500 + number)
    parts, lines = _grown(before, tmp_path / "after", photos)
    assert {file.partition("/")[0] for file, part in parts.items() if part == "test"} == {"bird"}
    assert any(line.startswith("The test part has 4 images, new ones alone") for line in lines)
    assert not any(line.startswith("Warning") for line in lines)


def test_images_of_the_training_part_alone_are_refused(before: Run, photos: Path, tmp_path: Path) -> None:
    for file, part in _parts(before).items():
        if part != "train":
            (photos / file).unlink()
    with pytest.raises(DataError, match="none to validate on"):
        _grown(before, tmp_path / "after", photos)


def test_images_saved_anew_are_not_recognized_and_a_warning_says_so(before: Run, photos: Path, tmp_path: Path) -> None:
    for path in photos.rglob("*.png"):
        target = tmp_path / "jpeg" / path.parent.name / f"{path.stem}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), cv2.imread(str(path)))
    _, lines = _grown(before, tmp_path / "after", tmp_path / "jpeg")
    assert any(line.startswith(f"Warning: none of the images of {before.path} is among these") for line in lines)


def test_a_burst_of_new_images_of_a_known_class_is_trained_on(before: Run, photos: Path, tmp_path: Path) -> None:
    for number in range(6):  # taken in a row, so that none can be held out alone
        _photo(tmp_path / "more" / "cat" / f"IMG_20240101_12000{number}.png", 900 + number)
    parts, _ = _grown(before, tmp_path / "after", photos, tmp_path / "more")
    assert {part for file, part in parts.items() if file.startswith("2/")} == {"train"}


def test_what_is_no_finished_run_is_one_line(before: Run, tmp_path: Path) -> None:
    assert open_before(before.path).path == before.path
    with pytest.raises(RunError, match="there is no such folder"):
        open_before(tmp_path / "none")
    with pytest.raises(RunError, match=r"is a model file. Begin from the folder of its training"):
        open_before(tmp_path / "model.tflite")
    before.remove_arrays("weights")
    with pytest.raises(RunError, match=r"weights.npz: missing. Restore it, or train again"):
        open_before(before.path)
    before.write_json("metrics", {"status": "interrupted"})
    with pytest.raises(
        RunError, match=f"is not a finished training. Finish it with: edgeclf train --resume {before.path}"
    ):
        open_before(before.path)
    (before.path / "metrics.json").unlink()
    with pytest.raises(RunError, match="is not a finished training"):
        open_before(before.path)
