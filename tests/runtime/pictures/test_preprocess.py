"""Pixels on their way to the tensor."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclf_runtime import ImageError, Preprocessing
from edgeclf_runtime.pictures.preprocess import InputEncoder, min_side, resize


def _image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_an_image_of_the_right_size_is_unchanged() -> None:
    image = _image(32, 48)
    assert (resize(image, Preprocessing(48, 32)) == image).all()


def test_a_multiple_of_the_size_is_reduced_by_rounded_means() -> None:
    image = _image(64, 96)
    means = image.reshape(32, 2, 48, 2, 3).astype(np.float64).mean(axis=(1, 3))
    assert (resize(image, Preprocessing(48, 32)) == np.floor(means + 0.5)).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 700), (479, 641), (33, 31)])
def test_every_size_fits(height: int, width: int) -> None:
    assert resize(_image(height, width), Preprocessing(32, 24)).shape == (24, 32, 3)


def test_bgr_swaps_the_channels() -> None:
    image = _image(8, 8)
    assert (resize(image, Preprocessing(8, 8, color="BGR")) == image[:, :, ::-1]).all()


def test_crop_keeps_the_centre() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, 50:150] = 255
    assert resize(image, Preprocessing(10, 10, resize="crop")).min() == 255


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), "photo.jpg"])
def test_other_arrays_are_refused(wrong: object) -> None:
    with pytest.raises(ImageError, match="Expected a uint8 RGB image"):
        resize(wrong, Preprocessing(4, 4))


def test_the_quantized_input_is_the_pixel() -> None:
    assert InputEncoder(Preprocessing(4, 4), np.uint8, 1 / 128, 127).is_identity


@pytest.mark.parametrize(("dtype", "zero_point"), [(np.int8, -1), (np.uint8, 127)])
def test_integers_stand_for_normalized_pixels(dtype: type, zero_point: int) -> None:
    image = _image(4, 4)
    stored = InputEncoder(Preprocessing(4, 4), dtype, 1 / 128, zero_point)(image)
    assert stored.dtype == dtype
    assert ((stored.astype(np.float64) - zero_point) / 128 == (image - 127.0) / 128).all()


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (360, 640), (97, 33), (64, 40), (1100, 2000)])
def test_what_is_larger_is_reduced_to_the_rounded_means_of_boxes(height: int, width: int) -> None:
    rule, image = Preprocessing(20, 16), _image(height, width)
    ky, kx = height // 16, width // 20
    rows, columns = height // ky, width // kx
    top, left = (height - rows * ky) // 2, (width - columns * kx) // 2
    boxes = image[top : top + rows * ky, left : left + columns * kx].reshape(rows, ky, columns, kx, 3)
    means = (boxes.astype(np.int64).sum(axis=(1, 3)) + ky * kx // 2) // (ky * kx)
    whole = np.asarray(means, np.uint8)
    assert (resize(image, rule) == resize(whole, rule)).all()


def test_the_least_side_enlarges_nothing() -> None:
    assert min_side(Preprocessing(224, 192)) == 224
    assert min_side(Preprocessing(224, 224), (0.5, 1.0)) == 448
    assert min_side(Preprocessing(224, 224, resize="crop", crop=0.875)) == 256
