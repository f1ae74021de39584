"""Golden images: images stored in a model file with the scores they must give."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ImageError, ModelError
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.pictures.images import checked_header, decode_image
from edgeclf_runtime.pictures.preprocess import Preprocessing, resize

__all__ = ["COUNT_LIMIT", "DEFAULT_TOLERANCE", "GOLDEN_SIDE", "GoldenVector", "golden_files", "read_golden", "small"]

DEFAULT_TOLERANCE = 0.12
"""Interpreters differ by a few steps of an int8 softmax, 1/256 each: 3 to 8 steps for trained networks, 21 for a barely
trained, undecided one. Swapped colour channels make a difference of 44 steps or more."""

GOLDEN_SIDE = 320
"""The longest side of a golden image, in pixels."""

_SCORES_LIMIT = 16 << 20
_PICTURE_LIMIT = 1 << 20
COUNT_LIMIT = 64
_PIXELS_LIMIT = 1 << 20


@dataclass(frozen=True, eq=False)
class GoldenVector:
    """An image and the scores the model gave for it at export.

    Attributes:
        pixels: uint8 RGB, ``[height, width, 3]``.
        scores: float32 ``[classes]``.
    """

    pixels: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]


class _Stored(GoldenVector):
    """A vector in a model file, decoded only when accessed: a run does not use it."""

    def __init__(self, data: bytes, name: str, scores: npt.NDArray[np.float32]) -> None:
        object.__setattr__(self, "_data", data)
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "scores", scores)

    _data: bytes
    _name: str

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        try:
            return decode_image(self._data, self._name, limit=_PIXELS_LIMIT)
        except ImageError as error:
            raise ModelError(str(error)) from None


def small(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Shrink an image to at most the size of a golden image, keeping its proportions."""
    height, width = pixels.shape[:2]
    scale = min(1.0, GOLDEN_SIDE / max(height, width))
    return resize(pixels, Preprocessing(max(1, round(width * scale)), max(1, round(height * scale))))


def golden_files(golden: Sequence[GoldenVector], tolerance: float) -> dict[str, bytes]:
    """Return the files that ``read_golden`` reads, by name in the archive; empty without images.

    Raises:
        ModelError: an image cannot be encoded.
    """
    files = {f"golden/{index}.png": _png(vector.pixels) for index, vector in enumerate(golden)}
    scores = [[round(float(score), 6) for score in vector.scores] for vector in golden]
    content = {"tolerance": tolerance, "scores": scores}
    return {**files, "golden/scores.json": json.dumps(content).encode()} if golden else {}


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    import cv2

    good, data = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, ::-1]))
    if not good:
        raise ModelError("A golden image cannot be written as PNG.")
    return data.tobytes()


def read_golden(archive: Archive, classes: int) -> tuple[tuple[GoldenVector, ...], float]:
    """Read the golden vectors and their tolerance; none if the archive has no ``golden/scores.json``.

    Raises:
        ModelError: they do not fit the model or cannot be read; the message does not name the file.
    """
    data = archive.read("golden/scores.json", _SCORES_LIMIT)
    if data is None:
        return (), DEFAULT_TOLERANCE
    try:
        content = json.loads(data)
        tolerance = float(content["tolerance"])
        with np.errstate(over="ignore"):  # an overflow to infinity is refused below
            scores = [np.array(row, np.float32) for row in content["scores"]]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ModelError(f"Its golden scores cannot be read ({type(error).__name__}).") from None
    if not (math.isfinite(tolerance) and tolerance > 0) or len(scores) > COUNT_LIMIT:
        raise ModelError(f"Its golden scores: expected a tolerance above 0 and at most {COUNT_LIMIT} images.")
    if any(row.shape != (classes,) or not np.isfinite(row).all() for row in scores):
        raise ModelError(f"Its golden scores: expected {classes} finite numbers per image.")
    return tuple(_vector(archive, index, row) for index, row in enumerate(scores)), tolerance


def _vector(archive: Archive, index: int, scores: npt.NDArray[np.float32]) -> GoldenVector:
    name = f"golden/{index}.png"
    data = archive.read(name, _PICTURE_LIMIT)
    if data is None:
        raise ModelError(f"{name} is missing from the model file; copy the file again.")
    try:
        checked_header(data, f"{name} in it", limit=_PIXELS_LIMIT)
        return _Stored(data, f"{name} in it", scores)
    except ImageError as error:
        raise ModelError(str(error)) from None
