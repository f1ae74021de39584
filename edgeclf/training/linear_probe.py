"""Stage one: fit a linear head on the features of the frozen backbone, in seconds."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.data.pixel_file import PixelFile
from edgeclf.frameworks import keras, tensorflow
from edgeclf.metrics.label_sets import set_losses
from edgeclf.model.backbones.registry import Backbone
from edgeclf.model.network import HEAD
from edgeclf.progress import Reporter
from edgeclf_converters.distribution import Distribution

__all__ = ["STRENGTHS", "Head", "features", "fit_head", "fit_label_heads", "standardise"]

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # inverse regularization strengths, for standardized features
_BATCH = 64

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Presence = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Head:
    """A dense layer: kernel float32 ``[features, classes]``, bias ``[classes]``, and the chosen regularization."""

    kernel: Floats
    bias: Floats
    strength: float = 0.0


def features(
    model: Any, inputs: PixelFile, rows: Indices, backbone: Backbone, distribution: Distribution, reporter: Reporter
) -> Floats:
    """Compute the features that the last dense layer gets for every image.

    Args:
        model: a network from ``build_classifier``.
        inputs, rows: uint8 RGB ``[images, height, width, 3]``, and the rows to use.
        backbone: the backbone, for its mean and std.
        distribution: replicas that share the work; each gets the complete result.

    Returns:
        float32 ``[rows, features]``.
    """
    tf = tensorflow()
    pooled = keras().Model(model.input, model.get_layer(HEAD).input)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def run(pixels: Any) -> Any:
        def own(share: Any) -> Any:
            computed = pooled((tf.cast(share, tf.float32) - backbone.mean) / backbone.std, training=False)
            return tf.cast(computed, tf.float32)

        return distribution.run(own, (pixels,))

    computed: Floats = np.empty((len(rows), int(pooled.output.shape[-1])), np.float32)
    size = _BATCH * distribution.replicas
    with reporter.bar("Features", len(rows)) as bar:
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            missing = max(0, distribution.replicas - len(chosen))  # a replica's share cannot be empty
            padded = np.concatenate([chosen, chosen[:1].repeat(missing)])
            share = distribution.shares(len(padded), functools.partial(_read, inputs, padded))
            computed[start : start + len(chosen)] = distribution.gather(run(share)).numpy()[: len(chosen)]
            bar.advance(len(chosen))
    return computed


def _read(inputs: PixelFile, rows: Indices, part: slice) -> Any:
    return tensorflow().constant(inputs[rows[part]])


def fit_head(
    train: tuple[Floats, Indices], validation: tuple[Floats, Indices], weights: Sequence[float], reporter: Reporter
) -> Head:
    """Fit a multinomial logistic regression; choose its regularization by the log loss on the validation part.

    Args:
        train, validation: features ``[images, features]`` (overwritten) and targets ``[images]``.
        weights: loss weights, one per class.

    Returns:
        the head for unstandardized features (the standardization is folded in).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    by_class, labels = dict(enumerate(weights)), np.arange(len(weights))

    def unfitted(strength: float) -> Any:
        return LogisticRegression(C=strength, class_weight=by_class, max_iter=200)

    def loss(scores: Floats) -> float:
        return float(log_loss(validation[1], scores, labels=labels))

    mean, spread, _, fitted = _best(train, validation[0], unfitted, loss, reporter)
    return _folded(fitted, mean, spread)


def fit_label_heads(train: tuple[Floats, Presence], validation: tuple[Floats, Presence], reporter: Reporter) -> Head:
    """Fit a logistic regression for each label of images that may have several; see ``fit_head``.

    Args:
        train, validation: features ``[images, features]`` (overwritten) and presence, bool ``[images, labels]``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    def unfitted(strength: float) -> Any:
        return OneVsRestClassifier(LogisticRegression(C=strength, max_iter=200))

    def loss(scores: Floats) -> float:
        return float(set_losses(scores, validation[1]).mean())

    mean, spread, strength, fitted = _best(train, validation[0], unfitted, loss, reporter)
    kernel = np.concatenate([one.coef_ for one in fitted.estimators_]).T / spread[:, None]
    bias = np.concatenate([one.intercept_ for one in fitted.estimators_]) - mean @ kernel
    return Head(kernel.astype(np.float32), bias.astype(np.float32), strength)


def _best(
    train: tuple[Floats, Any],
    unseen: Floats,
    unfitted: Callable[[float], Any],
    loss: Callable[[Floats], float],
    reporter: Reporter,
) -> tuple[Floats, Floats, float, Any]:
    """Fit a classifier with each regularization; return mean and spread of the features, and the best classifier.

    Args:
        train: features, which are standardized in place, and scikit-learn's targets.
        unseen: features of the validation part, which are standardized in place, too.
        unfitted: returns a classifier with this regularization strength.
        loss: returns the loss of a classifier's probabilities for ``unseen``.
    """
    mean, spread = standardise(train[0])
    unseen -= mean
    unseen /= spread
    best: tuple[float, float, Any] | None = None
    with reporter.bar("Head", len(STRENGTHS)) as bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about max_iter: close enough, and chosen by validation
        for strength in STRENGTHS:
            fitted = unfitted(strength).fit(*train)
            reached = loss(fitted.predict_proba(unseen))
            if best is None or reached < best[0]:
                best = reached, strength, fitted
            bar.advance(1)
    assert best is not None
    return mean, spread, *best[1:]


def standardise(values: Floats) -> tuple[Floats, Floats]:
    """Standardize every column to mean 0 and spread about 1, in place: features of 100,000 images take half a gigabyte.

    Args:
        values: float32 ``[images, features]``.

    Returns:
        the previous means and spreads ``[features]``.
    """
    mean, starts = values.mean(axis=0), range(0, values.shape[1], _BATCH)
    # A few columns at a time: all at once would need a copy of all values.
    spread = np.concatenate([values[:, start : start + _BATCH].std(axis=0) for start in starts])
    # A feature that hardly varies would get a huge weight, at whose int8 scale all other weights would vanish.
    spread = np.maximum(spread, 0.2 * spread.mean() + 1e-6)
    values -= mean
    values /= spread
    return mean, spread


def _folded(fitted: Any, mean: Floats, spread: Floats) -> Head:
    coefficients, intercept = fitted.coef_, fitted.intercept_
    if len(coefficients) == 1:  # with two classes there is one score, for the second class
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    kernel = coefficients.T / spread[:, None]
    return Head(kernel.astype(np.float32), (intercept - mean @ kernel).astype(np.float32), float(fitted.C))
