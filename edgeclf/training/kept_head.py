"""Fit a head only once for the same features, targets and weights: later, take it from the cache of decoded images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from edgeclf.data.decoded_cache import cache_in_use
from edgeclf.data.pixel_file import PixelFile
from edgeclf.frameworks import has_gpu
from edgeclf.model.network import HEAD
from edgeclf.training.linear_probe import Head, Indices
from edgeclf_runtime import __version__

__all__ = ["kept_or_fitted"]

_BATCH = 64


def kept_or_fitted(
    model: Any, inputs: PixelFile, rows: Indices, targets: Any, weights: Sequence[float], fit: Callable[[], Head]
) -> Head:
    """Return the head from the current cache or, if it is not there, the one that ``fit`` returns.

    It is stored under all that it depends on: our version, the network's weights and the images' pixels, but not their
    files.

    Args:
        model: the network whose frozen part gives the features.
        inputs, rows: the images, uint8 RGB ``[images, height, width, 3]``, and the rows used.
        targets: the target of each of the rows.
        weights: loss weights, one per class.
        fit: computes the features and fits the head.
    """
    cache = cache_in_use()
    if cache is None:
        return fit()
    frozen = [weight for layer in model.layers if layer.name != HEAD for weight in layer.get_weights()]
    layers = [(layer.name, type(layer).__name__) for layer in model.layers]
    name = cache.name(
        "head",
        __version__,
        layers,
        _digest(frozen),
        _digest(_batches(inputs, rows)),
        _digest([targets]),
        list(weights),
        has_gpu(),
    )
    shape = model.get_layer(HEAD).kernel.shape
    kept = cache.get(name, 4 * (shape[0] + 1) * shape[1] + 8)
    if kept is not None:
        values = np.frombuffer(kept[:-8], np.float32)
        kernel, bias = values[: -shape[1]].reshape(shape), values[-shape[1] :]
        return Head(kernel, bias, float(np.frombuffer(kept[-8:], np.float64)[0]))
    head = fit()
    cache.put(name, head.kernel.tobytes() + head.bias.tobytes() + np.float64(head.strength).tobytes())
    return head


def _batches(inputs: PixelFile, rows: Indices) -> Iterator[Any]:
    return (inputs[rows[start : start + _BATCH]] for start in range(0, len(rows), _BATCH))


def _digest(arrays: Iterable[Any]) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for array in arrays:
        digest.update(repr((array.dtype, array.shape)).encode() + np.ascontiguousarray(array).tobytes())
    return digest.digest()
