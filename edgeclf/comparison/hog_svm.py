"""A classical classifier to compare with: a support vector machine on histograms of gradients and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeclf.progress import Reporter
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["SIDE", "HandCrafted", "describe", "fit_handcrafted"]

SIDE = 128  # width and height of the images it sees, in pixels
# HOG is computed here: OpenCV 5 no longer has it, and scikit-image's takes 56 MB more and 1.6 times as long.
_CELL, _BLOCK, _ORIENTATIONS, _CLIP = 16, 2, 9, 0.2
_COLOURS = (8, 4, 4)  # bins of hue, saturation and value
_PENALTIES = (1.0, 10.0, 100.0)
_WIDTHS = (0.3, 1.0, 3.0)  # kernel widths to try, in units of scikit-learn's "scale"

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HandCrafted:
    """A fitted support vector machine.

    Attributes:
        machine: scikit-learn's ``SVC``.
        penalty, gamma: hyperparameters chosen on the validation part.
        parameters: number of values in the model: support vectors, their weights, and intercepts.
    """

    machine: Any
    penalty: float
    gamma: float
    parameters: int

    def predict(self, features: Floats) -> Indices:
        """Return the class of each row of features from ``describe``: int64 ``[images]``."""
        return np.asarray(self.machine.predict(features), np.int64)


def describe(pixels: Pixels) -> Floats:
    """Compute histograms of oriented gradients (Dalal & Triggs, CVPR 2005) and colours (Swain & Ballard, IJCV 1991).

    Args:
        pixels: uint8 RGB ``[images, SIDE, SIDE, 3]``.

    Returns:
        float32 ``[images, features]``; the gradients and the colours of an image each have length 1.
    """
    return np.stack([np.concatenate([_gradients(picture), _colours(picture)]) for picture in pixels])


def fit_handcrafted(
    train: tuple[Floats, Indices], validation: tuple[Floats, Indices], reporter: Reporter
) -> HandCrafted:
    """Fit a support vector machine with a Gaussian kernel; choose penalty and width by validation accuracy.

    Args:
        train, validation: features from ``describe``, and targets ``[images]``.
    """
    from sklearn.svm import SVC

    scale, best = 1.0 / (train[0].shape[1] * max(float(train[0].var()), 1e-12)), None
    with reporter.bar("HOG and SVM", len(_PENALTIES) * len(_WIDTHS)) as bar:
        for penalty in _PENALTIES:
            for width in _WIDTHS:
                machine = SVC(C=penalty, gamma=scale * width, class_weight="balanced").fit(*train)
                right = float((machine.predict(validation[0]) == validation[1]).mean())
                if best is None or right > best[0]:
                    best = right, machine
                bar.advance(1)
    assert best is not None
    fitted = best[1]
    size = sum(part.size for part in (fitted.support_vectors_, fitted.dual_coef_, fitted.intercept_))
    return HandCrafted(fitted, fitted.C, fitted.gamma, int(size))


def _gradients(picture: Pixels) -> Floats:
    """Compute HOG features from each pixel's strongest channel, with normalized and clipped blocks."""
    values = picture.astype(np.float32) / 255
    across, down = np.zeros_like(values), np.zeros_like(values)
    across[:, 1:-1], down[1:-1] = values[:, 2:] - values[:, :-2], values[2:] - values[:-2]
    strength = np.hypot(across, down)
    strongest = strength.argmax(axis=2)[..., None]
    across, down, strength = (np.take_along_axis(part, strongest, axis=2)[..., 0] for part in (across, down, strength))
    bin_position = np.mod(np.arctan2(down, across), np.pi) / np.pi * _ORIENTATIONS  # dark on light equals light on dark
    return _blocks(_cells(np.asarray(bin_position, np.float32), strength))


def _cells(bin_position: Floats, strength: Floats) -> Floats:
    """Split each pixel's magnitude between the two nearest orientations: ``[rows, columns, orientations]``."""
    lower = np.floor(bin_position - 0.5)
    upper_share = bin_position - 0.5 - lower
    count = SIDE // _CELL
    cells = np.zeros((count, count, _ORIENTATIONS), np.float32)
    row, column = np.indices(bin_position.shape) // _CELL
    for orientation, share in ((lower, 1 - upper_share), (lower + 1, upper_share)):
        np.add.at(cells, (row, column, orientation.astype(np.int64) % _ORIENTATIONS), strength * share)
    return cells


def _blocks(cells: Floats) -> Floats:
    last = len(cells) - _BLOCK + 1
    blocks = [cells[y : y + _BLOCK, x : x + _BLOCK].ravel() for y in range(last) for x in range(last)]
    clipped = np.minimum(_normalized(np.stack(blocks)), _CLIP)
    return _normalized(_normalized(clipped).ravel())


def _colours(picture: Pixels) -> Floats:
    """Return square roots of the colour bins, so that a large uniform area does not outweigh the rest."""
    hsv = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2HSV).reshape(-1, 3)
    counts, _ = np.histogramdd(hsv, bins=_COLOURS, range=((0, 180), (0, 256), (0, 256)))
    return _normalized(np.sqrt(counts.ravel()).astype(np.float32))


def _normalized(rows: Floats) -> Floats:
    """Normalize rows to a length just below 1; rows close to zero stay small."""
    return np.asarray(rows / np.sqrt((rows**2).sum(axis=-1, keepdims=True) + 1e-6), np.float32)
