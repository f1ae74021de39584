"""Camera faults: the effect of each on an image, and the accuracy of a model file under them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf import Quiet
from edgeclf.commands.evaluate import evaluate as command
from edgeclf.errors import DataError
from edgeclf.evaluation.camera_faults import FAULTS, REFERENCE, camera_frame, with_fault
from edgeclf.evaluation.evaluate import images_of_source
from edgeclf.evaluation.under_faults import measure_under_faults
from edgeclf.training.augmentation.camera import HELD_OUT
from edgeclf_runtime import Classifier
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing
from tests.runtime.browser import Browser


@pytest.fixture(scope="module")
def photo() -> Pixels:
    """A photograph of a building: edges, textures, a sky."""
    from sklearn.datasets import load_sample_images

    return np.asarray(cv2.resize(load_sample_images().images[0], (240, 180), interpolation=cv2.INTER_AREA), np.uint8)


def _sharpness(pixels: Pixels) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def _brightness(pixels: Pixels) -> float:
    return float(pixels.mean())


def _colour(pixels: Pixels) -> float:
    return float(np.ptp(pixels.astype(float), axis=2).mean())


def _spread(pixels: Pixels) -> float:
    return float(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).std())


def _white_balance(pixels: Pixels) -> float:
    """Return the absolute logarithm of the ratio of red to blue."""
    red, _, blue = pixels.reshape(-1, 3).mean(axis=0)
    return abs(float(np.log(red / blue)))


def _rows(pixels: Pixels) -> float:
    return float(np.diff(pixels.mean(axis=(1, 2))).std())


# What each fault changes, and whether it grows (1) or falls (-1) with the strength.
DIRECTIONS: dict[str, tuple[Callable[[Pixels], float], int]] = {
    "noise": (_sharpness, 1),
    "motion blur": (_sharpness, -1),
    "out of focus": (_sharpness, -1),
    "dark": (_brightness, -1),
    "overexposed": (_brightness, 1),
    "grey": (_colour, -1),
    "low contrast": (_spread, -1),
    "low resolution": (_sharpness, -1),
    "glare": (_brightness, 1),
    "rolling bands": (_brightness, -1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_keeps_shape_and_type_is_repeatable_and_grows(name: str, photo: Pixels) -> None:
    before = photo.copy()
    drawn = [with_fault(photo, name, level) for level in range(3)]
    assert all(image.shape == photo.shape and image.dtype == np.uint8 for image in drawn)
    assert all((with_fault(photo, name, level) == image).all() for level, image in enumerate(drawn))
    assert (photo == before).all()
    differences = [float(np.abs(image.astype(float) - photo).mean()) for image in drawn]
    assert 0.3 < differences[0] < differences[2]
    assert differences[0] < differences[1] < differences[2] or name == "cut off"  # what it uncovers may look similar
    for shape in ((1, 1, 3), (3, 90, 3)):
        assert with_fault(np.full(shape, 99, np.uint8), name, 2).shape == shape


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_fault_has_the_effect_it_is_named_after(name: str, photo: Pixels) -> None:
    measure, sign = DIRECTIONS[name]
    values = np.array([measure(photo), *(measure(with_fault(photo, name, level)) for level in range(3))])
    assert (np.diff(sign * values) > 0).all(), values


def test_a_colour_cast_is_warm_or_cold(photo: Pixels) -> None:
    grey = np.full((20, 20, 3), 120, np.uint8)
    casts = [with_fault(grey, "colour cast", 1, seed).mean(axis=(0, 1)) for seed in range(12)]
    assert {bool(red > blue) for red, _, blue in casts} == {True, False}
    values = [_white_balance(with_fault(grey, "colour cast", level)) for level in range(3)]
    assert 0 < values[0] < values[1] < values[2]


def test_further_away_shrinks_and_cut_off_removes_a_part() -> None:
    thing = np.full((200, 200, 3), 200, np.uint8)
    thing[50:150, 50:150] = 20
    areas = [int((with_fault(thing, "further away", level) < 100).all(axis=2).sum()) for level in range(3)]
    assert [round((area / 10_000) ** 0.5, 1) for area in areas] == [0.8, 0.6, 0.4]
    assert (with_fault(thing, "further away", 2)[0] > 190).all()  # its surroundings are extended around it
    cut = [int((with_fault(thing, "cut off", level) < 100).all(axis=2).sum()) for level in range(3)]
    assert cut[1] < 10_000
    assert cut[2] < cut[1]


def test_tilt_rotates_images_to_both_sides() -> None:
    line = np.full((201, 201, 3), 255, np.uint8)
    line[98:103] = 0

    def angle(level: int, seed: int) -> float:
        y, x = np.nonzero((with_fault(line, "tilt", level, seed) < 90).all(axis=2))
        return float(np.degrees(np.arctan(np.polyfit(x, y, 1)[0])))

    angles = [abs(angle(level, 0)) for level in range(3)]
    assert angles == pytest.approx(FAULTS["tilt"].strengths, abs=1)
    assert {angle(1, seed) > 0 for seed in range(12)} == {True, False}


def test_bands_darken_rows_and_drops_blur_spots(photo: Pixels) -> None:
    flat = np.full((120, 120, 3), 150, np.uint8)
    bands = with_fault(flat, "rolling bands", 2)
    assert (bands == bands[:, :1]).all()
    assert _rows(bands) > _rows(with_fault(flat, "rolling bands", 0)) > 0
    untouched = [float((with_fault(flat, "rain or dirt", level) == 150).mean()) for level in range(3)]
    assert 1 > untouched[0] > untouched[1] > untouched[2] > 0.1


def test_noise_differs_by_image_and_seed(photo: Pixels) -> None:
    noise = [
        with_fault(image, "noise", 0, seed).astype(int) - image
        for image, seed in ((photo, 0), (photo, 1), (np.flip(photo, 1), 0))
    ]
    assert (noise[0] != noise[1]).any()
    assert (noise[0] != noise[2]).any()


def test_the_faulty_image_fills_the_input_and_keeps_its_aspect_ratio() -> None:
    rule = Preprocessing(64, 64)
    shapes = {(600, 800): (64, 85), (30, 40): (64, 85), (64, 64): (64, 64), (1, 5000): (1, 256)}
    for given, expected in shapes.items():
        assert camera_frame(np.zeros((*given, 3), np.uint8), rule).shape[:2] == expected
    assert (
        camera_frame(np.zeros((100, 100, 3), np.uint8), Preprocessing(64, 64, resize="crop", crop=0.5)).shape[0] == 128
    )


def test_the_mean_of_13_and_the_held_out_faults_match_the_documentation() -> None:
    assert len(REFERENCE) == len({*REFERENCE}) == 13
    strengths = {(name, FAULTS[name].strengths[level]) for name, level in REFERENCE}
    fixed = {("noise", 15), ("noise", 30), ("JPEG", 15), ("tilt", 20), ("low resolution", 0.4), ("further away", 0.6)}
    assert fixed | {("grey", 1.0)} <= strengths
    held_out = {name for name, fault in FAULTS.items() if fault.is_held_out}
    assert len(held_out) >= 5
    assert held_out == {*HELD_OUT}
    text = (Path(__file__).parents[3] / "docs" / "camera-faults.md").read_text("utf-8")
    sentence = text.split("never used in training: ")[1].split(".")[0]
    assert {*sentence.replace("\n", " ").replace(", and ", ", ").split(", ")} == held_out
    for name, fault in FAULTS.items():
        assert f"| {name} | {', '.join(fault.describe(level) for level in range(3))} | {fault.advice} |" in text


@pytest.fixture(scope="module")
def some(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of each digit, and an unreadable one."""
    folder = tmp_path_factory.mktemp("some")
    for label in digits.iterdir():
        (folder / label.name).mkdir()
        for file in sorted(label.iterdir())[:3]:
            shutil.copy(file, folder / label.name)
    (folder / "0" / "broken.png").write_text("x", "utf-8")
    return folder


