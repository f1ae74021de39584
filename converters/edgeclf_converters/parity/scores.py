"""Compute the scores of a network and its converted files on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import tensorflow
from edgeclf_converters.graph.inputs import normalized
from edgeclf_runtime.backends.opening import open_backend
from edgeclf_runtime.pictures.preprocess import InputEncoder, Pixels, Preprocessing
from edgeclf_runtime.system.cores import usable_cores
from edgeclf_runtime.system.plain_text import counted

__all__ = ["Labelled", "NetworkScores", "PixelRows", "Scores", "file_scores", "log_loss", "network_scores"]

Scores = npt.NDArray[np.float32]
_BATCH = 32


class PixelRows(Protocol):
    """Images, uint8 RGB ``[images, height, width, 3]``, read in slices: an array, or the reader of a file."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> Pixels: ...


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images with their correct classes.

    Attributes:
        pixels: uint8 RGB ``[images, height, width, 3]``.
        targets: int64 ``[images]``, indices into the labels; or which labels each image has, bool ``[images, labels]``,
            if it may have several.
        thresholds: scores from which on a label is an answer, if images may have several; if empty, 0.5 for each.
        source: where the targets come from, for a report.
    """

    pixels: Pixels
    targets: npt.NDArray[np.int64] | npt.NDArray[np.bool_]
    thresholds: tuple[float, ...] = ()
    source: str = "their labels"

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 4 or self.pixels.shape[3] != 3:
            got = f"{self.pixels.dtype} {list(self.pixels.shape)}"
            raise ConversionError(f"Labelled images: expected uint8 [images, height, width, 3], got {got}.")
        targets = np.asarray(self.targets)
        if targets.dtype == np.bool_ and targets.ndim == 2 and len(targets) == len(self.pixels) > 0:
            return
        if targets.shape != self.pixels.shape[:1] or not len(targets):
            raise ConversionError(
                f"Labelled images: {counted(len(self.pixels), 'image')}, targets of shape {targets.shape}."
            )
        if not np.issubdtype(targets.dtype, np.integer) or targets.min() < 0:
            raise ConversionError("Labelled images: expected targets that are whole numbers from 0, indices of labels.")
        object.__setattr__(self, "targets", targets.astype(np.int64))

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The class of each image, int64 ``[images]``, if each has one."""
        assert self.targets.ndim == 1
        return self.targets.astype(np.int64)

    @property
    def presence(self) -> npt.NDArray[np.bool_] | None:
        """Which labels each image has, bool ``[images, labels]``; None if each has one."""
        return self.targets if self.targets.ndim == 2 else None  # type: ignore[return-value]

    def check(self, what: str, classes: int, size: tuple[int, int] | None) -> None:
        """Check that the images and targets fit a network.

        Args:
            what: name of the images in an error.
            classes: number of the network's outputs.
            size: height and width of its input in pixels; None accepts any.

        Raises:
            ConversionError: a target is beyond the outputs, or the images have another size.
        """
        if self.presence is not None:
            if self.presence.shape[1] != classes:
                raise ConversionError(f"{what}: {self.presence.shape[1]} labels for {classes} outputs.")
        elif self.targets.max() >= classes:
            raise ConversionError(f"{what}: target {self.targets.max()} of {classes} outputs, which count from 0.")
        if size is not None and self.pixels.shape[1:3] != size:
            got = f"{self.pixels.shape[2]}x{self.pixels.shape[1]}"
            raise ConversionError(f"{what} of {got}, expected {size[1]}x{size[0]}.")


class NetworkScores:
    """Compute the outputs of a tf_keras network for images; compiled once.

    Args:
        model: a network with normalized RGB float32 ``[batch, height, width, 3]`` as input.
        rule: its preprocessing; only mean and std are used.
    """

    def __init__(self, model: Any, rule: Preprocessing) -> None:
        tf = tensorflow()

        @tf.function(autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
        def run(batch: Any) -> Any:
            return model(normalized(batch, rule), training=False)

        self._run = run

    def __call__(self, pixels: PixelRows) -> Scores:
        """Return float32 ``[images, classes]`` for uint8 RGB ``[images, height, width, 3]`` of the input's size."""
        tf, starts = tensorflow(), range(0, len(pixels), _BATCH)
        return np.concatenate(
            [self._run(tf.constant(np.ascontiguousarray(pixels[s : s + _BATCH]))).numpy() for s in starts]
        )


def network_scores(model: Any, pixels: Pixels, rule: Preprocessing) -> Scores:
    """Compute scores like ``NetworkScores``, for a network that is used once."""
    return NetworkScores(model, rule)(pixels)


def file_scores(content: bytes, pixels: Sequence[Pixels] | Pixels, rule: Preprocessing) -> Scores:
    """Compute the scores of a converted file with the runtime's interpreter, one instance per processor."""
    count = max(1, min(usable_cores(), len(pixels)))
    parts = [pixels[len(pixels) * i // count : len(pixels) * (i + 1) // count] for i in range(count)]
    with ThreadPoolExecutor(count) as threads:
        return np.concatenate(list(threads.map(lambda part: _part_scores(content, part, rule), parts)))


def _part_scores(content: bytes, pixels: Sequence[Pixels] | Pixels, rule: Preprocessing) -> Scores:
    backend = open_backend("auto", content, threads=1)
    try:
        encode = InputEncoder(rule, backend.input.dtype, backend.input.scale, backend.input.zero_point)
        rows = [backend.invoke(encode(picture)[np.newaxis])[0] for picture in pixels]
        output = backend.output
    finally:
        backend.close()
    stored = np.stack(rows).astype(np.float64)
    return np.asarray((stored - output.zero_point) * output.scale, np.float32)


def log_loss(scores: Scores, targets: npt.NDArray[np.int64]) -> float:
    """Return the mean negative log probability of the right class, in nats."""
    return float(-np.log(np.clip(scores[np.arange(len(targets)), targets], 1e-4, None)).mean())
