"""One model file for all zones that use it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Callable

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.pipeline.scheduler import Device
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.sinks.outlet import Outlet

__all__ = ["SharedModel"]


class SharedModel:
    """A model in use, which a new file may replace; safe to use from any thread.

    Args:
        classifier: the first classifier; owned by the caller.
        device: limits how many zones use it at a time.
        tell: called with the model's states.

    Attributes:
        outlets: outlets of its zones' own sinks, which also get the states.
    """

    def __init__(self, classifier: Classifier, device: Device, tell: Callable[[ModelState], None]) -> None:
        self._given = self._newest = classifier
        self.device, self._tell = device, tell
        self.outlets: list[Outlet] = []
        self._users: dict[Classifier, int] = {classifier: 0}
        self._lock = threading.Lock()

    @property
    def has_several_labels(self) -> bool:
        """Whether the newest model returns several labels per image."""
        return self._newest.card.has_several_labels

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the model in use."""
        return self._newest.card.labels

    @property
    def backend(self) -> str:
        """Name of the backend in use."""
        return self._newest.backend.name

    def tell(self, state: ModelState) -> None:
        """Pass on a state of the model."""
        self._tell(state)
        for outlet in self.outlets:
            outlet.put(state)

    def offer(self, classifier: Classifier) -> None:
        """Switch to another classifier, and own it, from each zone's next frame on; may be called from any thread."""
        with self._lock:
            before, self._newest = self._newest, classifier
            self._users[classifier] = 0
            self._drop_unused(before)
        labels, path = classifier.card.labels, str(classifier.path)
        state = ModelState("adopted", path, labels, examples=classifier.examples, file=classifier.identity)
        self.tell(replace(state, replaces=before.identity.path))

    def borrow(self) -> Classifier:
        """Return the classifier to use for a frame; give it back with ``give_back``."""
        with self._lock:
            self._users[self._newest] += 1
            return self._newest

    def give_back(self, classifier: Classifier) -> None:
        """Note that a frame is done; a replaced classifier is closed once it is no longer in use."""
        with self._lock:
            self._users[classifier] -= 1
            self._drop_unused(classifier)

    def _drop_unused(self, classifier: Classifier) -> None:
        if classifier is self._newest or self._users.get(classifier, 1):
            return
        del self._users[classifier]
        if classifier is not self._given:
            classifier.close()

    def close(self) -> None:
        """Close a classifier that was offered."""
        if self._newest is not self._given:
            self._newest.close()
