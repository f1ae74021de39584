"""Take the frames of a source; do not decode those that ``max_fps`` skips, nor at full size those without motion."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Callable, NamedTuple

from edgeclf_runtime.decision.gap import Gaps
from edgeclf_runtime.decision.gate import Gate
from edgeclf_runtime.frame import Frame, FrameOnDemand
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.sources import Offering, Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["DueFrame", "due_frames"]

Decode = Callable[[], "Frame | None"]


class DueFrame(NamedTuple):
    """A frame that may be classified.

    Attributes:
        frame: the frame.
        follows_gap: whether a gap of the source precedes it.
        has_opened: whether the gate has said yes already; see ``Gate.look``.
    """

    frame: Frame
    follows_gap: bool
    has_opened: bool = False


def due_frames(
    source: Source,
    gate: Gate,
    view: Callable[[], View],
    glance: Callable[[FrameOnDemand], object],
    glimpsed: Callable[[Decode], Frame | None],
) -> Iterator[DueFrame]:
    """Yield the frames that may be classified.

    Args:
        source: its frames are decoded one by one if it is ``Offering``, as cameras are.
        gate: decides by a frame's time, and by a small image of it.
        view: what is classified of the next frame.
        glance: gets the frames that are not decoded.
        glimpsed: decodes such a frame for whoever looks at it.
    """
    gaps = Gaps()
    if not isinstance(source, Offering):
        yield from (DueFrame(frame, gaps.ends_at(frame.moment)) for frame in source)
        return
    follows_gap, skips = False, getattr(source, "skips", source.live)
    for moment, decode in source.offered():
        follows_gap = gaps.ends_at(moment) or follows_gap
        passes = gate.look(moment, getattr(decode, "glimpse", _nothing), view(), skips)
        if passes is False:
            glance(FrameOnDemand(moment, functools.partial(glimpsed, decode)))
        elif (frame := decode()) is not None:
            yield DueFrame(frame, follows_gap, passes is True)
            follows_gap = False


def _nothing(min_size: tuple[int, int]) -> npt.NDArray[np.uint8] | None:
    return None
