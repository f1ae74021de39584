"""Pictures that are copies of one another, found among 100,000 in seconds.

Candidates are pairs whose 64-bit perceptual hashes differ in at most 8 bits. Two such hashes agree in at least one of
nine bands of bits, so that only pictures that share a band are compared (multi-index hashing: Norouzi et al., CVPR
2012). A hash alone would also pair different objects on the same background: a candidate counts only when the
thumbnails agree as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from edgeclf.fingerprints import Fingerprints

__all__ = ["exact_groups", "joined", "near_groups"]

# Of 300 photographs resized to between 25% and 150% and encoded anew at quality 30 to 85, all stay within these three;
# of 3.2 million pairs of TrashNet's different photographs none does.
_BITS = 8  # that may differ
_DIFFERENCE = 4.0  # mean, of the thumbnails' values in 0..255
_CORRELATION = 0.994  # of the thumbnails
_GRAIN = 4.0  # variance added to both, so that pictures of one colour are compared by that colour alone
_BAND_EDGES = (0, 8, 15, 22, 29, 36, 43, 50, 57, 64)
_CELLS = 1 << 21  # pairs of hashes compared at once
_VERIFIED = 1 << 14  # pairs of thumbnails

Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def exact_groups(prints: Fingerprints) -> Indices:
    """A group's number for every picture with the same bytes as another, -1 for the rest."""
    rows = np.flatnonzero(prints.readable)
    return joined(len(prints.readable), _chains(prints.digests, rows))


def near_groups(prints: Fingerprints) -> Indices:
    """The same for pictures that look alike, exact copies included."""
    rows = np.flatnonzero(prints.readable)
    union = _Union(len(prints.readable))
    exact = _chains(prints.digests, rows)
    union.join(exact)
    same = _chains(prints.hashes, rows)
    union.join(same[_alike(prints.thumbs, same)])
    hashes, first = np.unique(prints.hashes[rows], return_index=True)
    for pairs in _candidates(hashes):
        pairs = rows[first[pairs]]
        for start in range(0, len(pairs), _VERIFIED):
            some = union.apart(pairs[start : start + _VERIFIED])
            union.join(some[_alike(prints.thumbs, some)])
    return _numbered(union.labels)


def joined(count: int, pairs: Indices, groups: Indices | None = None) -> Indices:
    """Groups of so many rows.

    Args:
        pairs: int64 ``[pairs, 2]``, rows that belong together.
        groups: numbers of rows that do so already, -1 for none.

    Returns:
        int64 ``[count]``: numbers from 0, -1 for rows that stand alone.
    """
    union = _Union(count)
    union.join(pairs)
    if groups is not None:
        union.join(_chains(groups, np.flatnonzero(groups >= 0)))
    return _numbered(union.labels)


class _Union:
    """Which rows are connected: ``labels[a] == labels[b]``."""

    def __init__(self, count: int) -> None:
        self.labels: Indices = np.arange(count)

    def apart(self, pairs: Indices) -> Indices:
        """Only the pairs not connected yet."""
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
    """Pairs of neighbours among the rows with the same value."""
    rows = rows[np.argsort(values[rows], kind="stable")]
    same = np.flatnonzero(values[rows[1:]] == values[rows[:-1]])
    return np.stack([rows[same], rows[same + 1]], axis=1)


def _candidates(hashes: Hashes) -> Iterator[Indices]:
    """Pairs of different hashes that are close, each once, in blocks."""
    bands = [_band(hashes, low, high) for low, high in pairwise(_BAND_EDGES)]
    for number, band in enumerate(bands):
        order = np.argsort(band, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            for pairs in _close(hashes, bucket):
                earlier = np.zeros(len(pairs), np.bool_)
                for other in bands[:number]:
                    earlier |= other[pairs[:, 0]] == other[pairs[:, 1]]
                yield pairs[~earlier]


def _band(hashes: Hashes, low: int, high: int) -> Hashes:
    return (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)


def _close(hashes: Hashes, bucket: Indices) -> Iterator[Indices]:
    step = max(1, _CELLS // max(1, len(bucket)))
    for start in range(0, len(bucket) - 1, step):
        left, right = bucket[start : start + step], bucket[start + 1 :]
        distance = np.bitwise_count(hashes[left][:, None] ^ hashes[right][None])
        i, j = np.nonzero(distance <= _BITS)
        keep = j >= i  # the right side begins one later
        yield np.stack([left[i[keep]], right[j[keep]]], axis=1)


def _alike(thumbs: npt.NDArray[np.uint8], pairs: Indices) -> npt.NDArray[np.bool_]:
    """Whether the thumbnails of each pair agree."""
    found = [_agree(thumbs, pairs[start : start + _VERIFIED]) for start in range(0, len(pairs), _VERIFIED)]
    return np.concatenate([*found, np.zeros(0, np.bool_)])


def _agree(thumbs: npt.NDArray[np.uint8], pairs: Indices) -> npt.NDArray[np.bool_]:
    a, b = (thumbs[pairs[:, side]].reshape(len(pairs), -1, 3).astype(np.float32) for side in (0, 1))
    near = np.abs(a - b).mean(axis=(1, 2)) <= _DIFFERENCE
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    both = (a * b).mean(axis=(1, 2)) + _GRAIN
    spread = np.sqrt(((a * a).mean(axis=(1, 2)) + _GRAIN) * ((b * b).mean(axis=(1, 2)) + _GRAIN))
    return np.asarray(near & (both >= _CORRELATION * spread), np.bool_)
