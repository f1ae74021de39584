"""Mixup, CutMix and RandAugment are reproducible, and labels are mixed like the pixels."""

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
    assert changes[0] < 1  # less than one pixel step: rounding alone
    assert changes[0] < 0.2 * changes[1] < 0.2 * changes[2]
    assert len(OPERATIONS) == len(set(OPERATIONS))


def test_each_image_of_a_batch_is_changed_as_if_all_got_its_operation() -> None:
    tf = tensorflow()
    images = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3)).astype(np.float32)
    pixels, seed, strength = tf.constant(images), tf.constant([5, 6]), 7.0
    result, expected, drawn = rand_augment(pixels, strength, seed).numpy(), images, []
    for turn in range(2):
        first, second = (seed + tf.constant([turn, number]) for number in (11, 12))
        chosen = tf.random.stateless_uniform([300], first, 0, len(OPERATIONS), tf.int32).numpy()
        sign = np.where(tf.random.stateless_uniform([300], second).numpy() < 0.5, -1, 1).astype(np.float32)
        amount = tf.constant(sign * np.float32(strength / 10))
        every = [operation(tf.constant(expected), amount).numpy().clip(0, 255) for operation in OPERATIONS.values()]
        expected = np.stack(every)[chosen, np.arange(300)]
        drawn.append(chosen)
    assert np.allclose(result, expected, atol=1e-3)
    assert set(np.concatenate(drawn)) == set(range(len(OPERATIONS)))


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_operations_change_what_their_names_say(sign: float) -> None:
    tf = tensorflow()
    image = np.random.default_rng(1).integers(40, 200, (1, 20, 20, 3)).astype(np.float32)
    luma = image @ np.array([0.299, 0.587, 0.114], np.float32)

    def changed(name: str, strength: float = 0.5) -> np.ndarray:
        result: np.ndarray = OPERATIONS[name](tf.constant(image), tf.constant([sign * strength])).numpy()
        return result

    factor = 1 + 0.9 * sign * 0.5
    assert np.allclose(changed("identity"), image)
    assert np.allclose(changed("brightness"), image * factor, atol=1e-3)
    assert np.allclose(changed("contrast") - luma.mean(), (image - luma.mean()) * factor, atol=1e-2)
    assert np.allclose(changed("colour") - luma[..., None], (image - luma[..., None]) * factor, atol=1e-2)
    assert (changed("sharpness")[:, 1:-1, 1:-1].std() > image[:, 1:-1, 1:-1].std()) == (sign > 0)
    assert np.allclose(changed("posterize"), image // 4 * 4)
    assert np.allclose(changed("solarize"), np.where(image < 128, image, 255 - image))
    stretched = changed("autocontrast")
    assert stretched.min() == 0
    assert stretched.max() == pytest.approx(255)
    shift = 3  # of 20 pixels: half of 0.3 of the side
    moved = changed("translate_x")
    kept = image[:, :, :-shift] if sign < 0 else image[:, :, shift:]
    assert np.allclose(moved[:, :, shift:] if sign < 0 else moved[:, :, :-shift], kept, atol=1e-2)
    assert (moved[:, :, :shift] if sign < 0 else moved[:, :, -shift:]) == pytest.approx(127)
    down = changed("translate_y").transpose(0, 2, 1, 3)
    other = OPERATIONS["translate_x"](tf.constant(image.transpose(0, 2, 1, 3)), tf.constant([sign * 0.5])).numpy()
    assert np.allclose(down, other, atol=1e-2)
    for name in ("rotate", "shear_x", "shear_y"):
        assert not np.allclose(changed(name), image, atol=1)
        assert np.allclose(changed(name, 0.0), image, atol=1e-3)
