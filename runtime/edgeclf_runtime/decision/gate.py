"""Choose which frames to classify, by rate and motion, and which region of them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Callable, Optional

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.decision.gap import Gaps
from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.view import Region, View, region_mistakes

__all__ = ["Gate", "GateRule", "Glimpse", "has_moved", "reduced"]

Glimpse = Callable[[tuple[int, int]], "npt.NDArray[np.uint8] | None"]
"""Decodes a frame at a size that keeps a width and a height; returns None if it cannot, or if it is damaged."""

_SMALL = (32, 24)  # the size at which two images are compared
_PART = 0.005  # share of the cells that a small object changes
_PART_MORE = 3.0  # factor for a single cell, whose noise is larger than that of the mean


@dataclass(frozen=True)
class GateRule:
    """Which frames are classified.

    Attributes:
        region: left, top, width, height as shares of the image; None uses the model card's region for a camera, and
            the whole image otherwise.
        max_fps: maximum number of frames classified per second; 0 for no limit. In a video its own time counts; image
            files and images from standard input are delayed, not skipped.
        motion: skip frames that differ by less from the last image with motion, in grey levels of 255: in the mean of
            the whole image, and by less than three times that in each 1/200 of it (an object of 1/14 of the image's
            side); 0 classifies all frames. The noise of a camera is about 1.
        linger: seconds to go on classifying after something moved, so that votes and averages settle.
        refresh: interval in seconds at which a still scene is classified anyway.
    """

    region: Optional[Region] = None  # noqa: UP045  read at run time by settings, on Python 3.9 too
    max_fps: float = 0.0
    motion: float = 0.0
    linger: float = 2.0
    refresh: float = 10.0

    def __post_init__(self) -> None:
        wrong = [] if self.region is None else region_mistakes(self.region)
        if self.max_fps < 0 or self.linger < 0 or self.refresh <= 0:
            wrong.append("expected max_fps and linger at least 0, refresh above 0 seconds")
        if not 0 <= self.motion <= 255:
            wrong.append(f"motion {self.motion}: expected 0 to 255")
        if wrong:
            raise UsageError(f"Gate: {'; '.join(wrong)}.")


class Gate:
    """Chooses the frames of one source that are classified."""

    def __init__(self, rule: GateRule) -> None:
        self._rule = rule
        self._last = self._moved = self._due = -1e9
        self._gaps = Gaps()
        self._seen: npt.NDArray[np.float32] | None = None

    @property
    def follows(self) -> bool:
        """Whether the choice depends on earlier frames."""
        return bool(self._rule.max_fps or self._rule.motion)

    def is_due(self, moment: float) -> bool:
        """Return whether ``max_fps`` allows a frame at this time, in seconds; call it for every frame, in order."""
        if self._gaps.ends_at(moment):  # earlier motion no longer counts
            self._last = self._moved = -1e9
            self._seen = None
        return not self._rule.max_fps or moment - self._last >= 0.95 / self._rule.max_fps

    def admit(
        self, frame: Frame, delay: Callable[[float], object] | None = None, has_opened: bool = False
    ) -> Frame | None:
        """Return the frame cropped to the region, or None to skip it.

        Args:
            frame: the next frame of the source.
            delay: waits a number of seconds; for sources that can wait, whose frames are delayed for ``max_fps``.
            has_opened: whether ``look`` has already returned True.
        """
        rule = self._rule
        if not self.is_due(frame.moment) and delay is None:
            return None
        cut = self._cut(frame)
        if rule.motion and not has_opened and not self._opens(frame.moment, reduced(cut.pixels)):
            return None
        self._last = frame.moment
        if delay is not None and rule.max_fps:
            now = time.monotonic()
            delay(max(0.0, self._due - now))
            self._due = max(now, self._due) + 1 / rule.max_fps
        return cut

    def look(self, moment: float, glimpse: Glimpse, view: View, skips: bool) -> bool | None:
        """Return whether to classify a frame, before it is decoded; None if only ``admit`` can tell.

        Call it for every frame, in order, instead of ``is_due``.

        Args:
            moment: time of the frame, in seconds.
            glimpse: decodes the frame, not rotated, at a smaller size of at least a width and a height.
            view: the part that is classified.
            skips: whether ``max_fps`` skips frames of the source.
        """
        if not self.is_due(moment) and skips:
            return False
        if not self._rule.motion:
            return None
        part = view if self._rule.region is None else View(self._rule.region)
        _, _, width, height = part.region
        needed = math.ceil(2 * _SMALL[0] / width), math.ceil(2 * _SMALL[1] / height)
        pixels = glimpse(view.before_turning(needed))
        return None if pixels is None else self._opens(moment, reduced(part.cut(view.turn(pixels))))

    def _opens(self, moment: float, small: npt.NDArray[np.float32]) -> bool:
        rule = self._rule
        if self._seen is None or has_moved(self._seen, small, rule.motion):
            self._moved, self._seen = moment, small
            return True
        return moment - self._moved < rule.linger or moment - self._last >= rule.refresh

    def _cut(self, frame: Frame) -> Frame:
        view = frame.view if self._rule.region is None else View(self._rule.region)
        pixels = view.cut(frame.pixels)
        if pixels is frame.pixels:
            return frame
        return replace(frame, pixels=pixels, jpeg=None, view=View(), unturned=None)


def has_moved(before: npt.NDArray[np.float32], now: npt.NDArray[np.float32], motion: float) -> bool:
    """Return whether two reduced images differ by ``motion`` grey levels; see ``GateRule.motion``."""
    difference = np.abs(now - before)
    changed = np.count_nonzero(difference >= _PART_MORE * motion)
    return bool(difference.mean() >= motion or changed >= _PART * difference.size)


def reduced(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the brightness of an image, uint8 RGB, at the size at which images are compared."""
    import cv2

    small = cv2.resize(pixels, _SMALL, interpolation=cv2.INTER_AREA)
    return np.asarray(small.mean(axis=2), np.float32)
