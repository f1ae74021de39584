"""Which images are in one group."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclf_runtime.sorting.groups import FEATURES, Vectors, grouped

SEED = 0


def _around(*sizes: int, noise: float = 0.15) -> Vectors:
    """Return vectors around as many centres as sizes, which are far apart."""
    random = np.random.default_rng(SEED)
    centres = [random.normal(size=64) for _ in sizes]
    rows = [centre + noise * random.normal(size=(size, 64)) for centre, size in zip(centres, sizes, strict=True)]
    return np.concatenate(rows).astype(np.float32)


def test_fifty_alike_are_one_group_and_others_none_of_it() -> None:
    groups = grouped(_around(50, 3, 1, 20), FEATURES)
    assert [sorted(group) for group in groups] == [
        list(range(50)),
        list(range(54, 74)),
        [50, 51, 52],
        [53],
    ]


def test_a_pile_of_one_thing_is_one_group() -> None:
    assert len(grouped(_around(50, noise=0.02), FEATURES)) == 1


def test_images_with_different_proposals_stay_apart() -> None:
    groups = grouped(_around(10, 10), FEATURES, ["a", "b"] * 5 + ["a"] * 10)
    assert sorted(map(sorted, groups)) == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9], list(range(10, 20))]


@pytest.mark.parametrize("vectors", [np.zeros((0, 4), np.float32), np.zeros((3, 4), np.float32)])
def test_every_image_is_in_one_group(vectors: Vectors) -> None:
    assert sorted(row for group in grouped(vectors, FEATURES) for row in group) == list(range(len(vectors)))
