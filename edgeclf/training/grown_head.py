"""Add classes to a fitted head: only the rows of new classes are fitted, against the logits of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgeclf.metrics.scoring import log_losses, softmax
from edgeclf.progress import Reporter
from edgeclf.training.linear_probe import STRENGTHS, Head, standardise

__all__ = ["grown_head"]

_STEPS = 200  # optimizer steps; close enough, as validation chooses

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def grown_head(
    head: Head,
    kept: Sequence[int],
    train: tuple[Floats, Indices],
    validation: tuple[Floats, Indices],
    weights: Sequence[float],
    reporter: Reporter,
) -> Head:
    """Return the head with fitted rows for the classes that are not ``kept``.

    This is a multinomial logistic regression in which the other classes' rows are fixed. A softmax does not change if
    all logits change alike, so the new rows are regularized towards the mean of the fixed ones, not towards zero. The
    regularization is chosen by the log loss on the validation part.

    Args:
        head: kernel ``[features, classes]`` and bias ``[classes]``; only the columns ``kept`` are used.
        kept: indices of the classes that keep their rows; at least one.
        train, validation: features ``[images, features]`` (overwritten) and targets ``[images]``.
        weights: loss weights, one per class.
    """
    new = np.setdiff1d(np.arange(len(weights)), kept)
    center = head.kernel[:, kept].mean(axis=1), head.bias[kept].mean()
    known = [values @ head.kernel[:, kept] + head.bias[kept] for values in (train[0], validation[0])]
    mean, spread = standardise(train[0])
    validation[0][:] = (validation[0] - mean) / spread
    fit = _NewRows(train, known[0], kept, new, np.asarray(weights, np.float64))
    best: tuple[float, Doubles, float] | None = None
    rows = np.zeros((train[0].shape[1] + 1, len(new)))
    with reporter.bar("Head", len(STRENGTHS)) as bar:
        for strength in STRENGTHS:
            rows = fit.fitted(rows, strength)
            scores = softmax(_logits(validation[0], rows, known[1], kept, new).astype(np.float32))
            loss = float(log_losses(scores, validation[1]).mean())
            if best is None or loss < best[0]:
                best = loss, rows, strength
            bar.advance(1)
    assert best is not None
    kernel, bias = head.kernel.copy(), head.bias.copy()
    moved = best[1][:-1] / spread[:, None]
    kernel[:, new] = center[0][:, None] + moved
    bias[new] = center[1] + best[1][-1] - mean @ moved
    return Head(kernel, bias, best[2])


class _NewRows:
    """The loss of the training images as a function of the new rows, ``[features + 1, new classes]``, bias last."""

    def __init__(
        self, train: tuple[Floats, Indices], known: Floats, kept: Sequence[int], new: Indices, weights: Doubles
    ) -> None:
        self._values, self._targets = train
        self._known, self._kept, self._new = known, kept, new
        self._weights = weights[self._targets]
        self._wanted = self._targets[:, None] == new

    def fitted(self, start: Doubles, strength: float) -> Doubles:
        """Return the rows with the smallest loss; ``strength`` is the inverse regularization strength."""
        from scipy.optimize import minimize

        def loss(flat: Doubles) -> tuple[float, Doubles]:
            rows = flat.reshape(start.shape)
            logits = _logits(self._values, rows, self._known, self._kept, self._new)
            logits -= logits.max(axis=1, keepdims=True)
            likely = np.exp(logits)
            total = likely.sum(axis=1)
            right = logits[np.arange(len(logits)), self._targets] - np.log(total)
            error = (likely[:, self._new] / total[:, None] - self._wanted) * self._weights[:, None]
            slope = np.concatenate([self._values.T @ error, error.sum(axis=0, keepdims=True)]) * strength
            slope[:-1] += rows[:-1]
            value = -strength * (self._weights * right).sum() + 0.5 * np.square(rows[:-1]).sum()
            return float(value), slope.ravel()

        done = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
        return np.asarray(done.x, np.float64).reshape(start.shape)


def _logits(values: Floats, rows: Doubles, known: Floats, kept: Sequence[int], new: Indices) -> Doubles:
    """Return float64 ``[images, classes]``; those of new classes are relative to the mean of the others."""
    logits = np.empty((len(values), len(kept) + len(new)))
    logits[:, kept] = known
    logits[:, new] = known.mean(axis=1, keepdims=True) + values @ rows[:-1] + rows[-1]
    return logits