def _of(content: dict[str, Any], fault: str, level: int) -> dict[str, Any]:
    (cell,) = [item for item in content["faults"] if (item["fault"], item["level"]) == (fault, level)]
    return dict(cell)


def test_evaluate_reports_the_loss_under_each_fault(sure_model: Path, some: Path, tmp_path: Path) -> None:
    words = [str(sure_model), str(some), "--camera-faults", "--page", str(tmp_path / "page.html")]
    done = CliRunner().invoke(command, [*words, "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)["camera_faults"]
    assert (figures["count"], figures["total"]) == (9, 10)
    assert (len(figures["files"]), len(figures["faults"])) == (9, 3 * len(FAULTS))
    lost = [item["lost"] for item in figures["faults"]]
    assert lost == sorted(lost, reverse=True)
    for item in figures["faults"]:
        assert item["low"] <= item["lost"] <= item["high"]
        assert item["lost"] == pytest.approx(100 * (figures["clean"]["accuracy"] - item["accuracy"]))
        assert 0 < item["confidence"] <= 1
        assert 0 <= item["refused"] <= 1
    mean = float(np.mean([_of(figures, *cell)["accuracy"] for cell in REFERENCE]))
    assert figures["mean_of_13"]["accuracy"] == pytest.approx(mean)
    assert figures["mean_of_13"]["low"] <= figures["mean_of_13"]["lost"] <= figures["mean_of_13"]["high"]

    with Browser(tmp_path / "profile") as browser:
        browser.open((tmp_path / "page.html").as_uri())
        browser.wait("document.readyState === 'complete' && document.querySelector('h2#camera-faults') !== null")
        text = browser.value("document.querySelector('h2#camera-faults').nextElementSibling.innerText")
        assert f"Of 9 images (drawn from 10 with seed 0), {100 * figures['clean']['accuracy']:.1f}% are right" in text
        rows = browser.value("[...document.querySelectorAll('table.faults tr')].slice(1).map(row => row.innerText)")
        assert len(rows) == len(FAULTS)
        for name, fault in FAULTS.items():
            (row,) = [row for row in rows if f"{name}\n{fault.advice}" in row]
            assert all(f"{_of(figures, name, level)['lost']:.1f}" in row for level in range(3))
        assert browser.value("[...document.images].every(image => image.naturalWidth > 0)")
        browser.size(390)
        assert browser.value("document.documentElement.scrollWidth") <= 390


def test_the_table_of_faults_is_printed(sure_model: Path, some: Path) -> None:
    done = CliRunner().invoke(command, [str(sure_model), str(some), "--camera-faults"])
    assert done.exit_code == 0, done.output
    _, table = done.stdout.split("Camera faults, 9 images of 10, drawn with seed 0 ")
    assert all(f"\n{name}, {fault.describe(level)} " in table for name, fault in FAULTS.items() for level in range(3))
    assert re.search(r"(?m)^Mean of 13 faults: [\d.]+% right, -?[\d.]+ points lost \(-?[\d.]+ to -?[\d.]+\)$", table)


def test_at_most_the_requested_number_of_images_is_measured(sure_model: Path, digits: Path) -> None:
    with Classifier.load(sure_model) as classifier:
        data = images_of_source(digits, classifier.card).data
        faults = measure_under_faults(classifier, data, Quiet(), limit=4, seed=3)
        again = measure_under_faults(classifier, data, Quiet(), limit=4, seed=3)
    assert (len(faults.files), faults.total) == (4, 60)
    assert faults.content() == again.content()
    assert {*faults.files} <= {*data.files}


def test_images_that_cannot_be_read_are_refused_in_one_line(sure_model: Path, some: Path) -> None:
    with Classifier.load(sure_model) as classifier:
        data = images_of_source(some, classifier.card).data
        broken = data.take([row for row, file in enumerate(data.files) if "broken" in file])
        with pytest.raises(DataError, match="No image can be read"):
            measure_under_faults(classifier, broken, Quiet())
