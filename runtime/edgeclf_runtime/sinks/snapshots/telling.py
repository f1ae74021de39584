"""Rank snapshots by how informative they are for training, and choose those to delete when there are too many.

The stored images are spread over the answers, since one more image is worth more to a rare class than to a frequent one
(Aggarwal et al., "Active Learning for Imbalanced Datasets", WACV 2020). Within an answer, images with the lowest scores
are kept ("least confidence": Lewis and Gale, "A Sequential Algorithm for Training Text Classifiers", SIGIR 1994).
Near-duplicates of recent images were left out before. Unfamiliar images, which the training data lacks altogether, are
deleted last; among them, those with high scores are kept longest: the network alone would have named them confidently.

The ranking uses only the file names, so that it is the same after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgeclf_runtime.sinks.snapshots.name import Snapshot

__all__ = ["least_telling"]


def least_telling(snapshots: Iterable[Snapshot]) -> Iterator[Snapshot]:
    """Yield all snapshots in the order in which they are to be deleted.

    The next one is always the snapshot with the highest score of the most frequent answer; among equally frequent
    answers the highest score, and among equal scores the oldest. For each answer, snapshots in its label's folder and
    unsorted ones are counted separately. Unfamiliar ones come last, the lowest score first.
    """
    given = list(snapshots)
    yield from _by_answer(snapshot for snapshot in given if not snapshot.unfamiliar)
    yield from sorted(
        (snapshot for snapshot in given if snapshot.unfamiliar), key=lambda snapshot: (snapshot.score, snapshot.order)
    )


def _by_answer(snapshots: Iterable[Snapshot]) -> Iterator[Snapshot]:
    by_age = sorted(snapshots, key=lambda snapshot: snapshot.order)
    ages = {snapshot: -position for position, snapshot in enumerate(by_age)}
    groups: dict[tuple[str, str], list[Snapshot]] = {}
    for snapshot in sorted(reversed(by_age), key=lambda one: one.score):
        groups.setdefault((snapshot.folder, snapshot.answer), []).append(snapshot)

    def rank(group: tuple[str, str]) -> tuple[int, float, int]:
        surest = groups[group][-1]
        return len(groups[group]), surest.score, ages[surest]

    while groups:
        first = max(groups, key=rank)
        yield groups[first].pop()
        if not groups[first]:
            del groups[first]
