"""Draw a contact sheet: classified frames side by side, each with the model's answer."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.prediction import Prediction

__all__ = ["contact_sheet", "mosaic"]

_WIDTH, _HEIGHT, _CAPTION, _GAP = 136, 136, 44, 12
_BACKGROUND, _TEXT, _MUTED, _TRACK = (248, 248, 246), (32, 34, 38), (110, 114, 120), (222, 224, 226)
_RIGHT, _WRONG = (38, 128, 84), (192, 57, 43)


def contact_sheet(predictions: Sequence[Prediction], wanted: Sequence[str], columns: int) -> Pixels:
    """Draw frames with label, score and a score bar, green if the label is right and red if not.

    Args:
        predictions: predictions with their frames.
        wanted: the right label of each frame.
        columns: frames per row.

    Returns:
        the sheet, uint8 RGB ``[height, width, 3]``.
    """
    rows = -(-len(predictions) // columns)
    step_x, step_y = _WIDTH + _GAP, _HEIGHT + _CAPTION + _GAP
    sheet = np.full((rows * step_y + _GAP, columns * step_x + _GAP, 3), _BACKGROUND, np.uint8)
    for index, (prediction, label) in enumerate(zip(predictions, wanted, strict=True)):
        top, left = _GAP + index // columns * step_y, _GAP + index % columns * step_x
        _cell(sheet[top : top + _HEIGHT + _CAPTION, left : left + _WIDTH], prediction, label)
    return sheet


def mosaic(images: npt.NDArray[np.uint8], columns: int) -> Pixels:
    """Arrange images in rows on white.

    Args:
        images: uint8 RGB ``[images, height, width, 3]``.
        columns: images per row.
    """
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    sheet = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + _GAP), index % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet


def _cell(cell: Pixels, prediction: Prediction, label: str) -> None:
    assert prediction.frame is not None
    cell[:_HEIGHT] = _fitted(prediction.frame.pixels)
    colour = _RIGHT if prediction.label == label else _WRONG
    cell[_HEIGHT : _HEIGHT + 5] = _TRACK
    cell[_HEIGHT : _HEIGHT + 5, : round(_WIDTH * min(1.0, prediction.score))] = colour
    _write(cell, prediction.label, (0, _HEIGHT + 25), 0.55, _TEXT)
    score = f"{prediction.score:.0%}"
    width = cv2.getTextSize(score, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0]
    _write(cell, score, (_WIDTH - width - 1, _HEIGHT + 25), 0.5, colour)
    if prediction.label != label:
        _write(cell, f"is {label}", (0, _HEIGHT + 41), 0.42, _MUTED)


def _fitted(pixels: Pixels) -> Pixels:
    """Fit the whole image into the middle of the cell, as large as possible."""
    height, width = pixels.shape[:2]
    scale = min(_WIDTH / width, _HEIGHT / height)
    inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
    top, left = (_HEIGHT - inner_h) // 2, (_WIDTH - inner_w) // 2
    cell = np.full((_HEIGHT, _WIDTH, 3), _TRACK, np.uint8)
    cell[top : top + inner_h, left : left + inner_w] = cv2.resize(
        pixels, (inner_w, inner_h), interpolation=cv2.INTER_AREA
    )
    return cell


def _write(cell: Pixels, text: str, corner: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    """Write text in ASCII, all that OpenCV's fonts have: others become the nearest letter or a question mark."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode() if not text.isascii() else text
    view = np.ascontiguousarray(cell)
    cv2.putText(view, plain, corner, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
    cell[:] = view
