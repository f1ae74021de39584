"""The choice of the epoch that a training keeps."""

from __future__ import annotations

import numpy as np

from edgeclf.training.early_stopping import Selection

RNG = np.random.default_rng(0)
BASE = RNG.exponential(0.3, 300)


def _of(mean: float, noise: float) -> np.ndarray:
    """Return losses with this mean difference from the base's, and this spread of the differences."""
    apart = RNG.normal(0, noise, 300)
    return BASE + mean + apart - apart.mean()


def test_the_latest_epoch_is_kept_unless_clearly_worse() -> None:
    selection, error = Selection(), 0.3 / np.sqrt(300)
    assert selection.takes(BASE, tuned=False)
    assert selection.takes(_of(-0.1, 0.3), tuned=True)
    assert selection.takes(_of(-0.1 + 0.5 * error, 0.3), tuned=True)  # worse by less than one standard error
    assert not selection.takes(_of(-0.1 + 3 * error, 0.3), tuned=True)
    assert not selection.takes(_of(-0.1 + 1.8 * error, 0.3), tuned=True)  # than the best: steps do not add up
    assert not selection.takes(BASE, tuned=True)
    assert selection.waited == 3
    assert selection.takes(_of(-0.2, 0.3), tuned=True)
    assert selection.waited == 0


def test_patience_counts_fine_tuned_epochs_and_survives_resuming() -> None:
    selection = Selection()
    assert selection.takes(BASE, tuned=False)
    for mean in (0.9, 0.7, 0.8):
        assert not selection.takes(BASE + mean, tuned=True)
    again = Selection()
    again.restore(selection.state())
    assert selection.waited == again.waited == 1
    assert not again.takes(BASE + 0.75, tuned=True)
    assert again.waited == 2
    assert again.takes(BASE, tuned=True)


def test_early_stopping_works_with_one_image() -> None:
    selection = Selection()
    assert selection.takes(np.array([0.5]), tuned=True)
    assert not selection.takes(np.array([0.6]), tuned=True)
