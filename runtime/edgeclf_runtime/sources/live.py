"""A source that must not lag behind the world: its thread reads every frame and keeps the newest alone."""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any, Callable

from edgeclf_runtime.errors import ImageError, SourceEnded, SourceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.sources.connection import Capture
from edgeclf_runtime.sources.source import SourceOptions, SourceState, StateListener
from edgeclf_runtime.sources.turning import turned
from edgeclf_runtime.sources.undecoded import JpegDecoder, is_jpeg

__all__ = ["LiveSource"]

_log = logging.getLogger(__name__)
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds before it is opened again, doubled each time
_SETTLED = 10.0  # seconds of running after which waiting begins anew
_LOOK = 0.25  # seconds between two looks at whether frames still come
_STEP = 16  # every so many pixels are compared to find a frozen image


class LiveSource:
    """The newest frame of a camera or stream, each given once; frames that came meanwhile are dropped.

    While it is lost no frame is given, and none is ever given twice. A listener is told how it is doing.

    Args:
        opened: opens it, or raises SourceError; called again when it is lost and may be reopened.
        options: of which those of live sources are heeded.
        listener: told of every change of ``state``.
        patience: seconds that opening, reading or waiting for the next attempt can take; its thread hangs when it was
            not heard of for longer.
        wake: ends a read that waits, where that is possible; called from another thread.
        patient: of a source that can wait: it is read no further until the image before was taken, and none is lost.

    Raises:
        SourceError: it cannot be opened, and is not to be waited for.
    """

    is_camera = True

    def __init__(
        self,
        opened: Callable[[], Capture],
        options: SourceOptions,
        listener: StateListener | None = None,
        patience: float = 60.0,
        wake: Callable[[], None] = lambda: None,
        patient: bool = False,
    ) -> None:
        self.live = not patient
        self._opened, self._options, self._listener, self._patience = opened, options, listener, patience
        self._wake = wake
        self._fresh, self._closing = threading.Condition(), threading.Event()
        self._newest: tuple[Capture, Any, float, int] | None = None
        self._failure: SourceError | None = None
        self._number, self._reopened, self._damaged, self._last = 0, 0, 0, time.monotonic()
        self._spoilt = False  # all images are damaged, and that for longer than the options allow
        self._damaged_since: float | None = None
        self._heard = self._last  # of the thread that reads, be it that it failed
        self._frozen = False  # until it gives two different images in a row
        self._interval = 0.0  # seconds between two images of a camera that is asked for each
        self.description = ""
        self.state = SourceState("opening", self._last)
        first = self._open_first()
        self._decoded = JpegDecoder(self.description, options.min_size)
        self._thread = threading.Thread(target=self._work, args=(first,), name="frames", daemon=True)
        self._thread.start()

    def _open_first(self) -> Capture | None:
        try:
            first = self._opened()
        except Exception as error:  # as later, whatever a library raises
            failure = error if isinstance(error, SourceError) else SourceError(f"Cannot be opened: {error}.")
            if not self._options.wait:
                raise failure from error
            self._change("lost", str(failure))
            return None
        self.description = first.description
        return first

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._fresh:
                while not (self._newest or self._failure or self._closing.is_set()):
                    self._fresh.wait(_LOOK)
                    self._look()
                if self._closing.is_set():
                    return
                if self._newest is None:
                    assert self._failure is not None
                    raise self._failure
                (capture, picture, moment, number), self._newest = self._newest, None
                self._fresh.notify_all()
            try:
                pixels, jpeg = self._decoded(picture) if is_jpeg(picture) else (capture.rgb(picture), None)
            except ImageError as error:
                self._skipped(error)
                continue
            self._spoilt, self._damaged_since = False, None
            yield turned(Frame(pixels, moment, number, self.description, jpeg), self._options)

    def _skipped(self, error: ImageError) -> None:
        """A bad cable damages image after image: the log tells of the 1st, 2nd, 4th, 8th..."""
        self._damaged += 1
        if self._damaged & (self._damaged - 1) == 0:
            _log.warning("Skipped: %s (%d so far)", error, self._damaged)
        now = time.monotonic()
        self._damaged_since = self._damaged_since or now
        if now - self._damaged_since > self._options.stalled_after and not self._spoilt:
            self._spoilt = True
            self._change("stalled", f"All pictures are damaged: {error}")

    @property
    def hangs(self) -> bool:
        """The device neither gives nor fails: no reopening is to be expected any more."""
        return time.monotonic() - self._heard > self._patience

    def _look(self) -> None:
        silent = time.monotonic() - self._last
        if self.state.name == "running" and silent > max(self._options.stalled_after, 2 * self._interval):
            self._change("stalled", f"{self.description}: no frame for {silent:.0f} s.")

    def _work(self, capture: Capture | None) -> None:
        wait = _FIRST_WAIT
        while not self._closing.is_set():
            began = self._heard = time.monotonic()
            try:
                if capture is None:
                    capture = self._opened()
                    self.description = self._decoded.name = capture.description
                    self._reopened += 1
                    self._spoilt, self._damaged_since = False, None  # another cable, perhaps
                began = time.monotonic()
                self._read_all(capture)
            except Exception as error:  # also of OpenCV and picamera2: the thread must not die silently
                failure = error if isinstance(error, SourceError) else SourceError(f"{self.description}: {error}")
                self._change("frozen" if self._frozen else "lost", str(failure))
                if not self._options.reopen or isinstance(failure, SourceEnded):
                    return self._fail(failure)
            finally:
                _close(capture)
                capture = None
            self._heard = time.monotonic()
            wait = _FIRST_WAIT if self._heard - began > _SETTLED else min(2 * wait, _LONGEST_WAIT)
            self._closing.wait(wait)

    def _read_all(self, capture: Capture) -> None:
        before: int | None = None
        self._interval = getattr(capture, "interval", 0.0)
        changed = time.monotonic()
        while not self._closing.is_set():
            picture = capture.read()
            moment = self._heard = time.monotonic()
            now = zlib.crc32(picture[::_STEP, ::_STEP].tobytes())
            if now != before:
                # The first image after it was opened again is no proof: some cameras then freeze at another one.
                self._frozen = self._frozen and before is None
                before, changed = now, moment
            elif self._options.frozen_after and moment - changed > max(self._options.frozen_after, 4 * self._interval):
                self._frozen = True
                raise SourceError(f"{capture.description}: the very same picture for {moment - changed:.0f} s.")
            if self._frozen:  # still
                continue
            if not self._spoilt:
                self._change("running", "")
            with self._fresh:
                if not self.live:
                    self._fresh.wait_for(lambda: self._newest is None or self._closing.is_set())
                self._newest, self._last = (capture, picture, moment, self._number), time.monotonic()
                self._fresh.notify_all()
            self._number += 1

    def _change(self, name: str, reason: str) -> None:
        """Tell what is new; a closed source is closed for good."""
        before = self.state
        if before.name == "closed" or (before.name, before.reason) == (name, reason):
            return
        since = before.since if before.name == name else time.monotonic()
        self.state = SourceState(name, since, reason, self._reopened)
        if self._listener is not None:
            self._listener(self.state)

    def _fail(self, error: SourceError) -> None:
        with self._fresh:
            self._failure = error
            self._fresh.notify_all()

    def close(self) -> None:
        """Stop reading; a read that hangs for a second is left to its time-out.

        Every caller waits: Python aborts when it ends while a thread comes back from OpenCV.
        """
        self._closing.set()
        self._change("closed", "")
        self._wake()
        with self._fresh:
            self._fresh.notify_all()
        self._thread.join(timeout=1)

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _close(capture: Capture | None) -> None:
    if capture is not None:
        try:
            capture.close()
        except Exception as error:  # whatever a broken device raises, it is to be opened again
            _log.warning("%s: closing: %s", capture.description, error)
