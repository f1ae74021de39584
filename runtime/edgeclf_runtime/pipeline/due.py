"""Take the frames of a source, without decoding those that ``max_fps`` skips, or those without motion at full size."""

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
        has_opened: whether the gate has already accepted it; see ``Gate.look``.
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
        source: the source; frames of an ``Offering``, as cameras are, are decoded one by one.
        gate: decides by a frame's time, and by a small version of it.
        view: returns the part of the next frame that is classified.
        glance: called with the frames that are not classified.
        glimpsed: wraps such a frame to be decoded only when it is accessed.
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
