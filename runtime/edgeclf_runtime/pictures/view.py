"""The part of a camera's image that the network sees: the image is rotated, mirrored, then cropped to a region."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeclf_runtime.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    _Pixels = npt.NDArray[np.uint8]

__all__ = ["MASK", "WHOLE", "GivenView", "Polygon", "Region", "View", "region_mistakes", "turn_mistakes"]

Region = tuple[float, float, float, float]
"""Left, top, width, height, as shares of the image."""

WHOLE: Region = (0.0, 0.0, 1.0, 1.0)

Polygon = tuple[tuple[float, float], ...]
"""Corners in order, each left and top as shares of the image."""

MASK = 127
"""Grey level, of 255, of what lies outside a polygon."""


@dataclass(frozen=True)
class View:
    """How a camera's image is rotated, mirrored and cropped before it is classified.

    Attributes:
        region: left, top, width, height of the part, as shares of the image after rotating and mirroring.
        rotate: degrees clockwise, applied first: 0, 90, 180 or 270.
        flip: applied next: "none"; "horizontal" exchanges left and right; "vertical" exchanges top and bottom.
        polygon: within ``region``, what lies outside these corners becomes grey (``MASK``); empty for none.

    Raises:
        UsageError: invalid value.
    """

    region: Region = WHOLE
    rotate: int = 0
    flip: str = "none"
    polygon: Polygon = ()

    def __post_init__(self) -> None:
        wrong = region_mistakes(self.region) + turn_mistakes(self.rotate, self.flip)
        if wrong:
            raise UsageError(f"{'; '.join(wrong)}.")

    @property
    def turns(self) -> bool:
        """Whether images are rotated or mirrored."""
        return bool(self.rotate) or self.flip != "none"

    @property
    def changes(self) -> bool:
        """Whether images are changed at all."""
        return self != View()

    def see(self, pixels: _Pixels) -> _Pixels:
        """Return the part of a camera's image, uint8 RGB ``[height, width, 3]``, that is classified; it is a copy."""
        import numpy as np

        return np.ascontiguousarray(self.cut(self.turn(pixels)))

    def turn(self, pixels: _Pixels) -> _Pixels:
        """Return the whole image, rotated and mirrored."""
        if not self.turns:
            return pixels
        import cv2
        import numpy as np

        codes = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
        if self.rotate:
            pixels = np.asarray(cv2.rotate(pixels, codes[self.rotate]), np.uint8)
        if self.flip != "none":
            pixels = np.asarray(cv2.flip(pixels, 1 if self.flip == "horizontal" else 0), np.uint8)
        return pixels

    def before_turning(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the width and height of an image before ``turn``, given those after it."""
        return size[::-1] if self.rotate in (90, 270) else size

    def cut(self, pixels: _Pixels) -> _Pixels:
        """Crop an image that ``turn`` returned to the region, at least one pixel, and mask it outside the polygon.

        Without a polygon, nothing is copied.
        """
        if self.region == WHOLE and not self.polygon:
            return pixels
        import numpy as np

        left, top, width, height = self.region
        rows, columns = pixels.shape[:2]
        first_row, first_column = min(int(top * rows), rows - 1), min(int(left * columns), columns - 1)
        last_row = max(first_row + 1, round((top + height) * rows))
        last_column = max(first_column + 1, round((left + width) * columns))
        part = pixels[first_row:last_row, first_column:last_column]
        if not self.polygon:
            return part
        import cv2

        corners = np.round(np.array(self.polygon) * (columns, rows)) - (first_column, first_row)
        inside = cv2.fillPoly(np.zeros(part.shape[:2], np.uint8), [corners.astype(np.int32)], 1)
        return np.where(inside[..., np.newaxis], part, np.uint8(MASK))

    def __str__(self) -> str:
        """Describe the view, such as ``region 0.2,0,0.5,1, rotate 180``."""
        region = ",".join(f"{share:g}" for share in self.region)
        shown = [f"region {region}"] if self.region != WHOLE else []
        shown += [f"polygon of {len(self.polygon)} points"] if self.polygon else []
        shown += [f"rotate {self.rotate}"] if self.rotate else []
        shown += [f"flip {self.flip}"] if self.flip != "none" else []
        return ", ".join(shown) or "the whole image"


@dataclass(frozen=True)
class GivenView:
    """The view set by a user; None takes a value from the model card."""

    region: Region | None = None
    rotate: int | None = None
    flip: str | None = None
    polygon: Polygon = ()

    def over(self, card: View, camera: bool) -> View:
        """Return the view to use.

        Args:
            card: view of the model card.
            camera: whether the images come from a camera; otherwise the card's view is ignored and nothing is rotated.
        """
        region = card.region if camera else WHOLE
        region = region if self.region is None else self.region
        if not camera:
            return View(region, polygon=self.polygon)
        rotate = card.rotate if self.rotate is None else self.rotate
        return View(region, rotate, card.flip if self.flip is None else self.flip, self.polygon)

    def describe(self, card: View, camera: bool) -> str:
        """Return a line that says what the network sees and where that was set; empty if it sees whole images."""
        view = self.over(card, camera)
        if not camera and card.changes and self.region is None:
            return f"These images are classified as they are: {card} in the model file is for a camera."
        if not view.changes and not card.changes:
            return ""
        own = View(self.region or WHOLE, self.rotate or 0, self.flip or "none", self.polygon)
        whose = "as the model file says" if view == card else "as configured"
        if view not in (card, own):
            whose = "as the model file and the configuration say"
        instead = f" in place of the model file's {card}" if card.changes and view != card else ""
        return f"The network sees of each image: {view}, {whose}{instead}."


def region_mistakes(region: Region) -> list[str]:
    """Return the errors in a region; empty if it is valid."""
    left, top, width, height = region
    inside = min(left, top) >= 0 and max(left + width, top + height) < 1.0001
    if inside and min(width, height) > 0 and all(map(math.isfinite, region)):
        return []
    return [f"region {region}: expected left, top, width, height as shares within 0 to 1"]


def turn_mistakes(rotate: int, flip: str) -> list[str]:
    """Return the errors in a rotation and a flip; empty if they are valid."""
    wrong = []
    if rotate not in (0, 90, 180, 270):
        wrong.append(f"rotate {rotate}: expected 0, 90, 180 or 270 degrees clockwise")
    if flip not in ("none", "horizontal", "vertical"):
        wrong.append(f'flip {flip!r}: expected "none", "horizontal" or "vertical"')
    return wrong
