"""Find near-duplicates, images of one class that are copies of one another, among 100,000 images in seconds.

Candidates are pairs whose 64-bit perceptual hashes differ in at most 8 bits. Two such hashes agree in at least one of
nine bands of bits, so that only images that share a band are compared (multi-index hashing: Norouzi et al., CVPR
2012). A hash alone would also pair different objects on the same background: a candidate counts only when the
thumbnails agree as well, and no part of the image differs by more than resizing or a JPEG's quality can explain.

Images of a fixed camera look alike although none is a copy. So a group is one image and those that resemble it, never
a chain; all are of one class; and an image that resembles a fifth of its class is in no group.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from edgeclf.data.fingerprints import Fingerprints
from edgeclf_runtime.pictures.likeness import DIFFERENCE, LOCAL, THUMB, alike, differ_in_one_place

__all__ = ["Likeness", "exact_groups", "joined", "members"]

_BITS = 8  # bits in which two perceptual hashes may differ
_BAND_EDGES = (0, 8, 15, 22, 29, 36, 43, 50, 57, 64)
_TRIED = 256  # candidates per image and band; more exist only if thousands of different images have similar hashes
_CELLS = 1 << 21  # pairs of hashes compared at once
_GATHERED = 1 << 18  # pairs of thumbnails compared at once by the means of their quarters
_VERIFIED = 1 << 13  # pairs of thumbnails compared at once, pixel by pixel

# An image that resembles this share of its class (within bounds) is from a fixed camera: a still scene.
_STILL, _STILL_SHARE, _STILL_MOST = 3, 0.2, 64
_SAME = 4  # maximum number of images that can be one photograph with several labels
_SAME_DIFFERENCE, _SAME_LOCAL = 2.0, 6.0

Indices = npt.NDArray[np.int64]


def exact_groups(fingerprints: Fingerprints) -> Indices:
    """Return a group number for each image whose bytes equal another's, -1 for the rest: int64 ``[images]``."""
    rows = np.flatnonzero(fingerprints.readable)
    return joined(len(fingerprints.readable), _chains(fingerprints.digests, rows))


class Likeness:
    """Which images look alike.

    Args:
        fingerprints: the images' fingerprints.
        targets: their classes, int64 ``[images]``.

    Attributes:
        still: by class, number of images that resemble too many others to count as near-duplicates (a still scene).
    """

    def __init__(self, fingerprints: Fingerprints, targets: Indices) -> None:
        self._fingerprints, self._targets = fingerprints, targets
        self._counts = np.bincount(targets[fingerprints.readable], minlength=int(targets.max(initial=0)) + 1)
        self._linked = _linked(fingerprints)  # chains, also across classes; the groups are subsets of these
        self.still: dict[int, int] = {}

    def groups(self, apart: Indices | None = None) -> Indices:
        """Return each image's group of near-duplicates of one class, int64 ``[images]``; -1 for none.

        Args:
            apart: rows that are grouped only with images of the same bytes.
        """
        self.still = {}
        union = _Union(len(self._targets))
        union.join(self._exact())
        taken = np.zeros(len(self._targets), np.bool_)
        taken[apart if apart is not None else []] = True
        for rows in members(self._linked):
            for target in np.unique(self._targets[rows]):
                own = rows[(self._targets[rows] == target) & ~taken[rows]]
                for group in self._stars(own, int(target)):
                    union.join(np.stack([group[:-1], group[1:]], axis=1))
        return _numbered(union.labels)

    def _exact(self) -> Indices:
        """Return pairs of images of one class with the same bytes."""
        rows = np.flatnonzero(self._fingerprints.readable)
        pairs = _chains(self._fingerprints.digests, rows[np.argsort(self._targets[rows], kind="stable")])
        return np.asarray(pairs[self._targets[pairs[:, 0]] == self._targets[pairs[:, 1]]])

    def _stars(self, rows: Indices, target: int) -> Iterator[Indices]:
        """Repeatedly yield the first image left with those that resemble it; skip images of a still scene."""
        most = max(_STILL - 1, min(_STILL_MOST, int(_STILL_SHARE * self._counts[target])))
        while len(rows) > 1:
            alike = self._like(rows[0], rows[1:])
            if len(alike) > most:
                self.still[target] = self.still.get(target, 0) + len(alike) + 1
            elif len(alike):
                yield np.concatenate([rows[:1], alike])
            rows = rows[1:][~np.isin(rows[1:], alike)]

    def _like(self, first: np.int64, others: Indices) -> Indices:
        hashes = self._fingerprints.hashes
        close = others[np.bitwise_count(hashes[others] ^ hashes[first]) <= _BITS][:_TRIED]
        return np.asarray(close[_agree(self._fingerprints, np.stack([np.full(len(close), first), close], axis=1))])

    def conflicts(self, targets: Indices | None = None) -> list[Indices]:
        """Return the rows of each photograph in several classes: the same bytes, or hardly any difference.

        Args:
            targets: the classes to check, instead of those within which near-duplicates are grouped.
        """
        targets, details = self._targets if targets is None else targets, self._fingerprints.details
        conflicts = [rows for rows in members(exact_groups(self._fingerprints)) if len(set(targets[rows])) > 1]
        identical = {int(row) for rows in conflicts for row in rows}
        for rows in members(self._linked):
            if len(rows) <= _SAME and len(set(targets[rows])) > 1 and not identical & set(rows.tolist()):
                pairs = np.array([(a, b) for a in rows for b in rows if targets[a] < targets[b]], np.int64)
                same = pairs[_agree(self._fingerprints, pairs, _SAME_DIFFERENCE, _SAME_LOCAL)]
                same = same[~differ_in_one_place((details[same[:, 0]], details[same[:, 1]]))]
                conflicts += [np.unique(same)] if len(same) else []
        return conflicts


