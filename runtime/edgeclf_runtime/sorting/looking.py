"""Examine the images of a pile in the background: which are similar, and what a model proposes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import EdgeclfError, SinkError
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.likeness import FITTED, thumbnail
from edgeclf_runtime.prediction import UNKNOWN
from edgeclf_runtime.sorting.groups import FEATURES, THUMBNAILS, Vectors, grouped
from edgeclf_runtime.sorting.image_name import ImageName
from edgeclf_runtime.sorting.pile import Pile
from edgeclf_runtime.system.native_lines import without_codec_lines

__all__ = ["Group", "Looking"]

_MOST = 10_000  # maximum number of images grouped at a time; more follow when these are sorted


@dataclass(frozen=True, eq=False)
class _Seen:
    """An image: its vector, the proposed class with its score, and its familiarity, 0 to 1."""

    vector: Vectors
    proposal: str
    score: float | None
    familiarity: float | None


@dataclass(frozen=True)
class Group:
    """Similar images.

    Attributes:
        leader: name of the image that the others resemble; it stays the same when that image is gone.
        names: names of the images, most typical first.
        proposal: the class that the model or, without one, the device proposes; empty for none.
        score: mean score of the proposal; None if unknown.
        familiarity: mean familiarity, 0 to 1; None if unknown.
    """

    leader: str
    names: tuple[str, ...]
    proposal: str
    score: float | None
    familiarity: float | None


class Looking:
    """Examines images in a thread; safe to use from several threads.

    Args:
        pile: the images.
        classifier: opened with ``features=True``; without one, thumbnails are compared, and the device's own answer is
            the proposal.
    """

    def __init__(self, pile: Pile, classifier: Classifier | None = None) -> None:
        self._pile, self._classifier = pile, classifier
        self._seen: dict[str, _Seen] = {}
        self._groups: tuple[Group, ...] = ()
        self._listed: list[str] = []
        self._unreadable: dict[str, str] = {}
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="looking", daemon=True)
        self.refresh()
        self._thread.start()

    def refresh(self) -> int:
        """List the images again, examine new ones, and return the number of images."""
        self._listed = self._pile.listed()
        if any(name not in self._seen and name not in self._unreadable for name in self._listed):
            self._wake.set()
        return len(self._listed)

    @property
    def missing(self) -> int:
        """Number of images not examined yet."""
        return sum(name not in self._seen and name not in self._unreadable for name in self._listed[:_MOST])

    def groups(self) -> list[Group]:
        """Return the groups, least familiar first, without images that are gone."""
        there = set(self._listed)
        left = (replace(group, names=tuple(name for name in group.names if name in there)) for group in self._groups)
        return [group for group in left if group.names]

    def unreadable(self) -> list[str]:
        """Return, for images that are still there, why they cannot be read."""
        return [self._unreadable[name] for name in self._listed if name in self._unreadable]

    def proposals(self) -> list[str]:
        """Return the proposed classes, sorted, without "unknown", which is not a class."""
        return sorted({group.proposal for group in self._groups} - {"", UNKNOWN})

    def close(self) -> None:
        """Stop examining."""
        self._closed.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            self._wake.clear()
            listed = self._listed[:_MOST]
            for name in listed:
                if self._closed.is_set():
                    return
                if name not in self._seen and name not in self._unreadable:
                    self._look(name)
            self._groups = self._grouped([name for name in listed if name in self._seen])

    def _look(self, name: str) -> None:
        try:
            with without_codec_lines():
                self._seen[name] = self._seen_image(name)
        except SinkError:  # sorted in the meantime
            self._unreadable.pop(name, None)
        except EdgeclfError as error:
            self._unreadable[name] = str(error)

    def _seen_image(self, name: str) -> _Seen:
        path, about = self._pile.path(name), ImageName.of(name.rpartition("/")[2])
        if self._classifier is None:
            snapshot = about.snapshot
            familiarity = 0.0 if snapshot is not None and snapshot.unfamiliar else None
            return _Seen(_thumbnail(path), about.answer, snapshot.score if snapshot else None, familiarity)
        found = self._classifier.classify(path)
        vector = _thumbnail(path) if found.features is None else np.nan_to_num(found.features)
        return _Seen(vector, found.label, found.score, found.familiarity)

    def _grouped(self, names: Sequence[str]) -> tuple[Group, ...]:
        seen = [self._seen[name] for name in names]
        has_features = self._classifier is not None and self._classifier.backend.features is not None
        likeness = FEATURES if has_features else THUMBNAILS
        apart = [] if self._classifier is None else [one.proposal for one in seen]
        vectors = np.stack([one.vector for one in seen]) if seen else np.zeros((0, 1), np.float32)
        groups = grouped(vectors, likeness, apart)
        made = [_group([names[row] for row in rows], [seen[row] for row in rows]) for rows in groups]
        return tuple(sorted(made, key=_familiar))


def _thumbnail(path: Path) -> Vectors:
    return thumbnail(read_image(path, min_size=FITTED.height))[0].astype(np.float32).ravel()


def _group(names: Sequence[str], seen: Sequence[_Seen]) -> Group:
    proposals = [one.proposal for one in seen]
    proposal = max(dict.fromkeys(proposals), key=proposals.count)
    agreeing = [one for one in seen if one.proposal == proposal]
    score, familiarity = _mean(one.score for one in agreeing), _mean(one.familiarity for one in seen)
    return Group(names[0], tuple(names), proposal, score, familiarity)


def _familiar(group: Group) -> tuple[float, float]:
    """Return a sort key: the familiarity or, if unknown, the score."""
    score = 1.0 if group.score is None else group.score
    return (1.0 if group.familiarity is None else group.familiarity), score


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and value == value]
    return sum(known) / len(known) if known else None
