"""Pack all that the runtime needs into the model file; ``edgeclf_runtime.model.file`` reads it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence

import cv2
import numpy as np

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.tflite.prepared import check_golden, label_lines
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.golden import GoldenVector
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["pack"]

_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed date, so that the same content gives the same bytes


def pack(
    content: bytes,
    card: ModelCard,
    golden: Sequence[GoldenVector],
    tolerance: float,
    familiarity: Familiarity | None = None,
) -> bytes:
    """Append a zip of labels, card, golden images and familiarity to a flatbuffer.

    Args:
        content: a .tflite flatbuffer with its TFLITE_METADATA.
        card: the card; each label must be one line.
        golden: images of at most ``prepared.GOLDEN_SIDE`` pixels a side, with their scores.
        tolerance: the largest difference of a score that is accepted.
        familiarity: how familiar images are told from others.

    Raises:
        ConversionError: a label is not one line, or a golden image is too large.
    """
    file = io.BytesIO()
    file.write(content)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        _add(archive, "labels.txt", label_lines(card.labels).encode())
        _add(archive, "edgeclf.json", card.to_json().encode())
        for index, vector in enumerate(golden):
            _add(archive, f"golden/{index}.png", _png(vector.pixels))
        if golden:
            scores = [[round(float(score), 6) for score in vector.scores] for vector in golden]
            _add(archive, "golden/scores.json", json.dumps({"tolerance": tolerance, "scores": scores}).encode())
        for name, data in (familiarity.to_files() if familiarity else {}).items():
            _add(archive, name, data)
    return file.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _DATE), data)


def _png(pixels: Pixels) -> bytes:
    check_golden(pixels)
    good, data = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, ::-1]))
    if not good:
        raise ConversionError("A golden image cannot be written as PNG.")
    return data.tobytes()
