"""Scores of how familiar an image is, from the features and logits of a trained network; all fitted on its train part.

Papers: best softmax score, Hendrycks and Gimpel 2017; energy, Liu et al. 2020; max logit, Hendrycks et al. 2022; ReAct,
Sun et al. 2021; ASH, Djurisic et al. 2023; SCALE, Xu et al. 2024; Mahalanobis, Lee et al. 2018; relative Mahalanobis,
Ren et al. 2021; ViM, Wang et al. 2022; nearest neighbours, Sun et al. 2022; subspace (NuSA-like), Cook et al. 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "Features",
    "Floats",
    "Known",
    "Method",
    "Score",
    "ash",
    "energy",
    "mahalanobis",
    "max_logit",
    "neighbours",
    "own_prototypes",
    "prototypes",
    "react",
    "relative_mahalanobis",
    "scale",
    "softmax",
    "subspace",
    "unit_mahalanobis",
    "vim",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """The last dense layer's input ``[n, features]`` and output, and the scores ``[n, classes]``, of some images."""

    values: Floats
    logits: Floats
    scores: Floats


@dataclass(frozen=True)
class Known:
    """The data a method is fitted on: train part, its targets ``[n]``, last dense layer, validation part."""

    features: Features
    targets: npt.NDArray[np.int64]
    kernel: Floats
    bias: Floats
    validation: Features

    @property
    def classes(self) -> list[int]:
        return [int(label) for label in np.unique(self.targets)]


Score = Callable[[Features], Floats]
"""The higher, the more familiar: ``[n]``."""
Method = Callable[[Known], Score]


def unit(values: Floats) -> Floats:
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12), np.float64)


def _energy(logits: Floats) -> Floats:
    top = logits.max(axis=1)
    return np.asarray(top + np.log(np.exp(logits - top[:, None]).sum(axis=1)), np.float64)


def softmax(known: Known) -> Score:
    return lambda seen: np.asarray(seen.scores.max(axis=1), np.float64)


def energy(known: Known) -> Score:
    return lambda seen: _energy(seen.logits)


def max_logit(known: Known) -> Score:
    return lambda seen: np.asarray(seen.logits.max(axis=1), np.float64)


def react(known: Known) -> Score:
    bound = np.quantile(known.features.values, 0.9)
    return lambda seen: _energy(np.minimum(seen.values, bound) @ known.kernel + known.bias)


def _largest(values: Floats, share: float) -> tuple[Floats, Floats]:
    """Return features with all but the largest set to 0, and the logarithm of the sum of all over the sum of these."""
    kept = np.where(values >= np.quantile(values, 1 - share, axis=1, keepdims=True), values, 0)
    return kept, values.sum(axis=1) / np.maximum(kept.sum(axis=1), 1e-12)


def ash(known: Known) -> Score:
    def score(seen: Features) -> Floats:
        kept, ratio = _largest(seen.values, 0.35)
        return _energy(kept * np.exp(ratio)[:, None] @ known.kernel + known.bias)

    return score


def scale(known: Known) -> Score:
    def score(seen: Features) -> Floats:
        ratio = _largest(seen.values, 0.15)[1]
        return _energy(seen.values * np.exp(ratio)[:, None] @ known.kernel + known.bias)

    return score


def _whitening(values: Floats) -> Floats:
    """Return a whitening matrix; the covariance is shrunk towards the identity by Ledoit and Wolf's rule."""
    from sklearn.covariance import ledoit_wolf

    covariance = ledoit_wolf(values, assume_centered=True)[0]
    strengths, directions = np.linalg.eigh(covariance)
    return np.asarray(directions / np.sqrt(np.maximum(strengths, 1e-12)), np.float64)


