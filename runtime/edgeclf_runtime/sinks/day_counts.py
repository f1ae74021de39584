"""Count a day's answers, for the health of a service."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from edgeclf_runtime.prediction import UNFAMILIAR
from edgeclf_runtime.sinks.sink import Observation

__all__ = ["DayCounts"]

_SHOWN = 20  # number of labels in the file, most frequent first


class DayCounts:
    """Counts the answers since midnight, by the device's own clock and time zone.

    Args:
        before: the result of ``as_dict`` in the previous process, to continue on the same day; any other object is
            ignored.
    """

    def __init__(self, before: object = None) -> None:
        self._date, self._labels, self._unfamiliar = "", Counter[str](), 0
        labels = before.get("labels") if isinstance(before, Mapping) else None
        if isinstance(before, Mapping) and isinstance(labels, Mapping) and before.get("date") == _today():
            known = {str(label): count for label, count in labels.items() if isinstance(count, int)}
            unfamiliar = before.get("unfamiliar")
            self._date, self._labels = _today(), Counter(known)
            self._unfamiliar = unfamiliar if isinstance(unfamiliar, int) else 0

    def add(self, item: Observation) -> None:
        """Count an answer; a new day starts at zero."""
        if self._date != _today():
            self._date, self._labels, self._unfamiliar = _today(), Counter(), 0
        self._labels[item.decision.label] += 1
        self._unfamiliar += item.decision.reason == UNFAMILIAR

    def as_dict(self) -> dict[str, Any] | None:
        """Return the ``date``, the counts of the most frequent ``labels``, and how many answers were ``unfamiliar``.

        None before the first answer.
        """
        if not self._date:
            return None
        return {"date": self._date, "labels": dict(self._labels.most_common(_SHOWN)), "unfamiliar": self._unfamiliar}


def _today() -> str:
    return time.strftime("%Y-%m-%d")
