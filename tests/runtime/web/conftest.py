"""What several tests of pages need."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.films import write_film

SECONDS = 240


@pytest.fixture(scope="session")
def film(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits that turn into one another, for longer than a test takes; no two pictures of half a minute look alike."""
    path = tmp_path_factory.mktemp("film") / "film.avi"
    pictures = [cv2.resize(cv2.imread(str(next((digits / str(digit)).iterdir()))), (320, 240)) for digit in (0, 1, 2)]
    steps = ((number // 10, number % 10 / 10) for number in range(10 * SECONDS))
    blends = (cv2.addWeighted(pictures[i % 3], 1 - s, pictures[(i + 1) % 3], s, 0) for i, s in steps)
    write_film(path, 10, (_marked(picture, number) for number, picture in enumerate(blends)))
    return path


def _marked(picture: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.uint8]:
    row, column = divmod(number // 5 % 48, 8)
    picture[row * 40 : row * 40 + 20, column * 40 : column * 40 + 20] = 255 - 20 * (number // 240)
    return picture
