"""Paired figures of a small example, compared with values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from edgeclf_converters.parity.parity import compare


def _scores(classes: list[int]) -> np.ndarray:
    return np.eye(3)[classes]


def test_a_paired_table() -> None:
    targets = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    before = _scores([0, 1, 2, 0, 1, 2, 0, 1, 0, 1])  # eight correct
    after = _scores([1, 1, 2, 0, 2, 0, 0, 1, 2, 1])  # three lost, one gained
    parity = compare(before, after, targets)
    assert (parity.lost, parity.won, parity.float_accuracy, parity.int8_accuracy) == (3, 1, 0.8, 0.6)
    assert parity.drop == pytest.approx(20)
    assert parity.p_value == pytest.approx(2 * 5 / 16)
    assert [flip.row for flip in parity.flips] == [0, 4, 5, 8]
    # (3.5 - 1.5) / 12, and 1.96 * sqrt(5 - 4 / 12) / 12
    assert (parity.low, parity.high) == pytest.approx((-18.61, 51.95), abs=0.05)


def test_no_difference() -> None:
    parity = compare(_scores([0, 1]), _scores([0, 1]), np.array([0, 2]))
    assert (parity.drop, parity.p_value, parity.flips) == (0.0, 1.0, ())


def test_the_p_value_is_the_exact_binomial_test() -> None:
    for lost, won in ((0, 1), (5, 5), (3, 14), (40, 21)):
        before, after = _scores([1] * lost + [0] * won), _scores([0] * lost + [1] * won)
        parity = compare(before, after, np.ones(lost + won, np.int64))
        assert parity.p_value == pytest.approx(binomtest(lost, lost + won).pvalue, rel=1e-9)
