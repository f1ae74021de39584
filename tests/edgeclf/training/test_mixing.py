"""Mixup, CutMix and RandAugment are repeatable, and labels are mixed like the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclf.frameworks import tensorflow
from edgeclf.training.augmentation.mixing import draw, mix
from edgeclf.training.augmentation.rand_augment import OPERATIONS, rand_augment


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_labels_have_the_shares_of_the_pixels(mixup: float, cutmix: float) -> None:
    tf, cut = tensorflow(), 0
    images = np.stack([np.full((32, 32, 3), 200.0), np.full((32, 32, 3), 0.0)]).astype(np.float32)
    for number in range(20):
        share, box = draw(mixup, cutmix, 32, np.random.default_rng(number))
        mixed, wanted = mix(tf.constant(images), tf.eye(2), tf.constant(share, tf.float32), tf.constant(box))
        assert np.allclose(mixed[0].numpy().mean() / 200, wanted.numpy()[0, 0], atol=1e-4)
        assert np.allclose(wanted.numpy().sum(axis=1), 1)
        cut += set(np.unique(mixed.numpy())) <= {0.0, 200.0}
    assert (cut == 20, cut == 0) == (not mixup, not cutmix)


def test_nothing_is_mixed_without_mixup_and_cutmix() -> None:
    assert draw(0.0, 0.0, 32, np.random.default_rng(0)) == (1.0, (0, 0, 0, 0))


def test_random_changes_are_repeatable_and_differ_between_images() -> None:
    tf = tensorflow()
    y, x = np.mgrid[0:32, 0:32]
    image = np.stack([x * 8, y * 8, (x + y) * 4], axis=-1).astype(np.float32)
    pixels, seed = tf.constant(np.stack([image] * 64)), tf.constant([3, 4])
    first, again = rand_augment(pixels, 9, seed).numpy(), rand_augment(pixels, 9, seed).numpy()
    other = rand_augment(pixels, 9, tf.constant([3, 5])).numpy()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.min() >= 0
    assert first.max() <= 255
    kinds = {one.tobytes() for one in first}
    assert len(kinds) > 30


def test_strength_sets_the_size_of_changes() -> None:
    tf = tensorflow()
    image = np.linspace(0, 255, 32 * 32 * 3).reshape(1, 32, 32, 3).astype(np.float32)
    pixels, seed = tf.constant(np.repeat(image, 128, axis=0)), tf.constant([1, 2])
    changes = [float(np.abs(rand_augment(pixels, size, seed).numpy() - image).mean()) for size in (0, 3, 9)]
    assert changes[0] < 1  # less than a step of the pixels': rounding alone
    assert changes[0] < 0.2 * changes[1] < 0.2 * changes[2]
    assert len(OPERATIONS) == len(set(OPERATIONS))
