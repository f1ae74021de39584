"""An image on its way from a source to a classifier."""

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
    """One image.

    Attributes:
        pixels: uint8 RGB, ``[height, width, 3]``; a source that decodes fast may give a JPEG at a part of its size.
        time: when it was captured, in seconds of ``time.monotonic()``; of a file, when it was read.
        number: its place in the source's sequence, from 0; frames a live source dropped leave gaps.
        source: what gave it: a device, a path, an address without its password.
        jpeg: the image as it came, where it came as one.
        film_time: of a film's image, its place in the film, in seconds; None of other sources.
        view: how it was turned already, and the region of it that is classified; all of it where nothing says.
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
        """In seconds of the clock by which rates, averages and pauses go: the film's own, else that of ``time``."""
        return self.time if self.film_time is None else self.film_time

    def viewed(self, view: View) -> Frame:
        """The frame turned, unless its source has done so, with its region noted."""
        if view == self.view:
            return self
        if self.view.turns or not view.turns:
            return replace(self, view=replace(self.view, region=view.region))
        from edgeclf_runtime.errors import ImageError

        try:
            pixels = self.whole()
        except ImageError:  # damaged where it was not decoded
            pixels = self.pixels
        return replace(self, pixels=view.turn(pixels), jpeg=None, view=view)  # its JPEG lies as the camera does

    def seen(self) -> npt.NDArray[np.uint8]:
        """uint8 RGB of the region that is classified, in the size in which it came.

        Raises:
            ImageError: it is damaged where the smaller one was not.
        """
        return self.view.cut(self.whole())

    def whole(self) -> npt.NDArray[np.uint8]:
        """uint8 RGB in the size in which it came.

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
