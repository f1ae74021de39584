"""The interface of a source, which gives frames."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Callable, Optional, Protocol, runtime_checkable

from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.view import turn_mistakes
from edgeclf_runtime.renamed import KEYS, old_fields

__all__ = ["Offering", "Source", "SourceOptions", "SourceState", "StateListener", "Undecoded", "is_camera"]


class Source(Protocol):
    """A source of frames, iterated once, by one thread; a context manager that closes itself.

    Attributes:
        description: what it reads, without any password, and, for a camera, the settings that were granted.
        live: whether frames come in real time, so that those not taken are dropped.

    If a source has a method ``finish(frame)``, it is called for each frame that was classified or skipped. If it has a
    method ``decode_for(min_size)``, that is called with the width and height that a JPEG must keep by the rule of the
    model card, before the first frame and whenever they change, so that no JPEG is decoded twice; (0, 0) for no rule.
    """

    description: str
    live: bool

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; raise SourceError if no more can be read."""

    def close(self) -> None:
        """Close the device, file or connection; safe to call twice."""

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def is_camera(source: Source) -> bool:
    """Whether the images come from a camera, so that the view in the model card applies.

    This includes videos and images that arrive in a watched folder, but not image files that were there before.
    """
    return bool(getattr(source, "is_camera", source.live))


@runtime_checkable
class Undecoded(Protocol):
    """A source whose frames can be decoded by several threads in parallel."""

    def undecoded(self) -> Iterator[Callable[[], Frame | None]]:
        """Yield a function for each frame that decodes it; call it once, in any thread. Replaces ``__iter__``.

        The function returns None for a damaged frame, after logging it, and raises SourceError if all were damaged.
        """


@runtime_checkable
class Offering(Protocol):
    """A source that knows the time of a frame before it is decoded.

    Frames that nobody accesses need not be decoded. ``max_fps`` skips the frames of a source that is live or has the
    attribute ``skips``, and delays those of others.
    """

    def offered(self) -> Iterator[tuple[float, Callable[[], Frame | None]]]:
        """Yield ``Frame.moment`` of each frame, with a function that decodes it and returns None if it is damaged.

        For a JPEG, the function is an ``UndecodedJpeg``, unless the source rotates its images. Replaces ``__iter__``.
        """


@dataclass(frozen=True)
class SourceState:
    """The state of a live source.

    Attributes:
        name: "opening"; "running"; "stalled", no frame for longer than the options allow; "frozen", always the same
            frame; "lost", see ``reason``; "closed".
        since: start of this state, in seconds of ``time.monotonic()``.
        reason: for display; empty while it runs.
        reopened: how often it was reopened.
        time: when the state was noticed, in seconds since 1970.
        camera: name of the camera; empty in a run of one camera without zones.
    """

    name: str
    since: float
    reason: str = ""
    reopened: int = 0
    time: float = field(default_factory=time.time, compare=False)
    camera: str = ""


StateListener = Callable[[SourceState], None]
"""Called for every change of state, in the thread that notices it; must not block."""


@old_fields(KEYS["camera"])
@dataclass(frozen=True)
class SourceOptions:
    """Options of a source; each kind of source uses those that apply to it.

    Attributes:
        width, height: image size to request from a camera, in pixels; 0 for its default.
        fps: frame rate to request from a camera, in frames per second; 0 for its default. An http address that answers
            with one image is requested at this rate, by default once per second.
        format: pixel format to request from a V4L2 camera, four letters such as "MJPG" or "YUYV"; empty for its
            default.
        reopen: reopen a live source whenever it is lost; otherwise the source ends.
        wait: also keep trying if it cannot be opened at the start.
        stalled_after: seconds without a frame after which a live source counts as stalled.
        frozen_after: seconds of identical images after which a camera or stream counts as frozen and is reopened; 0 for
            never. The noise of a real sensor makes every image different.
        realtime: play a video file at its own speed.
        watch: watch a folder for new files.
        fast_decode: decode JPEGs, also from a camera, stream or video, at 1/2, 1/4 or 1/8 of their size where that is
            enough for the model. Faster, but the pixels differ slightly from training: some answers change. Not needed
            for a model whose card asks for it (``Preprocessing.jpeg``): there it is exact, and always done.
        min_decoded_size: minimum width and height in pixels that is then kept; 0 decodes at full size. ``edgeclf run
            --fast-decode`` sets it from the model.
        insecure: accept any certificate of an https or rtsps camera; an impostor then receives its password.
        rotate: for a camera, stream, standard input or video: degrees clockwise by which images are rotated: 0, 90,
            180 or 270; None does not rotate, and ``edgeclf run`` uses the model card. Image files are not rotated:
            they have EXIF orientation.
        flip: for the same sources, after rotating: "none"; "horizontal" exchanges left and right; "vertical" exchanges
            top and bottom; None as for ``rotate``. JPEGs that are rotated or mirrored are decoded at full size.
    """

    width: int = 0
    height: int = 0
    fps: float = 0
    format: str = ""
    reopen: bool = False
    wait: bool = False
    stalled_after: float = 3.0
    frozen_after: float = 60.0
    realtime: bool = False
    watch: bool = False
    fast_decode: bool = False
    min_decoded_size: int = 0
    insecure: bool = False
    rotate: Optional[int] = None  # noqa: UP045  read at run time by settings, on Python 3.9 too
    flip: Optional[str] = None  # noqa: UP045

    def __post_init__(self) -> None:
        wrong = []
        if bool(self.width) != bool(self.height) or not (0 <= self.width <= 16384 and 0 <= self.height <= 16384):
            wrong.append(f"size {self.width}x{self.height}: expected both sides, 1 to 16384 pixels")
        if not 0 <= self.fps <= 1000:
            wrong.append(f"fps {self.fps}: expected 0 to 1000")
        if self.format and (len(self.format) != 4 or not self.format.isascii()):
            wrong.append(f"format {self.format!r}: expected four letters, such as MJPG or YUYV")
        if self.stalled_after <= 0 or self.frozen_after < 0:
            wrong.append("expected stalled_after above 0 seconds and frozen_after at least 0")
        wrong += turn_mistakes(0 if self.rotate is None else self.rotate, "none" if self.flip is None else self.flip)
        if self.min_decoded_size < 0:
            wrong.append(f"min_decoded_size {self.min_decoded_size}: expected at least 0 pixels")
        if wrong:
            raise UsageError(f"Camera: {'; '.join(wrong)}.")

    @property
    def turns(self) -> bool:
        """Whether images are rotated or mirrored."""
        return bool(self.rotate) or self.flip not in (None, "none")

    @property
    def min_size(self) -> int:
        """``min_decoded_size`` if it applies; 0 if images are rotated or mirrored, and so decoded at full size."""
        return 0 if self.turns else self.min_decoded_size
