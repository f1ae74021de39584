"""Copies and images of one button press stay in one part of the split; a fixed camera's later images need not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeclf import Run, make_config
from edgeclf.data.capture_time import capture_time
from edgeclf.data.csv_file import read_manifest
from edgeclf.data.dataset import Dataset
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.folders import scan
from edgeclf.data.grouping import Grouping
from edgeclf.data.near_duplicates import members
from edgeclf.runs.split import divide
from edgeclf_runtime.pictures.images import decode_image, read_content
from tests.listening import Listening
from tests.scenes import SCENES, patterned, table, write_scene


def _fingerprints(data: Dataset) -> Fingerprints:
    fingerprints = Fingerprints.of(len(data.files))
    for row, file in enumerate(data.files):
        content = read_content(data.root / file)
        fingerprints.add(row, file, content, decode_image(content, file))
    return fingerprints


def _divided(folder: Path, out: Path, **options: object) -> tuple[Dataset, list[str]]:
    data, reporter = scan(folder)[0], Listening()
    run = Run.create(out, make_config(options), folder)
    return divide(run, data, [], [], _fingerprints(data), reporter), reporter.lines


@pytest.mark.parametrize("name", SCENES)
def test_images_of_a_fixed_camera_are_split_in_the_requested_shares(name: str, tmp_path: Path) -> None:
    data, lines = _divided(write_scene(SCENES[name](40), tmp_path / "photos"), tmp_path / "run")
    assert np.abs(data.counts("validation") - 6).max() <= 1
    assert not any("Warning" in line for line in lines), lines
    for rows in members(data.groups):
        assert len({int(target) for target in data.targets[rows]}) == 1
        assert len(rows) <= 8


def test_copies_of_a_fixed_cameras_files_stay_together(tmp_path: Path) -> None:
    folder = write_scene(table(0.2, 40), tmp_path / "photos")
    for number in range(10):
        (folder / "empty" / f"copy{number}.jpg").write_bytes((folder / "empty" / f"{number:03}.jpg").read_bytes())
    data, lines = _divided(folder, tmp_path / "run")
    part = dict(zip(data.files, data.parts, strict=True))
    assert all(part[f"empty/copy{number}.jpg"] == part[f"empty/{number:03}.jpg"] for number in range(10))
    assert any("images of 'empty' look alike, as with a fixed camera" in line for line in lines)


def test_a_class_that_a_given_part_lacks_is_reported(tmp_path: Path) -> None:
    for part, counts in {"train": (6, 6, 6), "val": (3, 0, 3)}.items():
        for name, count in zip("abc", counts, strict=True):
            (tmp_path / "photos" / part / name).mkdir(parents=True)
            for number in range(count):
                noise = np.random.default_rng([ord(name), number, count]).integers(0, 255, (24, 24, 3))
                Image.fromarray(noise.astype(np.uint8)).save(tmp_path / "photos" / part / name / f"{number}.png")
    _, lines = _divided(tmp_path / "photos", tmp_path / "run")
    warnings = [line for line in lines if line.startswith("Warning")]
    assert warnings == [
        "Warning: the validation part has no image of b, so its figures say nothing about this class. Add images there."
    ]


def test_photographs_under_two_labels_are_reported(tmp_path: Path) -> None:
    folder = write_scene(table(0.45, 12), tmp_path / "photos")
    shot = cv2.imread(str(folder / "bird" / "003.jpg"))
    cv2.imwrite(str(folder / "squirrel" / "again.jpg"), shot[::2, ::2])
    _, lines = _divided(folder, tmp_path / "run")
    assert "Warning: one image has two labels: bird/003.jpg (bird) and squirrel/again.jpg (squirrel)." in lines
    (folder / "empty" / "again.jpg").write_bytes((folder / "bird" / "004.jpg").read_bytes())
    _, lines = _divided(folder, tmp_path / "other")
    assert any(line.startswith("Warning: 2 images have two labels each, for example") for line in lines)


def test_a_part_with_and_without_a_scratch_is_not_one_photograph(tmp_path: Path) -> None:
    folder = write_scene(patterned(60), tmp_path / "photos")
    data = scan(folder)[0]
    assert Grouping(data, _fingerprints(data), "time").conflicts() == []
    shot = cv2.imread(str(folder / "scratch" / "003.jpg"))
    smaller = cv2.resize(shot, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "ok" / "again.jpg"), smaller, [cv2.IMWRITE_JPEG_QUALITY, 60])
    data = scan(folder)[0]
    (conflict,) = Grouping(data, _fingerprints(data), "time").conflicts()
    assert {data.files[row] for row in conflict} == {"ok/again.jpg", "scratch/003.jpg"}


def _presses(label: str, count: int, each: int) -> Iterator[str]:
    """Yield names as ``edgeclf capture`` creates them: presses of five images a second, a minute apart."""
    for press in range(count):
        for number in range(each):
            yield f"{label}/20261127-19{press:02}{number // 5:02}-{number % 5 * 200:03}.jpg"


def _one_name_each(names: Iterator[str], folder: Path, label: str) -> None:
    shots = (pixels for kind, pixels in table(0.2, 120) if kind == label)
    for name, pixels in zip(names, shots, strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), pixels)


def test_images_of_one_press_stay_together(tmp_path: Path) -> None:
    for label in ("squirrel", "bird"):
        _one_name_each(_presses(label, 12, 4), tmp_path / "photos", label)
    data, _ = _divided(tmp_path / "photos", tmp_path / "run")
    for label in ("squirrel", "bird"):
        for press in range(12):
            parts = {
                part
                for file, part in zip(data.files, data.parts, strict=True)
                if file.startswith(f"{label}/20261127-19{press:02}")
            }
            assert len(parts) == 1
    assert data.counts("validation").tolist() == [8, 8]  # two presses of four, where the share is seven images
    apart, _ = _divided(tmp_path / "photos", tmp_path / "near", group="near")
    assert len(members(apart.groups)) < 12
    alone, _ = _divided(tmp_path / "photos", tmp_path / "none", group="none")
    assert not members(alone.groups)


def test_a_long_video_becomes_several_groups(tmp_path: Path) -> None:
    for label in ("squirrel", "bird"):
        _one_name_each(_presses(label, 1, 120), tmp_path / "photos", label)
    data, lines = _divided(tmp_path / "photos", tmp_path / "run")
    assert {len(rows) for rows in members(data.groups)} == {6}
    assert data.counts("validation").tolist() == [18, 18]
    assert not any("Warning" in line for line in lines)


def test_a_part_far_below_its_share_is_reported(tmp_path: Path) -> None:
    folder = write_scene(table(0.2, 21), tmp_path / "photos")
    files = sorted(folder.rglob("*.jpg"))
    rows = [f"{file.relative_to(folder)},{file.parent.name},{file.parent.name}{int(file.stem) >= 19}" for file in files]
    (folder / "list.csv").write_text("\n".join(["file,label,group", *rows]), "utf-8")
    data, reporter = read_manifest(folder / "list.csv"), Listening()
    run = Run.create(tmp_path / "run", make_config({"validation": 0.4}), folder / "list.csv")
    divided = divide(run, data, [], [], _fingerprints(data), reporter)
    assert divided.counts("validation").tolist() == [2, 2, 2]
    assert any(line.startswith("Warning: the validation part has 6 images but should have") for line in reporter.lines)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("20261127-193012-123", 1795807812.123),
        ("20261127-193012-500-bird-0.55", 1795807812.5),
        ("IMG_20261127_193012", 1795807812),
        ("2026-11-27T19-30-12.250", 1795807812.25),
        ("VID_20261127_193012123", 1795807812.123),
        ("1795807812.5-bird", 1795807812.5),
        ("snap_1795807812123", 1795807812.123),
        ("trash117", None),
        ("20261399-193012", None),
        ("12345678901234567890", None),
    ],
)
def test_capture_times_are_read_from_names(name: str, seconds: float | None) -> None:
    moment = capture_time(f"bird/{name}.jpg", b"")
    assert np.isnan(moment) if seconds is None else moment == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_capture_times_are_read_from_exif(kind: str) -> None:
    exif = Image.Exif()
    exif[306] = "2020:01:01 00:00:00"  # the time of a later change
    exif.get_ifd(0x8769).update({0x9003: "2026:11:27 19:30:12", 0x9291: "25"})
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, kind, exif=exif)
    assert capture_time("IMG_0001.jpg", content.getvalue()) == pytest.approx(1795807812.25)
    assert np.isnan(capture_time("IMG_0001.jpg", content.getvalue()[:40]))
    without = io.BytesIO()
    Image.new("RGB", (8, 8)).save(without, kind)
    assert np.isnan(capture_time("IMG_0001.jpg", without.getvalue()))


def test_the_split_does_not_depend_on_the_size_of_the_input(tmp_path: Path) -> None:
    from edgeclf import Quiet
    from edgeclf.config.train import preprocessing
    from edgeclf.data.image_cache import decode

    folder = write_scene(table(0.2, 20), tmp_path / "photos")
    data = scan(folder)[0]
    splits = []
    for size in (32, 96, 224):
        config = make_config({"size": size})
        fingerprints = Fingerprints.of(len(data.files))
        with decode(data, preprocessing(config), 0, tmp_path / f"decoded-{size}", Quiet(), fingerprints)[0]:
            splits.append(
                (fingerprints.hashes.tolist(), Grouping(data, fingerprints, "time").grouped().groups.tolist())
            )
    assert splits[0] == splits[1] == splits[2]
