"""How often two models agree."""

from __future__ import annotations

from collections import Counter
from typing import Any

from edgeclf_runtime.learning.judgement import wilson
from edgeclf_runtime.prediction import UNKNOWN
from edgeclf_runtime.shadow.frames import Answer
from edgeclf_runtime.sinks.sink import ZoneName

__all__ = ["Agreement"]

_SPAN = 10.0  # seconds; frames within this time show nearly the same
_PAIRS = 1000  # maximum number of label pairs counted; with several labels per image there may be more


class Agreement:
    """Counts the answers of the current and a new model to the same frames.

    Neighbouring frames are alike, so the interval is as wide as if all frames within 10 seconds were one.
    """

    def __init__(self) -> None:
        self._pairs = Counter[tuple[str, str]]()
        self._frames = self._same = self._spans = 0
        self._spent = [0.0, 0.0]
        self._unknown = [0, 0]
        self._last: dict[ZoneName, int] = {}
        self._first_moment = self._last_moment = 0.0

    def add(self, zone: ZoneName, moment: float, before: Answer, new: Answer) -> bool:
        """Count a frame; return whether both answers are the same.

        Args:
            zone: zone of the frame.
            moment: time of the frame in seconds.
            before, new: the answers of the current and the new model.
        """
        same = (before.label, before.refused) == (new.label, new.refused)
        pair = before.label, new.label
        self._pairs[pair if pair in self._pairs or len(self._pairs) < _PAIRS else ("other", "other")] += 1
        if not self._frames:
            self._first_moment = moment
        self._last_moment = moment
        self._frames += 1
        self._same += same
        if self._last.get(zone) != (span := int(moment // _SPAN)):
            self._last[zone] = span
            self._spans += 1
        for number, answer in enumerate((before, new)):
            self._spent[number] += answer.milliseconds
            self._unknown[number] += answer.refused
        return same

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self._frames

    def figures(self) -> dict[str, float]:
        """Return the main figures, for the service to show; see ``frame_tap.FIGURES``."""
        count = max(1, self._frames)
        return {
            "frames": self._frames,
            "same": self._same,
            "agreement": round(self._same / count, 4),
            "seconds": round(self._last_moment - self._first_moment, 1),
            "milliseconds": round(self._spent[1] / count, 3),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON; shares are of all frames, of which there must be at least one."""
        share = self._same / self._frames
        shown = [round(value / self._frames, 4) for value in (*self._unknown, *self._spent)]
        return {
            **self.figures(),
            "interval": [round(end, 4) for end in wilson(round(share * self._spans), self._spans)],
            "unknown": {"before": shown[0], "new": shown[1]},
            "milliseconds": {"before": shown[2], "new": shown[3]},
            "labels": self._labels(),
        }

    def _labels(self) -> list[dict[str, Any]]:
        """Return, for each answer of the current model, how often the new one agreed and its other answers."""
        counts: dict[str, Counter[str]] = {}
        for (before, new), count in self._pairs.items():
            counts.setdefault(before, Counter())[new] += count
        return [
            {
                "label": label,
                "frames": sum(news.values()),
                "same": news[label],
                "instead": dict(Counter({new: count for new, count in news.items() if new != label}).most_common(5)),
            }
            for label, news in sorted(counts.items(), key=lambda item: (item[0] == UNKNOWN, item[0]))
        ]
