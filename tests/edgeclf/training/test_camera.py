"""Camera faults in training images stay within the documented ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgeclf import make_config
from edgeclf.config.file import config_text, configure
from edgeclf.config.idle_options import without_effect
from edgeclf.config.tables import TrainTable
from edgeclf.evaluation.camera_faults import FAULTS
from edgeclf.exporting.int8 import qat_augment
from edgeclf.frameworks import tensorflow
from edgeclf.training.augmentation import camera
from edgeclf.training.augmentation.augment import augment
from edgeclf.training.augmentation.camera import camera_like

SEED = (3, 4)
MANY = 1200  # images


def _seen(
    picture: npt.NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, **ranges: object
) -> npt.NDArray[np.float32]:
    """Return many augmented copies of an image; a range with a single value turns its fault off."""
    for name, value in ranges.items():
        monkeypatch.setattr(camera, name, value)
    tf = tensorflow()
    return np.asarray(camera_like(tf.constant(np.repeat(picture[None], MANY, axis=0)), tf.constant(SEED)))


def _flat(*colour: float) -> npt.NDArray[np.float32]:
    return np.full((8, 8, 3), colour, np.float32)


QUIET = {"NOISE": (0.0, 0.0)}
ONE_LIGHT = {"LIGHT": (1.0, 1.0)}
NO_TINT = {"TINT": 0.0}


def test_brightness_is_log_uniform_for_its_share_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = _seen(_flat(100, 100, 100), monkeypatch, **QUIET, **NO_TINT).mean(axis=(1, 2, 3)) / 100
    changed = factors[np.abs(factors - 1) > 1e-3]
    assert len(changed) / MANY == pytest.approx(camera.SHARE, abs=0.04)
    assert camera.LIGHT[0] <= changed.min() < 0.35
    assert 1.9 < changed.max() <= camera.LIGHT[1]
    assert np.log(changed).mean() == pytest.approx(np.log(camera.LIGHT).mean(), abs=0.15)


def test_a_tint_changes_red_and_blue_but_not_green(monkeypatch: pytest.MonkeyPatch) -> None:
    red, green, blue = np.moveaxis(_seen(_flat(100, 100, 100), monkeypatch, **QUIET, **ONE_LIGHT)[:, 0, 0], 1, 0)
    assert np.abs(green - 100).max() < 1e-3
    assert np.abs(red + blue - 200).max() < 1e-3
    assert (np.abs(red - 100) > 1e-2).mean() == pytest.approx(camera.SHARE, abs=0.04)
    assert 30 < red.max() - 100 <= 100 * camera.TINT + 1e-3


def test_half_of_the_desaturated_images_become_grey_at_equal_luma(monkeypatch: pytest.MonkeyPatch) -> None:
    luma = [0.299, 0.587, 0.114]
    seen = _seen(_flat(150, 60, 90), monkeypatch, **QUIET, **ONE_LIGHT, **NO_TINT, CONTRAST=(1.0, 1.0))[:, 0, 0]
    colour = np.ptp(seen, axis=1) / 90
    assert np.abs(seen @ luma - _flat(150, 60, 90)[0, 0] @ luma).max() < 1e-2
    assert (colour < 1e-3).mean() == pytest.approx(camera.SHARE / 2, abs=0.03)
    assert ((colour >= 1e-3) & (colour < 0.999)).mean() == pytest.approx(camera.SHARE / 2, abs=0.03)


def test_contrast_is_reduced_around_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = _flat(80, 80, 80)
    picture[:, 4:] = 160
    seen = _seen(picture, monkeypatch, **QUIET, **ONE_LIGHT, **NO_TINT, SCALE=(1.0, 1.0), _POOLS=(1, 1))
    factors = np.ptp(seen, axis=(1, 2, 3)) / 80
    changed = factors[factors < 0.999]
    assert np.abs(seen.mean(axis=(1, 2, 3)) - 120).max() < 1e-2
    assert len(changed) / MANY == pytest.approx(camera.SHARE, abs=0.04)
    assert camera.CONTRAST[0] - 1e-3 <= changed.min() < 0.3 < 0.75 < changed.max() <= camera.CONTRAST[1] + 1e-3


def test_noise_has_the_documented_levels_and_zero_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.full((24, 24, 3), 128, np.float32)
    noise = _seen(picture, monkeypatch, **ONE_LIGHT, **NO_TINT) - 128
    levels = noise.std(axis=(1, 2, 3))
    noisy = levels[levels > 1e-3]
    assert len(noisy) / MANY == pytest.approx(camera.SHARE, abs=0.04)
    assert camera.NOISE[0] * 0.9 < noisy.min() < 6
    assert 29 < noisy.max() < camera.NOISE[1] * 1.1
    assert abs(noise.mean()) < 0.5
    patterns = {tuple(np.sign(image[0, :, 0])) for image in noise[levels > 1e-3]}
    assert len(patterns) > 2


def test_further_away_shrinks_the_image_and_fills_the_border(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.full((40, 40, 3), 50, np.float32)
    picture[10:30, 10:30] = 200
    changes: dict[str, object] = {**QUIET, **ONE_LIGHT, **NO_TINT, "CONTRAST": (1.0, 1.0), "_POOLS": (1, 1)}
    seen = _seen(picture, monkeypatch, **changes)
    sides = np.sqrt((seen[..., 0] > 125).sum(axis=(1, 2))) / 20
    changed = sides[sides < 0.99]
    assert len(changed) / MANY == pytest.approx(camera.SHARE, abs=0.04)
    assert camera.SCALE[0] - 0.06 < changed.min() < 0.5
    assert 0.8 < changed.max() < camera.SCALE[1] + 0.06
    assert seen.min() > 49  # no black borders


def test_blur_keeps_the_mean_and_removes_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.indices((32, 32)).sum(axis=0)[..., None].repeat(3, axis=2) % 2 * 100.0
    changes: dict[str, object] = {**QUIET, **ONE_LIGHT, **NO_TINT, "CONTRAST": (1.0, 1.0), "SCALE": (1.0, 1.0)}
    seen = _seen(picture.astype(np.float32), monkeypatch, **changes)
    spread = seen.std(axis=(1, 2, 3))
    assert (spread < 1).mean() == pytest.approx(camera.SHARE, abs=0.04)
    assert np.abs(seen.mean(axis=(1, 2, 3)) - 50).max() < 1


def test_some_images_are_unchanged_and_all_stay_in_range() -> None:
    tf = tensorflow()
    picture = np.random.default_rng(0).uniform(0, 255, (16, 16, 3)).astype(np.float32)
    seen = camera_like(tf.constant(np.repeat(picture[None], MANY, axis=0)), tf.constant(SEED)).numpy()
    unchanged = np.abs(seen - picture).max(axis=(1, 2, 3)) < 1e-3
    assert unchanged.mean() == pytest.approx((1 - camera.SHARE) ** 7, abs=0.04)
    assert seen.min() >= 0
    assert seen.max() <= 255


def test_part_of_a_batch_is_augmented_as_within_the_whole_by_the_seed() -> None:
    tf = tensorflow()
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, (40, 20, 20, 3)).astype(np.float32))
    whole = camera_like(images, tf.constant(SEED)).numpy()
    part = camera_like(images[7:31], tf.constant(SEED), slice(7, 31), 40).numpy()
    assert np.abs(whole[7:31] - part).max() < 1e-3
    assert (whole == camera_like(images, tf.constant(SEED)).numpy()).all()
    assert np.abs(whole - camera_like(images, tf.constant((5, 4))).numpy()).mean() > 1


def test_faults_never_drawn_in_training_are_those_held_out_in_evaluation() -> None:
    assert {*camera.HELD_OUT} == {name for name, fault in FAULTS.items() if fault.is_held_out}


def test_quantization_aware_training_sees_what_the_training_saw() -> None:
    tf = tensorflow()
    pixels = tf.constant(np.random.default_rng(0).integers(0, 256, (8, 40, 40, 3), np.uint8))
    plain, faulty = (qat_augment(make_config({"size": 32, "camera": on})) for on in (False, True))
    seed, part = tf.constant(SEED), slice(0, 8)
    expected = augment(pixels, 32, True, False, seed, part, 8)
    assert (plain(pixels, seed, part, 8).numpy() == expected.numpy()).all()
    assert (faulty(pixels, seed, part, 8).numpy() == camera_like(expected, seed, part, 8).numpy()).all()


def test_camera_is_stored_in_the_config_and_has_no_effect_on_a_head(tmp_path: Path) -> None:
    config = make_config({"camera": True})
    assert not make_config({}).camera
    file = tmp_path / "config.toml"
    file.write_text(config_text(tmp_path, config), "utf-8")
    assert configure(TrainTable, {}, file).config() == config
    assert not configure(TrainTable, {"camera": False}, file).camera
    assert without_effect(make_config({"camera": True, "tune": "head"}), ())["tune is head"] == ["camera"]
