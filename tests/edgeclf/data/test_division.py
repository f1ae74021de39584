"""The split: unchanged since 0.1 if there are no groups, and a group stays in one part."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from edgeclf.data.dataset import Dataset
from edgeclf.data.division import split
from edgeclf.errors import DataError


def _data(targets: list[int], groups: list[int] | None = None, parts: list[str] | None = None) -> Dataset:
    count = len(targets)
    files, labels = tuple(f"{row}.jpg" for row in range(count)), tuple("abcdef"[: max(targets) + 1])
    numbers = np.array(groups if groups else [-1] * count)
    return Dataset(Path("x"), labels, files, np.array(targets), tuple(parts or [""] * count), numbers)


@pytest.mark.parametrize(
    ("divided", "validation", "test", "seed", "digest"),
    [
        (False, 0.15, 0.0, 0, "2f340913123f226e"),
        (False, 0.2, 0.1, 7, "7d327352a7811f8a"),
        (True, 0.2, 0.1, 3, "3aba443adc559047"),
    ],
)
def test_without_groups_the_split_is_that_of_earlier_versions(
    divided: bool, validation: float, test: float, seed: int, digest: str
) -> None:
    targets = [row % 3 if row < 300 else row % 2 for row in range(500)]
    parts = ["test" if row % 5 == 0 else "train" for row in range(500)] if divided else None
    parts_given = split(_data(targets, parts=parts), validation, test, seed).parts
    assert hashlib.sha256(",".join(parts_given).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("seed", range(20))
def test_a_group_stays_in_one_part_and_shares_are_about_as_requested(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 4, 600).tolist()
    groups = [int(number) if number < 60 else -1 for number in rng.integers(0, 120, 600)]
    data = split(_data(targets, groups), 0.2, 0.1, seed)
    for number in range(60):
        assert len({data.parts[row] for row in np.flatnonzero(data.groups == number)}) <= 1
    whole = np.bincount(data.targets)
    for part, share in (("validation", 0.2), ("test", 0.1), ("train", 0.7)):
        assert np.abs(data.counts(part) / whole - share).max() < 0.05
    grouped = [part for part, number in zip(data.parts, groups, strict=True) if number >= 0]
    assert {"train", "validation"} <= set(grouped)
    assert data.parts == split(_data(targets, groups), 0.2, 0.1, seed).parts


def test_groups_larger_than_a_share_still_leave_images_for_every_part() -> None:
    targets = [0] * 30 + [1] * 30
    data = split(_data(targets, [row // 10 for row in range(60)]), 0.15, 0.1, 0)
    assert [data.counts(part).tolist() for part in ("train", "validation", "test")] == [[10, 10]] * 3


def test_a_class_that_is_one_group_is_refused() -> None:
    with pytest.raises(DataError, match=r"nearly all images of class 'b' belong together .* for the validation part"):
        split(_data([0] * 10 + [1] * 10, [-1] * 10 + [0] * 10), 0.2, 0.0, 0)


def test_given_parts_are_kept_even_if_they_divide_a_group() -> None:
    parts = ["train"] * 20 + ["validation"] * 4
    data = split(
        _data([row % 2 for row in range(24)], [0 if row in (0, 20) else -1 for row in range(24)], parts), 0.2, 0, 0
    )
    assert list(data.parts) == parts


def test_a_missing_part_is_split_off_the_training_part() -> None:
    parts = ["train"] * 20 + ["validation"] * 4
    data = split(_data([row % 2 for row in range(24)], parts=parts), 0.5, 0.2, 0)
    assert [data.counts(part).tolist() for part in ("train", "validation", "test")] == [[8, 8], [2, 2], [2, 2]]


@pytest.mark.parametrize(("count", "validation", "test"), [(6, 0.25, 0.6), (5, 0.3, 0.59), (5, 0.05, 0.84)])
def test_large_shares_of_few_images_leave_one_training_image(count: int, validation: float, test: float) -> None:
    data = split(_data([0] * count + [1] * 40), validation, test, 0)
    assert min(data.counts(part)[0] for part in ("train", "validation", "test")) == 1
