"""Offer a camera's frames to its zones, in a separate thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from typing import Callable

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pipeline.scheduler import Scheduler
from edgeclf_runtime.pipeline.shared_frame import SharedFrame
from edgeclf_runtime.pipeline.zone_turn import ZoneTurn
from edgeclf_runtime.sources import Offering, Source, Undecoded, is_camera

__all__ = ["Feed"]

_Decode = Callable[[], "Frame | None"]


class Feed:
    """One camera. A live camera offers each frame at once, replacing one that a zone has not taken yet; a source that
    can wait offers its next frame when all zones have taken the last.

    Args:
        name: name of the camera.
        open_source: opens it, in this feed's thread.
        count: called for each classified frame; returns False once the run needs no more.

    Attributes:
        source: the source; None until it is open.
        error: why it ended, if not by itself.
        is_over: whether it offers no more frames.
    """

    def __init__(self, name: str, open_source: Callable[[], Source], count: Callable[[], bool]) -> None:
        self.name, self.count, self._open = name, count, open_source
        self.source: Source | None = None
        self.error: SourceError | None = None
        self.is_live, self.is_camera, self.has_pauses, self.is_over = True, True, True, False
        self.skips = True
        self._stopping = threading.Event()
        self._turns: Sequence[ZoneTurn] = ()
        self._scheduler: Scheduler | None = None
        self._thread = threading.Thread(target=self._work, name=f"camera {name}", daemon=True)

    def serve(self, turns: Sequence[ZoneTurn], scheduler: Scheduler) -> None:
        """Offer the frames to these zones from now on; the first call opens the camera if that has not been done.

        Call it with the scheduler's lock held. Without zones, a live camera's frames are dropped; other sources pause.
        """
        gone = [turn for turn in self._turns if turn not in turns]
        self._turns, self._scheduler = turns, scheduler
        for turn in gone:
            turn.drop()
        if self._thread.ident is None and turns:
            self._thread.start()
        elif self.source is not None and turns:
            self._decode_for(self.source)
        scheduler.changed.notify_all()

    @property
    def is_done(self) -> bool:
        """Whether its zones get no more frames."""
        return self.is_over or not self._turns

    def open(self) -> None:
        """Open the camera.

        Raises:
            SourceError: it does not exist or cannot be opened.
        """
        source = self._open()
        self.is_live, self.is_camera = source.live, is_camera(source)
        self.skips = getattr(source, "skips", source.live)
        self.has_pauses = not getattr(source, "at_rest", False)
        self.source = source

    def taken(self) -> None:
        """Note that a zone took its frame: a source that can wait offers the next one once all zones have."""
        if not self.is_live:
            self.decoded()

    def decoded(self) -> None:
        """Wake the zones that wait for a frame to be decoded."""
        if self._scheduler is not None:
            with self._scheduler.changed:
                self._scheduler.changed.notify_all()

    def _work(self) -> None:
        assert self._scheduler is not None
        try:
            if self.source is None:
                self.open()
            if not self._stopping.is_set() and self.source is not None:
                with self.source as source:
                    self._offer_all(source, self._scheduler)
        except SourceError as error:
            if not self._stopping.is_set():
                self.error = error
        except Exception as error:  # whatever a library raises, the other cameras continue
            self.error = SourceError(f"{type(error).__name__}: {error}")
        finally:
            with self._scheduler.changed:
                self.is_over = True
                self._scheduler.wake()

    def _offer_all(self, source: Source, scheduler: Scheduler) -> None:
        self._decode_for(source)
        finish = getattr(source, "finish", None)
        frames = _frames(source)
        while not self._stopping.is_set():
            if not source.live:  # before the next is read, or it would get old
                with scheduler.changed:
                    scheduler.changed.wait_for(self._all_have_taken)
            if (item := next(frames, None)) is None:
                return
            with scheduler.changed:
                if self._stopping.is_set():
                    return
                shared = SharedFrame(*item, len(self._turns), finish)
                for turn in self._turns:
                    turn.offer(shared)
                scheduler.changed.notify_all()

    def _all_have_taken(self) -> bool:
        return self._stopping.is_set() or (bool(self._turns) and all(turn.is_free for turn in self._turns))

    def _decode_for(self, source: Source) -> None:
        """Have JPEGs decoded for the zone that needs the most pixels; the others decode them again if they need fewer.

        A model without a rule needs all pixels.
        """
        if (decode_for := getattr(source, "decode_for", None)) is None:
            return
        needed = []
        for turn in self._turns:
            classifier = turn.zone.classifier
            view = turn.zone.view_of(classifier, self.is_camera)
            needed.append(view.before_turning(classifier.card.preprocessing.min_decoded_size))
        decode_for(max(needed) if all(map(any, needed)) else (0, 0))

    def stop(self) -> None:
        """Offer no more frames, and close the source, which may take a second."""
        self._stopping.set()
        if self._scheduler is not None:
            self._scheduler.wake()
        if self.source is not None:
            self.source.close()

    @property
    def hangs(self) -> bool:
        """Return whether its device neither gives frames nor fails."""
        return bool(getattr(self.source, "hangs", False))


def _frames(source: Source) -> Iterator[tuple[float | None, _Decode]]:
    """Yield a source's frames, undecoded if it supports that, with their times, if known."""
    if isinstance(source, Offering):
        yield from source.offered()
    elif isinstance(source, Undecoded):
        yield from ((None, decode) for decode in source.undecoded())
    else:
        yield from ((frame.moment, functools.partial(_same, frame)) for frame in source)


def _same(frame: Frame) -> Frame:
    return frame
