"""Fixtures shared by tests of pages."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.videos import write_video

SECONDS = 240


@pytest.fixture(scope="session")
def video(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits that change into each other, for longer than a test takes; no two images of half a minute look alike."""
    path = tmp_path_factory.mktemp("video") / "video.avi"
    images = [cv2.resize(cv2.imread(str(next((digits / str(digit)).iterdir()))), (320, 240)) for digit in (0, 1, 2)]
    steps = ((number // 10, number % 10 / 10) for number in range(10 * SECONDS))
    blends = (cv2.addWeighted(images[i % 3], 1 - s, images[(i + 1) % 3], s, 0) for i, s in steps)
    write_video(path, 10, (_marked(image, number) for number, image in enumerate(blends)))
    return path


def _marked(image: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.uint8]:
    row, column = divmod(number // 5 % 48, 8)
    image[row * 40 : row * 40 + 20, column * 40 : column * 40 + 20] = 255 - 20 * (number // 240)
    return image
