"""The features of photographs, and which of them are near-duplicates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import ImageError, ModelError, SourceError
from edgeclf_runtime.learning.photographs import Photographs
from edgeclf_runtime.model.prototypes import Vectors
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.likeness import alike, thumbnail
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.native_lines import without_codec_lines

__all__ = ["ImageFeatures", "SeenImages", "look"]

Targets = npt.NDArray[np.int64]
_Print = tuple[Pixels, npt.NDArray[np.uint8]]  # see ``thumbnail``


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Photographs as a network sees them.

    Attributes:
        files: paths of the images.
        targets: class of each image, int64 ``[images]``.
        features: float32 ``[images, size]``.
        groups: near-duplicates of a class have the same number, int64 ``[images]``.
        unreadable: for each of the other images, why it could not be read.
    """

    files: tuple[Path, ...]
    targets: Targets
    features: Vectors
    groups: Targets
    unreadable: tuple[str, ...]


class SeenImages:
    """Features of image files already seen by one network, so that each is computed only once."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[tuple[int, int], Vectors, _Print]] = {}

    def of(self, classifier: Classifier, file: Path) -> tuple[Vectors, _Print]:
        """Return the features of an image and its ``thumbnail``.

        Raises:
            ImageError: it cannot be read.
            ModelError: the network's features cannot be found, or they are not finite.
        """
        version = _version(file)
        known = self._seen.get(file)
        if known is None or known[0] != version:
            with without_codec_lines():
                pixels = read_image(file, min_size=classifier.card.preprocessing.min_decoded_size)
            known = self._seen[file] = version, _features(classifier, pixels), thumbnail(pixels)
        return known[1:]

    def forget_others(self, files: Iterable[Path]) -> None:
        """Forget all other images."""
        self._seen = {file: self._seen[file] for file in files if file in self._seen}


def _version(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:  # reading it gives the reason
        return 0, 0
    return status.st_mtime_ns, status.st_size


def look(
    classifier: Classifier, photographs: Photographs, advance: Callable[[int], None], seen: SeenImages | None = None
) -> ImageFeatures:
    """Compute the features of photographs.

    Args:
        classifier: opened with ``features=True``.
        photographs: image files with their classes.
        advance: called with 1 after each image, for a progress bar.
        seen: features that this network has computed before; those of ``photographs`` are added.

    Raises:
        ModelError: the network's features cannot be found, or they are not finite.
        SourceError: no image of a class can be read.
    """
    rows, features, prints, unreadable = [], [], [], []
    seen = SeenImages() if seen is None else seen
    for row, file in enumerate(photographs.files):
        try:
            vector, small_print = seen.of(classifier, file)
        except ImageError as error:
            unreadable.append(str(error))
        else:
            rows.append(row)
            features.append(vector)
            prints.append(small_print)
        advance(1)
    targets = photographs.targets[rows]
    for target in np.setdiff1d(photographs.targets, targets)[:1]:
        label = photographs.labels[target]
        raise SourceError(f"{unreadable[0]} No image of {label} can be read; replace them.")
    files = tuple(photographs.files[row] for row in rows)
    return ImageFeatures(files, targets, np.stack(features), near_duplicates(prints, targets), tuple(unreadable))


def _features(classifier: Classifier, pixels: Pixels) -> Vectors:
    features = classifier.classify(pixels).features
    if features is None or not np.isfinite(features).all():
        wrong = "gives no features" if features is None else "gives features that are not finite"
        raise ModelError(f"{classifier.path}: the network {wrong}, so it cannot be taught.")
    return features


def near_duplicates(prints: Iterable[_Print], targets: Targets) -> Targets:
    """Return the group of each image, int64 ``[images]``: near-duplicates within a class share a number.

    Args:
        prints: the result of ``thumbnail`` for each image.
        targets: class of each image.
    """
    thumbs, details = (np.stack(side) for side in zip(*prints))
    groups = np.arange(len(targets))
    for row in range(len(targets)):
        later = row + 1 + np.flatnonzero(targets[row + 1 :] == targets[row])
        thumb, detail = (np.repeat(side[row : row + 1], len(later), axis=0) for side in (thumbs, details))
        for other in later[alike((thumb, thumbs[later]), (detail, details[later]))] if len(later) else ():
            groups[groups == groups[other]] = groups[row]
    return groups
