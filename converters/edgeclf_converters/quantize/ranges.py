"""Estimate activation ranges from calibration images, with four estimators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_converters.frameworks import tensorflow
from edgeclf_converters.graph.inputs import normalized
from edgeclf_converters.graph.nodes import Node, build
from edgeclf_converters.quantize.fake_quant import ranged_nodes
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing

__all__ = ["ESTIMATORS", "Statistics", "estimate", "observe"]

ESTIMATORS = ("minmax", "moving-average", "percentile", "mse")
"""Extremes; their moving average over batches; the middle 99.99%; the least mean squared error."""

_BINS = 2048
_BATCH = 8
_MOMENTUM = 0.9
_TAIL = 5e-5  # share of the values that is cut off at each end
_THIN = 5  # only one in this many values enters the histograms, which is enough for ranges

Floats = npt.NDArray[np.float64]


class Statistics:
    """Statistics of each node's output.

    Attributes:
        names: names of the nodes.
        lows, highs: ``[batches, nodes]``, extremes of each batch.
        counts: ``[nodes, bins]``, histograms between the extremes of all batches.
    """

    def __init__(self, names: Sequence[str], lows: Floats, highs: Floats, counts: Floats) -> None:
        self.names, self.lows, self.highs, self.counts = tuple(names), lows, highs, counts


def observe(nodes: Sequence[Node], pictures: Sequence[Pixels], rule: Preprocessing) -> Statistics:
    """Run the float network on images of its input's size; return extremes and histograms of its outputs."""
    tf = tensorflow()
    names = [name for name in ranged_nodes(nodes) if name != nodes[0].name]
    model = build(nodes, outputs=names)
    batches = [np.stack(pictures[i : i + _BATCH]) for i in range(0, len(pictures), _BATCH)]

    def outputs(pixels: Any) -> list[Any]:
        values = model(normalized(pixels, rule), training=False)
        return list(values) if isinstance(values, (list, tuple)) else [values]

    @tf.function(autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def extremes(pixels: Any) -> Any:
        values = outputs(pixels)
        return tf.stack([tf.reduce_min(x) for x in values]), tf.stack([tf.reduce_max(x) for x in values])

    seen = [[part.numpy().astype(np.float64) for part in extremes(tf.constant(batch))] for batch in batches]
    lows, highs = np.stack([low for low, _ in seen]), np.stack([high for _, high in seen])
    limits = np.stack([lows.min(axis=0), np.maximum(highs.max(axis=0), lows.min(axis=0) + 1e-6)], axis=1)
    spans = tf.constant(limits, tf.float32)

    @tf.function(autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def histograms(pixels: Any) -> Any:
        values = [_thinned(x) for x in outputs(pixels)]
        return tf.stack([tf.histogram_fixed_width(x, spans[i], _BINS) for i, x in enumerate(values)])

    counts = np.zeros((len(names), _BINS))
    for batch in batches:
        counts += histograms(tf.constant(batch)).numpy()
    return Statistics(names, lows, highs, counts)


def _thinned(values: Any) -> Any:
    """Return about one in ``_THIN`` values; the stride has no common factor with the channels, so all are visited."""
    tf, channels = tensorflow(), int(values.shape[-1])
    step = next(step for step in range(_THIN, _THIN + channels + 1) if math.gcd(step, channels) == 1)
    return tf.reshape(values, [-1])[:: step if values.shape.rank == 4 else 1]


def estimate(statistics: Statistics, estimator: str, rule: Preprocessing, image: str) -> dict[str, tuple[float, float]]:
    """Estimate ranges with one of ``ESTIMATORS``; each contains 0, which must be exact in integers.

    Args:
        rule: the preprocessing; its mean and std determine the range of the input, named ``image``.
    """
    ranges = {}
    low, high = statistics.lows.min(axis=0), statistics.highs.max(axis=0)
    for index, name in enumerate(statistics.names):
        span = (low[index], high[index])
        if estimator == "moving-average":
            span = _averaged(statistics.lows[:, index]), _averaged(statistics.highs[:, index])
        elif estimator == "percentile":
            span = _percentile(statistics.counts[index], *span)
        elif estimator == "mse":
            span = _least_error(statistics.counts[index], *span)
        ranges[name] = min(float(span[0]), 0.0), max(float(span[1]), min(float(span[0]), 0.0) + 1e-6, 0.0)
    mean, std = np.array(rule.mean), np.array(rule.std)
    ranges[image] = float(((0 - mean) / std).min()), float(((255 - mean) / std).max())
    return ranges


def _averaged(values: Floats) -> float:
    average = values[0]
    for value in values[1:]:
        average = _MOMENTUM * average + (1 - _MOMENTUM) * value
    return float(average)


def _percentile(counts: Floats, low: float, high: float) -> tuple[float, float]:
    shares = np.cumsum(counts) / counts.sum()
    step = (high - low) / _BINS
    first, last = np.searchsorted(shares, _TAIL), np.searchsorted(shares, 1 - _TAIL) + 1
    return low + first * step, low + last * step


def _least_error(counts: Floats, low: float, high: float) -> tuple[float, float]:
    """Return the range with the least squared rounding error, among ranges that cut off some of each end."""
    centres = low + (np.arange(_BINS) + 0.5) * (high - low) / _BINS
    if low >= 0:  # a rectifier's zeros, which integers represent exactly
        counts = np.concatenate([[0], counts[1:]])
    best = (np.inf, low, high)
    for below in np.linspace(1.0, 0.3, 15) if low < 0 else (1.0,):
        for above in np.linspace(1.0, 0.3, 29):
            bottom, top = min(low * below, 0.0), max(high * above, 0.0)
            step = (top - bottom) / 255
            cut = centres - np.clip(centres, bottom, top)
            error = float((counts * np.where(cut == 0, step * step / 12, cut * cut)).sum())
            best = min(best, (error, bottom, top))
    return best[1], best[2]
