"""Random changes of training images."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclf.frameworks import tensorflow
from edgeclf.training.augmentation.augment import augment

COLOURS = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [120, 120, 120]], np.uint8)
"""Of the quarters of a picture, clockwise from the upper left one; every crop has a part of each."""


@pytest.mark.parametrize(
    ("flip", "rotate90", "rounds", "mirrored"),
    [(False, False, {0}, {False}), (True, False, {0, 1}, {False, True}), (False, True, {0, 1, 2, 3}, {False})],
)
def test_a_rotated_image_is_not_mirrored(flip: bool, rotate90: bool, rounds: set[int], mirrored: set[bool]) -> None:
    tf = tensorflow()
    image = COLOURS[[[0, 1], [3, 2]]].repeat(20, axis=0).repeat(20, axis=1)
    images = tf.constant(np.repeat(image[None], 64, axis=0))
    seen = augment(images, 32, flip, rotate90, tf.constant([3, 4])).numpy()
    corners = seen[:, [0, 0, -1, -1], [0, -1, -1, 0]]  # also clockwise
    colours = np.where(np.ptp(corners, axis=2) < 5, 3, corners.argmax(axis=2))
    steps = np.diff(colours, axis=1) % 4
    assert (steps == steps[:, :1]).all()
    assert {bool(step == 3) for step in steps[:, 0]} == mirrored
    assert set(colours[:, 0]) == rounds


def test_part_of_a_batch_is_augmented_as_within_the_whole() -> None:
    tf = tensorflow()
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), np.uint8))
    seed = tf.constant([5, 6])
    whole = augment(images, 32, True, True, seed).numpy()
    part = augment(images[2:5], 32, True, True, seed, slice(2, 5), 6).numpy()
    assert np.abs(whole[2:5] - part).max() < 1e-3
    assert np.abs(whole - augment(images, 32, True, True, seed + 1).numpy()).mean() > 1
