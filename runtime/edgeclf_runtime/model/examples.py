"""Examples: a few small training images in a model file; the page shows the one that a frame resembles most."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.familiarity import npy
from edgeclf_runtime.model.prototypes import Vectors, comparable, unit_length

__all__ = ["Examples", "read_examples"]

_FORMAT = 1
_JSON, _VECTORS = "examples/examples.json", "examples/vectors.npy"
_IMAGE = "examples/{:03}.jpg"
_JSON_LIMIT, _VECTORS_LIMIT, _IMAGE_LIMIT = 1 << 16, 16 << 20, 1 << 16


@dataclass(frozen=True, eq=False)
class Examples:
    """Training images with their features.

    Attributes:
        vectors: int8 ``[examples, size]``: their ``comparable`` features in steps of each vector's largest value.
        classes: class of each example, an index into the labels.
        images: JPEG of each example.
        scale: see ``prototypes.comparable``.
    """

    vectors: npt.NDArray[np.int8]
    classes: tuple[int, ...]
    images: tuple[bytes, ...] = field(repr=False)
    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "_unit", unit_length(self.vectors.astype(np.float32)))

    _unit: Vectors = field(init=False, repr=False)

    def nearest(self, features: Vectors) -> tuple[int, float]:
        """Return the example most similar to features, float32 ``[size]``, and the cosine similarity to it."""
        likeness = self._unit @ comparable(features[np.newaxis], self.scale)[0]
        index = int(likeness.argmax())
        return index, float(likeness[index])

    def to_files(self) -> dict[str, bytes]:
        """Return the files that ``read_examples`` reads, by name in the archive."""
        content = {"format": _FORMAT, "classes": self.classes, "scale": self.scale}
        images = {_IMAGE.format(number): image for number, image in enumerate(self.images)}
        return {_JSON: json.dumps(content).encode(), _VECTORS: npy(self.vectors), **images}


def read_examples(archive: Archive, labels: int, size: int) -> Examples | None:
    """Read the examples of a model file; None if it has none, or a later version's.

    Args:
        archive: the zip at the end of the model file.
        labels: number of labels.
        size: length of a feature vector.

    Raises:
        ModelError: they are damaged; the message does not name the file.
    """
    data = archive.read(_JSON, _JSON_LIMIT)
    if data is None:
        return None
    try:
        content = json.loads(data)
        if content["format"] != _FORMAT:
            return None
        classes, scale = tuple(int(index) for index in content["classes"]), float(content["scale"])
        vectors = np.load(io.BytesIO(archive.read(_VECTORS, _VECTORS_LIMIT) or b""), allow_pickle=False)
    except (ValueError, TypeError, KeyError, EOFError, OSError, OverflowError, RecursionError, SyntaxError) as error:
        raise ModelError(f"examples/ in it cannot be read ({type(error).__name__}).") from None
    images = tuple(archive.read(_IMAGE.format(number), _IMAGE_LIMIT) or b"" for number in range(len(classes)))
    fits = (
        isinstance(vectors, np.ndarray)
        and vectors.dtype == np.int8
        and vectors.shape == (len(classes), size)
        and len(classes) > 0
        and all(0 <= index < labels for index in classes)
        and all(images)
        and 0 < scale < float("inf")
    )
    if not fits:
        raise ModelError("examples/ in it does not fit the model; copy the file again.")
    return Examples(vectors, classes, images, scale)
