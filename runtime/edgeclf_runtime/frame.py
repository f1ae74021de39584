"""Frame: an image from a source."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable

from edgeclf_runtime.pictures.view import View

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Frame", "FrameOnDemand"]


@dataclass(frozen=True)
class Frame:
    """An image from a source.

    Attributes:
        pixels: uint8 RGB, ``[height, width, 3]``; a JPEG may be decoded at reduced size, see ``whole``.
        time: time of capture, in seconds of ``time.monotonic()``; for a file, when it was read.
        number: position in the source's sequence, from 0; frames dropped by a live source leave gaps.
        source: where it came from: a device, a path, an address without its password.
        jpeg: the original JPEG, if the image came as one.
        film_time: position in the video, in seconds; None for other sources.
        view: the rotation already applied, and the region that is classified; by default the whole image.
        unturned: the original JPEG of a rotated or mirrored image, as the camera sent it.
        min_size: the minimum width and height, before rotation, that decoding at reduced size kept, by the rule of a
            model card; (0, 0) for other images.
    """

    pixels: npt.NDArray[np.uint8]
    time: float
    number: int
    source: str
    jpeg: bytes | None = field(default=None, repr=False)
    film_time: float | None = None
    view: View = field(default_factory=View)
    unturned: bytes | None = field(default=None, repr=False)
    min_size: tuple[int, int] = (0, 0)

    @property
    def moment(self) -> float:
        """Time for frame rates, averages and gaps, in seconds: the position in the video, else ``time``."""
        return self.time if self.film_time is None else self.film_time

    def viewed(self, view: View, min_size: tuple[int, int] = (0, 0)) -> Frame:
        """Return the frame rotated, unless its source has done so, and with the region set.

        Args:
            view: rotation and region.
            min_size: ``Preprocessing.min_decoded_size`` of the model, so that a JPEG is decoded only once.
        """
        if view == self.view:
            return self
        if self.view.turns or not view.turns:
            return replace(self, view=replace(self.view, region=view.region, polygon=view.polygon))
        frame = self.decoded_for(view.before_turning(min_size)) if any(min_size) else self._at_full_size()
        return replace(frame, pixels=view.turn(frame.pixels), jpeg=None, view=view, unturned=self.jpeg)

    def decoded_for(self, min_size: tuple[int, int]) -> Frame:
        """Return the frame with a JPEG decoded by the rule of a model card.

        Args:
            min_size: ``Preprocessing.min_decoded_size`` of the model; (0, 0) keeps pixels that the source decoded at
                reduced size by its own option.

        Returns:
            this frame if its pixels are right already, or if it did not come as a JPEG.
        """
        from edgeclf_runtime.errors import ImageError
        from edgeclf_runtime.pictures.header import read_header
        from edgeclf_runtime.pictures.images import decode_image, decoded_part

        data, wanted = self.jpeg or self.unturned, self.view.before_turning(min_size)
        if data is None or wanted == self.min_size:
            return self
        try:
            header = read_header(data)
            if any(self.min_size) and decoded_part(header, wanted) == decoded_part(header, self.min_size):
                return replace(self, min_size=wanted)
            if decoded_part(header, wanted) == 1:
                return replace(self, pixels=self.whole(), min_size=wanted)
            pixels = decode_image(data, self.source, min_size=wanted)
        except ImageError:  # damaged in a part that reduced decoding skipped
            return self
        return replace(self, pixels=self.view.turn(pixels), min_size=wanted)

    def _at_full_size(self) -> Frame:
        from edgeclf_runtime.errors import ImageError

        try:
            return replace(self, pixels=self.whole(), min_size=(0, 0))
        except ImageError:  # damaged in a part that reduced decoding skipped
            return self

    def seen(self) -> npt.NDArray[np.uint8]:
        """Return the classified region at full size, uint8 RGB.

        Raises:
            ImageError: the JPEG is damaged in a part that decoding at reduced size skipped.
        """
        return self.view.cut(self.whole())

    def whole(self) -> npt.NDArray[np.uint8]:
        """Return the whole image at full size, uint8 RGB.

        Raises:
            ImageError: the JPEG is damaged in a part that decoding at reduced size skipped.
        """
        data = self.jpeg or self.unturned
        if data is None:
            return self.pixels
        from edgeclf_runtime.pictures.header import read_header
        from edgeclf_runtime.pictures.images import decode_image

        header = read_header(data)
        if header.width * header.height == self.pixels.shape[0] * self.pixels.shape[1]:
            return self.pixels
        return self.view.turn(decode_image(data, self.source))


class FrameOnDemand:
    """A camera's frame that is decoded only when accessed; has everything that a ``Frame`` has.

    Args:
        time: see ``Frame.time``.
        decode: returns the frame, or None if it is damaged; called at most once.
    """

    def __init__(self, time: float, decode: Callable[[], Frame | None]) -> None:
        self.time, self._decode = time, decode
        self._lock = threading.Lock()
        self._frame: Frame | None = None
        self._is_decoded = False

    @property
    def frame(self) -> Frame:
        """The decoded frame.

        Raises:
            ImageError: it is damaged.
        """
        with self._lock:
            if not self._is_decoded:
                self._frame, self._is_decoded = self._decode(), True
        if self._frame is None:
            from edgeclf_runtime.errors import ImageError

            raise ImageError("A damaged image.")
        return self._frame

    def __getattr__(self, name: str) -> Any:
        return getattr(self.frame, name)
