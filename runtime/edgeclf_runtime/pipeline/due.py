"""Take the frames of a source; of a camera, do not decode those that ``max_fps`` skips."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Callable

from edgeclf_runtime.decision.gap import Gaps
from edgeclf_runtime.decision.gate import Gate
from edgeclf_runtime.frame import Frame, FrameOnDemand
from edgeclf_runtime.sources import Source

__all__ = ["due_frames"]

Decode = Callable[[], "Frame | None"]


def due_frames(
    source: Source,
    gate: Gate,
    glance: Callable[[FrameOnDemand], object],
    glimpsed: Callable[[Decode], Frame | None],
) -> Iterator[tuple[Frame, bool]]:
    """Yield the frames that may be classified, and whether a gap of the source precedes each.

    Args:
        source: its frames are decoded one by one if it can offer them undecoded, as cameras do.
        gate: decides by a frame's time.
        glance: gets the frames that are not decoded.
        glimpsed: decodes such a frame for whoever looks at it.
    """
    gaps, offered = Gaps(), getattr(source, "offered", None)
    if offered is None:
        yield from ((frame, gaps.ends_at(frame.moment)) for frame in source)
        return
    follows_gap = False
    for moment, decode in offered():
        follows_gap = gaps.ends_at(moment) or follows_gap
        if source.live and not gate.is_due(moment):
            glance(FrameOnDemand(moment, functools.partial(glimpsed, decode)))
        elif (frame := decode()) is not None:
            yield frame, follows_gap
            follows_gap = False
