"""What decoding JPEGs at a part of their size changes, against decoding them in full as training did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgeclf_runtime import Classifier
from edgeclf_runtime.images import decode_image, find_images, read_content, read_image, swapped
from edgeclf_runtime.preprocess import least_side

_SIZES = (0, 1280, 1920)  # widths to which the photographs are enlarged, as a camera would give them; 0: as they are


def agreements(model: Path, folder: Path) -> Iterator[str]:
    """A line for each size: share of the same best labels, both accuracies, largest difference of a score."""
    files = find_images(folder)
    with Classifier.load(model) as classifier:
        truth = np.array([classifier.card.labels.index(file.parent.name) for file in files])
        least = least_side(classifier.card.preprocessing)
        for width in _SIZES:
            datas = [_enlarged(file, width) for file in files]
            exact = _scores(classifier, datas, 0)
            fast = _scores(classifier, datas, least)
            same = float((exact.argmax(axis=1) == fast.argmax(axis=1)).mean())
            right = [float((scores.argmax(axis=1) == truth).mean()) for scores in (exact, fast)]
            yield (
                f"{f'{width} pixels wide' if width else 'as they are':<17} the same label {same:.2%}, right in full "
                f"{right[0]:.2%}, at a part {right[1]:.2%}, scores differ by up to {np.abs(exact - fast).max():.3f}"
            )


def _enlarged(file: Path, width: int) -> bytes:
    if not width:
        return read_content(file)
    pixels = read_image(file)
    size = (width, round(width * pixels.shape[0] / pixels.shape[1]))
    larger = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return cv2.imencode(".jpg", swapped(larger), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _scores(classifier: Classifier, datas: list[bytes], least: int) -> np.ndarray:
    return np.stack([classifier.classify(decode_image(data, "picture", least=least)).scores for data in datas])
