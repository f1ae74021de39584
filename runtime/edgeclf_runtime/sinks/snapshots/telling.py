"""Which snapshots tell a training most, and which go when there are too many.

What is kept is spread over the answers, since one more image is worth more to a rare class than to a frequent one
(Aggarwal et al., "Active Learning for Imbalanced Datasets", WACV 2020). Within an answer it is what the network was
least sure of ("least confidence": Lewis and Gale, "A Sequential Algorithm for Training Text Classifiers", SIGIR 1994).
Images that look like the last ones were left out before.

All of it is in the files' names, so that it is the same after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgeclf_runtime.sinks.snapshots.name import Snapshot

__all__ = ["least_telling"]


def least_telling(snapshots: Iterable[Snapshot]) -> Iterator[Snapshot]:
    """All, in the order in which they go.

    Each time, of the answer that has most snapshots the surest one; of answers that have as many, the surest of all;
    of equally sure ones the oldest. Sure ones of a label's folder and unsure ones of the same answer count apart.
    """
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