def _mahalanobis(values: Floats, targets: npt.NDArray[np.int64]) -> Callable[[Floats], Floats]:
    """Return the negative squared distance to the nearest class's mean."""
    chosen = np.unique(targets)
    means = np.stack([values[targets == label].mean(axis=0) for label in chosen])
    whiten = _whitening(values - means[np.searchsorted(chosen, targets)])
    centres = means @ whiten

    def score(seen: Floats) -> Floats:
        white = seen @ whiten
        return np.asarray(-np.min([np.square(white - centre).sum(axis=1) for centre in centres], axis=0), np.float64)

    return score


def mahalanobis(known: Known) -> Score:
    score = _mahalanobis(known.features.values, known.targets)
    return lambda seen: score(seen.values)


def unit_mahalanobis(known: Known) -> Score:
    score = _mahalanobis(unit(known.features.values), known.targets)
    return lambda seen: score(unit(seen.values))


def relative_mahalanobis(known: Known) -> Score:
    classwise = _mahalanobis(known.features.values, known.targets)
    whole = _mahalanobis(known.features.values, np.zeros_like(known.targets))
    return lambda seen: classwise(seen.values) - whole(seen.values)


def vim(known: Known) -> Score:
    """Return the energy minus the norm outside the principal subspace, scaled to the size of the logits."""
    origin = -np.linalg.pinv(known.kernel.T) @ known.bias
    centred = known.features.values - origin
    strengths, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    outside = directions[:, : max(1, len(strengths) - min(256, len(centred) // 3))]
    alpha = known.features.logits.max(axis=1).mean() / np.linalg.norm(centred @ outside, axis=1).mean()
    return lambda seen: _energy(seen.logits) - alpha * np.linalg.norm((seen.values - origin) @ outside, axis=1)


def neighbours(count: int) -> Method:
    """Return the cosine to the nearest, or the count-th nearest, training image."""

    def method(known: Known) -> Score:
        own = unit(known.features.values)
        nth = min(count, len(own))
        return lambda seen: np.partition(unit(seen.values) @ own.T, -nth, axis=1)[:, -nth]

    return method


def _centres(known: Known, count: int) -> list[Floats]:
    """Return this many prototypes per class, of length 1, by k-means on normalised features."""
    from sklearn.cluster import KMeans

    found = []
    for label in known.classes:
        own = unit(known.features.values[known.targets == label])
        fitted = KMeans(min(count, len(own)), n_init=2, random_state=0).fit(own)
        found.append(unit(np.asarray(fitted.cluster_centers_, np.float64)))
    return found


def prototypes(count: int) -> Method:
    """Return the cosine to the nearest prototype of any class."""

    def method(known: Known) -> Score:
        centres = np.concatenate(_centres(known, count))
        return lambda seen: np.asarray((unit(seen.values) @ centres.T).max(axis=1), np.float64)

    return method


def own_prototypes(count: int) -> Method:
    """Return the cosine to the nearest prototype of the predicted class."""

    def method(known: Known) -> Score:
        centres = _centres(known, count)

        def score(seen: Features) -> Floats:
            nearest = np.stack([(unit(seen.values) @ own.T).max(axis=1) for own in centres], axis=1)
            answers = seen.logits[:, known.classes].argmax(axis=1)
            return np.asarray(np.take_along_axis(nearest, answers[:, None], 1)[:, 0], np.float64)

        return score

    return method


def subspace(dimensions: int, centred: bool = False) -> Method:
    """Return the negative distance from the subspace that contains most of the normalised training features."""

    def method(known: Known) -> Score:
        own = unit(known.features.values)
        mean = own.mean(axis=0) if centred else np.zeros(own.shape[1])
        count = min(dimensions, len(own) // 2)
        basis = np.linalg.svd(own - mean, full_matrices=False)[2][:count]

        def score(seen: Features) -> Floats:
            moved = unit(seen.values) - mean
            inside = np.square(moved @ basis.T).sum(axis=1)
            return -np.sqrt(np.maximum(np.square(moved).sum(axis=1) - inside, 0))

        return score

    return method
