"""A camera's frame for all its zones: decoded at most once for each rotation and size, and only if a zone needs it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Callable

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.pipeline.zone import viewed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["SharedFrame"]

_Key = tuple[int, str, tuple[int, int]]


class SharedFrame:
    """A frame that several zones use, from several threads.

    Args:
        moment: its time, see ``Frame.moment``; None if that is known only once it is decoded.
        decode: returns the frame, or None if it is damaged; called at most once.
        zones: number of zones that will use or skip it.
        finish: called with the frame once all of them have.
    """

    def __init__(
        self,
        moment: float | None,
        decode: Callable[[], Frame | None],
        zones: int,
        finish: Callable[[Frame], object] | None = None,
    ) -> None:
        self.moment, self._decode, self._left, self._finish = moment, decode, zones, finish
        self._lock = threading.Lock()
        self._variants: dict[_Key, Frame] = {}
        self._glimpses: dict[tuple[int, int], npt.NDArray[np.uint8] | None] = {}
        self._frame: Frame | None = None
        self._is_decoded = False

    @property
    def is_being_decoded(self) -> bool:
        """Return whether a zone that asked for it now would have to wait."""
        return self._lock.locked()

    def glimpse(self, min_size: tuple[int, int]) -> npt.NDArray[np.uint8] | None:
        """Return the result of ``UndecodedJpeg.glimpse``; None if it is not a JPEG, or is damaged."""
        glimpse = getattr(self._decode, "glimpse", None)
        if glimpse is None:
            return None
        with self._lock:
            if min_size not in self._glimpses:
                self._glimpses[min_size] = glimpse(min_size)
            return self._glimpses[min_size]

    def frame(self) -> Frame | None:
        """Return it as decoded by the source; None if it is damaged."""
        with self._lock:
            return self._decoded()

    def _decoded(self) -> Frame | None:
        if not self._is_decoded:
            self._frame, self._is_decoded = self._decode(), True
        return self._frame

    def viewed(self, classifier: Classifier, view: View) -> Frame | None:
        """Return the result of ``zone.viewed``; None if it is damaged."""
        key = (view.rotate, view.flip, classifier.card.preprocessing.min_decoded_size)
        with self._lock:
            frame = self._decoded()
            if frame is None:
                return None
            if key not in self._variants:
                self._variants[key] = viewed(frame, classifier, View(rotate=view.rotate, flip=view.flip))
            variant = self._variants[key]
        return viewed(variant, classifier, view)

    def done(self) -> None:
        """Note that one of the zones is done with it."""
        with self._lock:
            self._left -= 1
            is_last = self._left == 0 and self._frame is not None
        if is_last and self._finish is not None and self._frame is not None:
            self._finish(self._frame)
