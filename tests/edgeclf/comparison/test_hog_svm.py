"""Hand-crafted features of images with known gradients and colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgeclf import Quiet
from edgeclf.comparison.hog_svm import SIDE, describe, fit_handcrafted

ORIENTATIONS, COLOURS = 9, 8 * 4 * 4


def _stripes(axis: int) -> npt.NDArray[np.uint8]:
    """Return grey waves with a length of 16 pixels."""
    wave = np.rint(127 + 100 * np.sin(np.arange(SIDE) * 2 * np.pi / 16)).astype(np.uint8)
    plane = np.broadcast_to(wave[None, :] if axis else wave[:, None], (SIDE, SIDE))
    return np.repeat(plane[..., None], 3, axis=2)


def _orientations(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return features[:-COLOURS].reshape(-1, ORIENTATIONS).sum(axis=0)


def test_stripes_are_described_by_the_orientation_of_their_gradient() -> None:
    upright, level = (_orientations(describe(_stripes(axis)[None])[0]) for axis in (1, 0))
    # A gradient along a row has angle 0, on the border of the last and first ninth; along a column, the middle one.
    assert upright[0] == pytest.approx(upright[8], rel=1e-3)
    assert upright[[0, 8]].sum() > 0.99 * upright.sum()
    assert level[4] > 0.99 * level.sum()


def test_inverted_images_have_the_same_gradients() -> None:
    image = _stripes(1)
    assert describe(255 - image[None])[0, :-COLOURS] == pytest.approx(describe(image[None])[0, :-COLOURS], abs=1e-5)


def test_uniform_images_differ_only_in_their_colours() -> None:
    plain = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    plain[0, ..., 0] = plain[1, ..., 2] = 255
    red, blue = describe(plain)
    assert not red[:-COLOURS].any()
    assert float(red @ blue) == 0
    assert np.linalg.norm(red) == pytest.approx(1, abs=1e-3)


def test_a_support_vector_machine_separates_them() -> None:
    rng = np.random.default_rng(0)
    images = np.stack([_stripes(i % 2) for i in range(24)]).astype(np.int64) + rng.integers(
        -20, 20, (24, SIDE, SIDE, 3)
    )
    features, targets = describe(images.clip(0, 255).astype(np.uint8)), np.arange(24) % 2
    fitted = fit_handcrafted((features[:12], targets[:12]), (features[12:18], targets[12:18]), Quiet())
    assert (fitted.predict(features[18:]) == targets[18:]).all()
    vectors = len(fitted.machine.support_vectors_)
    assert fitted.parameters == vectors * features.shape[1] + vectors + 1
