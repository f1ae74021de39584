"""What a source is: something that gives frames."""

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

__all__ = ["Source", "SourceOptions", "SourceState", "StateListener", "Undecoded", "is_camera"]


class Source(Protocol):
    """Iterated once, by one thread; a context manager that closes it.

    Attributes:
        description: what it reads, without any password, and, of a camera, what it granted.
        live: frames come when the world gives them, and those nobody takes are dropped.

    One with a method ``finish(frame)`` is told which frames were classified, or are not to be.
    """

    description: str
    live: bool

    def __iter__(self) -> Iterator[Frame]:
        """The frames; raises SourceError when they cannot go on."""

    def close(self) -> None:
        """Let go of the device, file or connection; safe to call twice."""

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def is_camera(source: Source) -> bool:
    """Whether its images are those of a camera, which the model's card may turn and cut.

    Also a film's, and those that come into a watched folder; not those of files that are there already.
    """
    return bool(getattr(source, "is_camera", source.live))


@runtime_checkable
class Undecoded(Protocol):
    """A source whose frames several threads can decode at the same time."""

    def undecoded(self) -> Iterator[Callable[[], Frame | None]]:
        """For each frame what decodes it, to be called once, in any thread; iterated in place of the source.

        Each gives None for one that is damaged, of which the log tells, and raises SourceError where all were.
        """


@dataclass(frozen=True)
class SourceState:
    """How a live source is doing.

    Attributes:
        name: "opening"; "running"; "stalled", no frame for longer than the options allow; "frozen", always the very
            same one; "lost", the reason says why; "closed".
        since: in seconds of ``time.monotonic()``.
        reason: for people; empty when it runs.
        reopened: how often it was opened again.
        time: when this was noticed, in seconds since 1970.
    """

    name: str
    since: float
    reason: str = ""
    reopened: int = 0
    time: float = field(default_factory=time.time, compare=False)


StateListener = Callable[[SourceState], None]
"""Told of every change, in whichever thread notices it; must not wait."""


@old_fields(KEYS["camera"])
@dataclass(frozen=True)
class SourceOptions:
    """What is asked of a source; each kind heeds what applies to it.

    Attributes:
        width, height: of a camera's images, in pixels; 0 leaves them to it.
        fps: of a camera, in frames a second; 0 leaves it to it. At this rate, else once a second, an http address that
            answers with one image is asked again.
        format: of a V4L2 camera's images, four letters such as "MJPG" or "YUYV"; empty leaves it to it.
        reopen: open a live source again after it is lost, for ever; else that ends it.
        wait: do so too when it cannot be opened at the start.
        stalled_after: seconds without a frame after which a live source is stalled.
        frozen_after: seconds of the very same image after which a camera or stream is taken for frozen and opened
            again; 0 for never. A real sensor's noise makes every image different.
        realtime: give a video file's frames at its own speed.
        watch: of a folder, go on with files that come into it.
        fast_decode: decode JPEGs, also those of a camera, stream or film, at a half, quarter or eighth of their size
            where that is enough for the model. Less work, and not quite the pixels of training: some answers change.
        min_decoded_size: pixels that both sides must then keep; 0 for always in full. ``edgeclf run --fast-decode``
            takes it from the model.
        insecure: take any certificate of an https or rtsps camera; whoever answers then gets its password.
        rotate: of a camera, stream, standard input or film: degrees clockwise by which images are turned: 0, 90, 180
            or 270; None turns none, and ``edgeclf run`` takes the model card's. Images of files have EXIF for it and
            are left as they are.
        flip: of the same, then: "none"; "horizontal" exchanges left and right; "vertical" top and bottom; None as of
            ``rotate``. JPEGs that are turned or mirrored are decoded in full.
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
        """Whether images are turned or mirrored."""
        return bool(self.rotate) or self.flip not in (None, "none")

    @property
    def min_size(self) -> int:
        """``min_decoded_size`` where it applies: images that are turned are decoded in full, 0."""
        return 0 if self.turns else self.min_decoded_size
