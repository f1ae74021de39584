"""Let Home Assistant pause a zone and set its threshold."""

from __future__ import annotations

import logging
from typing import Callable

from edgeclf_runtime.decision.control import ZoneControl

__all__ = ["Remote"]

_log = logging.getLogger(__name__)


class Remote:
    """Obeys the topics ``.../paused/set`` (ON or OFF) and ``.../threshold/set`` (0 to 1), and reports the state in
    ``.../paused`` and ``.../threshold``.

    Args:
        base: prefix of the topics.
        control: control of the zone.
        send: publishes a topic's content.
    """

    def __init__(self, base: str, control: ZoneControl, send: Callable[[str, str], None]) -> None:
        self._base, self._control, self._send = base, control, send
        self._threshold: float | None = None
        self.topics = (f"{base}/paused/set", f"{base}/threshold/set")
        self._tell_paused()

    def hear(self, topic: str, payload: bytes) -> None:
        """Obey a message; an invalid one changes nothing, and the state is sent again."""
        text = payload[:20].decode("ascii", "replace").strip()
        if topic == self.topics[0]:
            if text not in ("ON", "OFF"):
                _log.warning("mqtt: %s: expected ON or OFF, got %r", topic, text)
            elif text == "ON":
                self._control.paused.set()
            else:
                self._control.paused.clear()
            self._tell_paused()
        elif topic == self.topics[1]:
            threshold = _share(text)
            if threshold is None:
                _log.warning("mqtt: %s: expected 0 to 1, got %r", topic, text)
            else:
                self._control.threshold = self._threshold = threshold
            self._tell_threshold()

    def follow(self, threshold: float) -> None:
        """Report the threshold of an answer if it has changed, as with a new model.

        A threshold set here that no answer has used yet stays.
        """
        if self._control.threshold is None and threshold != self._threshold:
            self._threshold = threshold
            self._tell_threshold()

    def _tell_paused(self) -> None:
        self._send(f"{self._base}/paused", "ON" if self._control.paused.is_set() else "OFF")

    def _tell_threshold(self) -> None:
        if self._threshold is not None:
            self._send(f"{self._base}/threshold", f"{self._threshold:g}")


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