def members(groups: Indices) -> list[Indices]:
    """Return the rows of each group of two or more."""
    rows = np.flatnonzero(groups >= 0)
    rows = rows[np.argsort(groups[rows], kind="stable")]
    return [rows for rows in np.split(rows, np.flatnonzero(np.diff(groups[rows])) + 1) if len(rows) > 1]


def _linked(fingerprints: Fingerprints) -> Indices:
    """Return groups of images that look alike, directly or through a chain of others."""
    rows = np.flatnonzero(fingerprints.readable)
    search = _Search(fingerprints)
    search.union.join(_chains(fingerprints.digests, rows))
    search.same(rows)
    # Take one image of each group per hash: hashes see only brightness, so different images may share one.
    hash_and_group = np.stack([fingerprints.hashes[rows], search.union.labels[rows].astype(np.uint64)])
    search.near(rows[np.unique(hash_and_group, axis=1, return_index=True)[1]])
    return _numbered(search.union.labels)


def joined(count: int, pairs: Indices, groups: Indices | None = None) -> Indices:
    """Number the groups of ``count`` rows that pairs connect.

    Args:
        pairs: int64 ``[pairs, 2]``, rows that belong together.
        groups: int64 ``[count]``, group numbers to begin with, -1 for none.

    Returns:
        int64 ``[count]``: group numbers from 0, -1 for rows without a group.
    """
    union = _Union(count)
    union.join(pairs)
    if groups is not None:
        union.join(_chains(groups, np.flatnonzero(groups >= 0)))
    return _numbered(union.labels)


class _Union:
    """Connected rows: ``a`` and ``b`` are connected if ``labels[a] == labels[b]``."""

    def __init__(self, count: int) -> None:
        self.labels: Indices = np.arange(count)

    def apart(self, pairs: Indices) -> Indices:
        """Return the pairs that are not connected yet."""
        return np.asarray(pairs[self.labels[pairs[:, 0]] != self.labels[pairs[:, 1]]])

    def join(self, pairs: Indices) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if not len(pairs):
            return
        count, ends = len(self.labels), self.labels[pairs]
        graph = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(count, count))
        self.labels = connected_components(graph, directed=False)[1].astype(np.int64)[self.labels]


def _numbered(labels: Indices) -> Indices:
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shared = counts > 1
    numbers = np.where(shared, np.cumsum(shared) - 1, -1)
    return np.asarray(numbers[inverse], np.int64)


