"""Familiarity: how similar an image is to those that the model was trained on, by the features of its network.

Two measures complement each other: the similarity to the nearest prototype (a typical feature vector of a class; cosine
similarity), and how much of the feature vector lies in the subspace that the training images span (as the residual of
ViM: Wang et al., CVPR 2022). Their sum, in units of their spread over the validation images, is compared with the
validation images' sums: familiarity 0.05 means that 5% of them are less familiar. docs/figures.md compares it with
other measures.

Prototypes of nothing, from frames of the empty scene, are the opposite: an image as near to one as such frames are, and
nearer than to any class, has familiarity 0.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.prototypes import Vectors, comparable, unit_length

__all__ = ["NO_CLASS", "Familiarity", "in_steps", "npy", "read_familiarity"]

NO_CLASS = -1
"""Class of a prototype of nothing."""

_FORMAT = 1
_JSON = "familiarity/familiarity.json"
_PROTOTYPES, _DIRECTIONS = "familiarity/prototypes.npy", "familiarity/directions.npy"
_JSON_LIMIT, _ARRAY_LIMIT = 1 << 20, 16 << 20
_STEPS = 127


@dataclass(frozen=True, eq=False)
class Familiarity:
    """The data that familiarity is computed with; from ``learning.familiarity.fit_familiarity``.

    Attributes:
        prototypes: int8 ``[prototypes, size]``, ``comparable`` feature vectors in steps of their largest value.
        classes: class of each prototype, an index into the labels; ``NO_CLASS`` for one of nothing.
        directions: int8 ``[directions, size]``, in such steps: an orthonormal basis of the training images' subspace.
        means, spreads: of each measure over the validation images; a measure with double weight has half its spread.
        levels: sums of the two measures over images of the classes, ascending.
        shares: share of these images below each level, in (0, 1).
        scale: mean size of the training images' features; see ``prototypes.comparable``.
        empty: cosine similarity to a prototype of nothing from which on a vector may show the empty scene.
        lengths: mean length of the ``compressed`` vectors that each prototype stands for, to compute their features
            again; () in files that do not store it.
    """

    prototypes: npt.NDArray[np.int8]
    classes: tuple[int, ...]
    directions: npt.NDArray[np.int8]
    means: tuple[float, float]
    spreads: tuple[float, float]
    levels: tuple[float, ...]
    shares: tuple[float, ...]
    scale: float
    empty: float = 1.0
    lengths: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_near", unit_length(self.prototypes.astype(np.float32)))
        object.__setattr__(self, "_basis", unit_length(self.directions.astype(np.float32)))
        object.__setattr__(self, "_is_nothing", np.array(self.classes) == NO_CLASS)

    _near: Vectors = field(init=False, repr=False)
    _basis: Vectors = field(init=False, repr=False)
    _is_nothing: npt.NDArray[np.bool_] = field(init=False, repr=False)

    @property
    def size(self) -> int:
        """Length of a feature vector."""
        return int(self.prototypes.shape[1])

    def of(self, features: Vectors) -> float:
        """Return the familiarity, 0 to 1, of a feature vector, float32 ``[size]``.

        It is 0 for the empty scene (see ``empty``), and for a vector that is not finite.
        """
        measures = self.measures(features)
        return 0.0 if measures is None else self.share(self.total(measures))

    def measures(self, features: Vectors) -> tuple[float, float] | None:
        """Return cosine similarity to the nearest prototype, and the share of the vector's length in the subspace.

        Returns:
            None for a vector whose familiarity is 0; see ``of``.
        """
        if not np.isfinite(features).all() or not features.any():
            return None
        unit = comparable(features[np.newaxis], self.scale)[0]
        likeness = self._near @ unit
        nearest = float(likeness[~self._is_nothing].max())
        if self._is_nothing.any() and float(likeness[self._is_nothing].max()) >= max(nearest, self.empty):
            return None
        return nearest, float(np.linalg.norm(self._basis @ unit))

    def total(self, measures: tuple[float, float]) -> float:
        """Return the sum of the measures in units of their spread."""
        return sum((value - mean) / spread for value, mean, spread in zip(measures, self.means, self.spreads))

    def share(self, total: float) -> float:
        """Return the share of the classes' images with a smaller sum of measures."""
        if total < self.levels[0]:  # less than any validation image: it decreases towards 0
            return self.shares[0] * math.exp(max(-50.0, total - self.levels[0]))
        return float(np.interp(total, self.levels, self.shares))

    @property
    def nothing(self) -> Vectors:
        """Prototypes of nothing, with length 1, float32 ``[prototypes, size]``."""
        return self._near[self._is_nothing]

    def with_nothing(self, prototypes: Vectors, empty: float) -> Familiarity:
        """Return a copy with other prototypes of nothing, float32 ``[prototypes, size]``, and this ``empty``."""
        known = ~self._is_nothing
        classes = tuple(index for index in self.classes if index != NO_CLASS) + (NO_CLASS,) * len(prototypes)
        lengths = tuple(length for length, is_known in zip(self.lengths, known) if is_known)
        return replace(
            self,
            prototypes=np.concatenate([self.prototypes[known], in_steps(prototypes)]),
            classes=classes,
            empty=empty,
            lengths=lengths + (1.0,) * len(prototypes) if lengths else (),
        )

    def to_files(self) -> dict[str, bytes]:
        """Return the files that ``read_familiarity`` reads, by name in the archive."""
        content = {
            "format": _FORMAT,
            "classes": self.classes,
            "means": self.means,
            "spreads": self.spreads,
            "levels": self.levels,
            "shares": self.shares,
            "scale": self.scale,
            **({"empty": self.empty} if self._is_nothing.any() else {}),
            **({"lengths": [round(length, 4) for length in self.lengths]} if self.lengths else {}),
        }
        arrays = {_PROTOTYPES: self.prototypes, _DIRECTIONS: self.directions}
        return {_JSON: json.dumps(content).encode(), **{name: npy(array) for name, array in arrays.items()}}


