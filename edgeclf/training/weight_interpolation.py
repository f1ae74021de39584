"""Interpolate between pretrained and fine-tuned weights; alpha is chosen on the validation set.

``weights = pretrained + alpha * (finetuned - pretrained)`` (WiSE-FT: Wortsman et al., CVPR 2022), with batch norm's
statistics measured again for each alpha (Izmailov et al., UAI 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.data.pixel_file import PixelFile
from edgeclf.frameworks import keras, tensorflow
from edgeclf.model.network import Weights
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["ALPHAS", "StatisticsMeter", "interpolated"]

ALPHAS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_MOVING = ("moving_mean", "moving_variance")
_BATCH = 64
_PICTURES = 512


def interpolated(
    before: Mapping[str, npt.NDArray[Any]], after: Mapping[str, npt.NDArray[Any]], alpha: float
) -> Weights:
    """Interpolate the weights of two networks by name; moving statistics are taken from the second."""
    return {
        name: value if _is_moving(name) else (before[name] + alpha * (value - before[name])).astype(np.float32)
        for name, value in after.items()
    }


class StatisticsMeter:
    """Measure batch norm's statistics for a network's current weights, on images as the device sees them.

    Args:
        model: the network; its input is what ``normalize`` returns.
        normalize: converts uint8 images to the network's input.
    """

    def __init__(self, model: Any, normalize: Callable[[Any], Any]) -> None:
        self._layers = [layer for layer in model.layers if isinstance(layer, keras().layers.BatchNormalization)]
        self._model, self._normalize = model, normalize

    def measure(self, pixels: PixelFile | Pixels, rows: npt.NDArray[np.int64]) -> None:
        """Replace the moving statistics by the mean of the batches' statistics.

        Args:
            pixels, rows: uint8 RGB ``[images, height, width, 3]``, and the rows to use, up to a few hundred.
        """
        tf = tensorflow()
        chosen = np.random.default_rng(0).permutation(rows)[:_PICTURES]
        kept = [layer.momentum for layer in self._layers]
        for layer in self._layers:
            layer.momentum = 0.0  # makes the moving statistics equal to the last batch's

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def look(batch: Any) -> None:
            self._model(self._normalize(batch), training=True)

        total = [np.zeros(variable.shape, np.float64) for variable in self._statistics()]
        for start in range(0, len(chosen), _BATCH):
            batch = np.sort(chosen[start : start + _BATCH])
            look(tf.constant(pixels[batch]))
            for mean, variable in zip(total, self._statistics(), strict=True):
                mean += variable.numpy() * (len(batch) / len(chosen))
        for mean, variable in zip(total, self._statistics(), strict=True):
            variable.assign(mean.astype(np.float32))
        for layer, momentum in zip(self._layers, kept, strict=True):
            layer.momentum = momentum

    def _statistics(self) -> list[Any]:
        return [variable for layer in self._layers for variable in (layer.moving_mean, layer.moving_variance)]


def _is_moving(name: str) -> bool:
    return name.rpartition("/")[2].startswith(_MOVING)