def _chains(values: npt.NDArray[np.generic], rows: Indices) -> Indices:
    """Return pairs of neighbours among the rows with the same value."""
    rows = rows[np.argsort(values[rows], kind="stable")]
    same = np.flatnonzero(values[rows[1:]] == values[rows[:-1]])
    return np.stack([rows[same], rows[same + 1]], axis=1)


class _Search:
    """Join similar images as they are found; connected pairs are skipped, or a still scene would take n^2 steps."""

    def __init__(self, fingerprints: Fingerprints) -> None:
        self.union = _Union(len(fingerprints.readable))
        self._fingerprints, self._hashes = fingerprints, fingerprints.hashes
        quarters = fingerprints.thumbs.reshape(len(fingerprints.thumbs), 2, THUMB // 2, 2, THUMB // 2, 3)
        self._quarters = quarters.mean(axis=(2, 4), dtype=np.float32).reshape(len(fingerprints.thumbs), 12)

    def same(self, rows: Indices) -> None:
        """Join rows that look alike, among rows with the same hash."""
        self.verify(_chains(self._hashes, rows))
        order = rows[np.argsort(self._hashes[rows], kind="stable")]
        for run in np.split(order, np.flatnonzero(np.diff(self._hashes[order])) + 1):
            if len(run) > 2:
                self._compare(run)

    def near(self, rows: Indices) -> None:
        """Join rows that look alike, among rows whose hashes differ in a few bits."""
        for low, high in pairwise(_BAND_EDGES):
            band = (self._hashes[rows] >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
            order = np.lexsort((self._hashes[rows], band))
            for bucket in np.split(rows[order], np.flatnonzero(np.diff(band[order])) + 1):
                self._chain(bucket)
                self._compare(bucket)

    def verify(self, pairs: Indices) -> None:
        """Join the pairs whose thumbnails agree."""
        for start in range(0, len(pairs), _GATHERED):
            some = self.union.apart(pairs[start : start + _GATHERED])
            # The means of quarters never differ by more than the pixels do, so this rules out most pairs cheaply.
            far = np.abs(self._quarters[some[:, 0]] - self._quarters[some[:, 1]]).mean(axis=1) > DIFFERENCE + 0.01
            for part in np.split(some[~far], range(_VERIFIED, int((~far).sum()), _VERIFIED)):
                self.union.join(part[_agree(self._fingerprints, part)])

    def _chain(self, bucket: Indices) -> None:
        """Compare neighbours only, which already joins most of a still scene."""
        close = np.bitwise_count(self._hashes[bucket[:-1]] ^ self._hashes[bucket[1:]]) <= _BITS
        self.verify(np.stack([bucket[:-1][close], bucket[1:][close]], axis=1))

    def _compare(self, bucket: Indices) -> None:
        """Compare each row with all later ones, except pairs within the largest group."""
        _, labels, counts = np.unique(self.union.labels[bucket], return_inverse=True, return_counts=True)
        largest = labels == counts.argmax()
        rows = np.concatenate([bucket[~largest], bucket[largest]])
        others, step = rows[: len(rows) - int(counts.max())], max(1, _CELLS // len(rows))
        for start in range(0, len(others), step):
            left, right = others[start : start + step], rows[start + 1 :]
            i, j = np.nonzero(np.bitwise_count(self._hashes[left][:, None] ^ self._hashes[right][None]) <= _BITS)
            rank = np.arange(len(i)) - np.searchsorted(i, i)
            keep = (j >= i) & (rank < _TRIED + i)  # ``right`` begins one row after ``left``
            self.verify(np.stack([left[i[keep]], right[j[keep]]], axis=1))


def _agree(
    fingerprints: Fingerprints, pairs: Indices, difference: float = DIFFERENCE, local: float = LOCAL
) -> npt.NDArray[np.bool_]:
    """Return whether the two images of each pair look alike: bool ``[pairs]``."""
    one, other = pairs[:, 0], pairs[:, 1]
    thumbs, details = fingerprints.thumbs, fingerprints.details
    return alike((thumbs[one], thumbs[other]), (details[one], details[other]), difference, local)
