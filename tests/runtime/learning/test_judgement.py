"""The last layer, and what it says of images that were left out, on features without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeclf.metrics.scoring import wilson as wilson_of_scipy
from edgeclf_runtime.learning.image_features import ImageFeatures
from edgeclf_runtime.learning.judgement import folds_of, judge, wilson
from edgeclf_runtime.learning.logistic import Head, cross_validated, log_losses


def _blobs(count: int, classes: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(7).normal(0, 1, (classes, size))
    targets = np.repeat(np.arange(classes), count)
    features = np.maximum(middles[targets] + rng.normal(0, 2.5, (count * classes, size)) + 1, 0)
    return features.astype(np.float32), targets


@pytest.mark.parametrize(("count", "size"), [(12, 300), (150, 40)])
def test_the_head_is_that_of_scikit_learn(count: int, size: int) -> None:
    """With fewer images than features, and with more."""
    from sklearn.linear_model import LogisticRegression

    features, targets = _blobs(count, 4, size, 0)
    fit = cross_validated(features, targets, np.arange(len(targets)) % 10, Head(np.zeros((4, size)), np.zeros(4)))
    exact = features.astype(np.float64)
    squared = ((exact - exact.mean(axis=0)) ** 2).sum(axis=1).mean()
    other = LogisticRegression(C=1 / (fit.penalty * squared), tol=1e-6, max_iter=2000).fit(exact, targets)
    theirs, ours = other.decision_function(exact), fit.head(features)
    apart = (ours - ours.mean(axis=1, keepdims=True)) - (theirs - theirs.mean(axis=1, keepdims=True))
    assert np.abs(apart).max() < 0.05
    fresh, answers = _blobs(100, 4, size, 1)
    assert abs((fit.left_out.argmax(1) == targets).mean() - (fit.head(fresh).argmax(1) == answers).mean()) < 0.2
    assert log_losses(fit.left_out, targets).mean() > log_losses(ours, targets).mean()


def test_left_out_images_are_judged() -> None:
    features, targets = _blobs(5, 2, 10, 0)
    targets = np.append(targets, 2)
    features = np.append(features, features[:1], axis=0)
    examples = ImageFeatures(tuple(map(Path, "abcdefghijk")), targets, features, np.arange(11), ())
    logits = np.eye(3)[targets] * 3
    logits[7] = [5, 1, 0]
    logits[2] = [0, 1, 0]
    found = judge(examples, folds_of(examples), logits, ("x", "y", "z"))
    assert [(each.label, each.count, each.right) for each in found.classes] == [
        ("x", 5, 4),
        ("y", 5, 4),
        ("z", 1, None),
    ]
    assert [(each.index, each.answer) for each in found.mistakes] == [(7, "x"), (2, "y")]
    assert (found.right, found.count) == (8, 10)
    assert found.needed is not None
    assert found.needed.label == "z"
    for pair in ((8, 10), (10, 10), (0, 4)):
        assert wilson(*pair) == pytest.approx(wilson_of_scipy(*pair), abs=1e-6)


def test_the_accuracy_of_left_out_images_is_near_that_of_new_ones() -> None:
    """Left out alone, an image leaves its class smaller than the others: 32% are then right, but 70% of new images."""
    shares = []
    for seed in range(3):
        (features, targets), fresh = _blobs(3, 24, 200, seed), _blobs(30, 24, 200, 100 + seed)
        examples = ImageFeatures((), targets, features, np.arange(len(targets)), ())
        start = Head(np.zeros((24, 200)), np.zeros(24))
        fit = cross_validated(features, targets, folds_of(examples), start)
        shares.append([(fit.left_out.argmax(1) == targets).mean(), (fit.head(fresh[0]).argmax(1) == fresh[1]).mean()])
    left_out, new = np.mean(shares, axis=0)
    assert new - 0.25 < left_out < new + 0.05