def read_familiarity(archive: Archive, labels: int) -> Familiarity | None:
    """Read the familiarity of a model file; None if it has none, or a later version's.

    Args:
        archive: the zip at the end of the model file.
        labels: number of labels.

    Raises:
        ModelError: it is damaged; the message does not name the file.
    """
    data = archive.read(_JSON, _JSON_LIMIT)
    if data is None:
        return None
    try:
        content = json.loads(data)
        if content["format"] != _FORMAT:
            return None
        numbers = {name: tuple(float(value) for value in content[name]) for name in _NUMBERS}
        classes = tuple(int(index) for index in content["classes"])
        scale, empty = float(content["scale"]), float(content.get("empty", 1))
        lengths = tuple(float(length) for length in content.get("lengths", ()))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ModelError(f"{_JSON} in it cannot be read ({type(error).__name__}).") from None
    prototypes, directions = _array(archive, _PROTOTYPES), _array(archive, _DIRECTIONS)
    _check(
        prototypes, directions, classes, labels, {**numbers, "scale": (scale,), "empty": (empty,), "lengths": lengths}
    )
    means, spreads = ((numbers[name][0], numbers[name][1]) for name in ("means", "spreads"))
    levels, shares = numbers["levels"], numbers["shares"]
    return Familiarity(prototypes, classes, directions, means, spreads, levels, shares, scale, empty, lengths)


_NUMBERS = ("means", "spreads", "levels", "shares")


def _check(
    prototypes: npt.NDArray[np.int8],
    directions: npt.NDArray[np.int8],
    classes: tuple[int, ...],
    labels: int,
    numbers: Mapping[str, tuple[float, ...]],
) -> None:
    """Refuse parts that do not fit together."""
    levels, shares = numbers["levels"], numbers["shares"]
    fits = (
        prototypes.shape[1] == directions.shape[1]
        and len(classes) == len(prototypes)
        and all(NO_CLASS <= index < labels for index in classes)
        and any(index != NO_CLASS for index in classes)
        and len(numbers["means"]) == len(numbers["spreads"]) == 2
        and len(levels) == len(shares) >= 1
        and all(math.isfinite(value) for values in numbers.values() for value in values)
        and len(numbers["lengths"]) in (0, len(prototypes))
        and min(*numbers["spreads"], *numbers["scale"], *numbers["lengths"]) > 0
        and list(levels) == sorted(levels)
        and list(shares) == sorted(shares)
        and 0 < shares[0] <= shares[-1] < 1
    )
    if not fits:
        raise ModelError(f"{_JSON} in it does not fit the model; copy the file again.")


def _array(archive: Archive, name: str) -> npt.NDArray[np.int8]:
    data = archive.read(name, _ARRAY_LIMIT)
    if data is None:
        raise ModelError(f"{name} is missing from the model file; copy the file again.")
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, TypeError, EOFError, OSError, SyntaxError, MemoryError, RecursionError) as error:
        raise ModelError(f"{name} in it cannot be read ({type(error).__name__}).") from None
    if not isinstance(array, np.ndarray) or array.dtype != np.int8 or array.ndim != 2 or 0 in array.shape:
        raise ModelError(f"{name} in it: expected rows of int8.")
    return array


def npy(array: npt.NDArray[np.int8]) -> bytes:
    """Return the content of a file that ``numpy.load`` reads."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def in_steps(vectors: Vectors) -> npt.NDArray[np.int8]:
    """Store vectors ``[rows, size]`` as int8, each in steps of its largest value."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    return np.asarray(np.rint(vectors / np.maximum(largest, 1e-12) * _STEPS), np.int8)
