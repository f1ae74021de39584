"""Which part of which frames is worth classifying: a region of interest, a rate, and whether anything moved."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.frame import Frame

__all__ = ["Gate", "GateRule"]

_SMALL = (32, 24)  # the size at which two pictures are compared


@dataclass(frozen=True)
class GateRule:
    """What is let through.

    Attributes:
        region: left, top, width, height as shares of the picture; all of it by default.
        max_fps: frames classified in a second, at most; 0 for no bound.
        motion: mean difference to the last classified picture, in grey levels of 255, below which a frame is skipped;
            0 classifies all. A camera's noise is about 1.
        refresh: seconds after which a still scene is classified all the same.
    """

    region: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    max_fps: float = 0.0
    motion: float = 0.0
    refresh: float = 10.0

    def __post_init__(self) -> None:
        left, top, width, height = self.region
        inside = (
            left >= 0 and top >= 0 and width > 0 and height > 0 and left + width <= 1.0001 and top + height <= 1.0001
        )
        if not inside:
            raise UsageError(f"Region {self.region}: expected left, top, width, height as shares within 0 to 1.")
        if self.max_fps < 0 or not 0 <= self.motion <= 255 or self.refresh <= 0:
            raise UsageError("Expected max fps at least 0, motion within 0 to 255, refresh above 0 seconds.")


class Gate:
    """Follows one source's frames."""

    def __init__(self, rule: GateRule) -> None:
        self._rule = rule
        self._last = -1e9
        self._seen: npt.NDArray[np.float32] | None = None

    def admit(self, frame: Frame) -> Frame | None:
        """The frame cut to the region, or None where it is to be skipped."""
        rule = self._rule
        waited = frame.time - self._last
        if rule.max_fps and waited < 0.95 / rule.max_fps:
            return None
        cut = self._cut(frame)
        if rule.motion:
            small = _small(cut.pixels)
            still = self._seen is not None and float(np.abs(small - self._seen).mean()) < rule.motion
            if still and waited < rule.refresh:
                return None
            self._seen = small
        self._last = frame.time
        return cut

    def _cut(self, frame: Frame) -> Frame:
        if self._rule.region == (0.0, 0.0, 1.0, 1.0):
            return frame
        left, top, width, height = self._rule.region
        rows, columns = frame.pixels.shape[:2]
        first_row, first_column = min(int(top * rows), rows - 1), min(int(left * columns), columns - 1)
        last_row = max(first_row + 1, round((top + height) * rows))
        last_column = max(first_column + 1, round((left + width) * columns))
        return replace(frame, pixels=np.ascontiguousarray(frame.pixels[first_row:last_row, first_column:last_column]))


def _small(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    import cv2

    small = cv2.resize(pixels, _SMALL, interpolation=cv2.INTER_AREA)
    return np.asarray(small.mean(axis=2), np.float32)
