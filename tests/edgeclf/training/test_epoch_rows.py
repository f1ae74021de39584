"""The rows of each epoch."""

from __future__ import annotations

import numpy as np

from edgeclf.training.epoch_rows import EpochRows


def test_without_a_run_before_each_epoch_has_all_rows_in_an_order_of_its_own() -> None:
    rows = EpochRows(np.arange(10, 20), seed=3)
    assert rows.count == 10
    assert sorted(rows.of(0)) == sorted(rows.of(1)) == list(range(10, 20))
    assert list(rows.of(0)) != list(rows.of(1))
    assert list(rows.of(1)) == list(EpochRows(np.arange(10, 20), seed=3).of(1))


def test_known_images_take_turns_and_new_ones_are_in_each_epoch() -> None:
    known = np.arange(0, 90)
    rows = EpochRows(np.arange(100), seed=0, known=known, share=1 / 3)
    epochs = [rows.of(epoch) for epoch in range(6)]
    assert {len(epoch) for epoch in epochs} == {rows.count} == {40}
    assert all(set(range(90, 100)) <= set(epoch) for epoch in epochs)
    assert np.bincount(np.concatenate(epochs), minlength=100)[:90].tolist() == [2] * 90
    assert len(set(epochs[0]) & set(epochs[1])) == 10


def test_at_least_one_known_image_is_repeated_and_a_share_of_one_takes_all() -> None:
    assert EpochRows(np.arange(5), 0, np.arange(2), 0.01).count == 4
    assert EpochRows(np.arange(5), 0, np.arange(2), 1.0).count == 5
