"""What may be changed in a zone while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["ZoneControl"]


@dataclass(eq=False)
class ZoneControl:
    """Can be set from any thread; a zone obeys from its next frame on.

    Attributes:
        paused: an event; while it is set, no frame is classified.
        threshold: score below which the answer is "unknown", 0 to 1; None for the settings' threshold.
    """

    paused: threading.Event = field(default_factory=threading.Event)
    threshold: float | None = None
