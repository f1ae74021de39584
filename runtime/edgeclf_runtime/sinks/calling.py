"""When a command or a webhook is called."""

from __future__ import annotations

import threading

from edgeclf_runtime.sinks.sink import Item, Observation

__all__ = ["Calls"]


class Calls:
    """Decides when a call is made; see ``sink.Caller``."""

    def __init__(self, labels: tuple[str, ...], cooldown: float, after: tuple[str, ...], picture: bool) -> None:
        self._labels, self.cooldown, self._after, self.pictures = labels, cooldown, after, picture
        self.superseded, self._interrupted = threading.Event(), threading.Event()

    def heeds(self, item: Item) -> bool:
        """Return whether the answer changed to one of the labels, from one of the required ones.

        With several labels, whether one of them is new among the answers.
        """
        if not isinstance(item, Observation) or not item.decision.changed:
            return False
        if self._after and not set(self._after) & set(item.decision.before):
            return False
        if item.decision.labels is not None:
            return not self._labels or bool(set(self._labels) & set(item.decision.appeared))
        return not self._labels or item.decision.label in self._labels

    def interrupt(self) -> None:
        """End the current call; no other follows."""
        self._interrupted.set()
        self.superseded.set()

    def close(self) -> None:
        """Do nothing: nothing is held open."""
