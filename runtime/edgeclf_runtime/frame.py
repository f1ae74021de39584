"""Frame: an image from a source."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgeclf_runtime.pictures.view import View

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Frame"]


@dataclass(frozen=True)
class Frame:
    """An image from a source.

    Attributes:
        pixels: uint8 RGB, ``[height, width, 3]``; with fast decoding a JPEG may be decoded at reduced size.
        time: time of capture, in seconds of ``time.monotonic()``; for a file, when it was read.
        number: position in the source's sequence, from 0; frames dropped by a live source leave gaps.
        source: where it came from: a device, a path, an address without its password.
        jpeg: the original JPEG, if it came as one.
        film_time: position in the video, in seconds; None for other sources.
        view: the rotation already applied, and the region that is classified; by default the whole image.
    """

    pixels: npt.NDArray[np.uint8]
    time: float
    number: int
    source: str
    jpeg: bytes | None = field(default=None, repr=False)
    film_time: float | None = None
    view: View = field(default_factory=View)

    @property
    def moment(self) -> float:
        """Time for frame rates, averages and pauses, in seconds: the position in the video, else ``time``."""
        return self.time if self.film_time is None else self.film_time

    def viewed(self, view: View) -> Frame:
        """Return the frame rotated, unless its source has done so, and with the region set."""
        if view == self.view:
            return self
        if self.view.turns or not view.turns:
            return replace(self, view=replace(self.view, region=view.region))
        from edgeclf_runtime.errors import ImageError

        try:
            pixels = self.whole()
        except ImageError:  # damaged in a part that reduced decoding skipped
            pixels = self.pixels
        return replace(self, pixels=view.turn(pixels), jpeg=None, view=view)  # the JPEG is not rotated

    def seen(self) -> npt.NDArray[np.uint8]:
        """Return the classified region at full size, uint8 RGB.

        Raises:
            ImageError: it is damaged where the smaller one was not.
        """
        return self.view.cut(self.whole())

    def whole(self) -> npt.NDArray[np.uint8]:
        """Return the whole image at full size, uint8 RGB.

        Raises:
            ImageError: it is damaged where the smaller one was not.
        """
        if self.jpeg is None:
            return self.pixels
        from edgeclf_runtime.pictures.header import read_header
        from edgeclf_runtime.pictures.images import decode_image

        header = read_header(self.jpeg)
        if header.width * header.height == self.pixels.shape[0] * self.pixels.shape[1]:
            return self.pixels
        return decode_image(self.jpeg, self.source)
