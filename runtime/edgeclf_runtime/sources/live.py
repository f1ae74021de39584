"""A source without lag: its thread reads every frame and keeps only the newest."""

from __future__ import annotations

import functools
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
from edgeclf_runtime.sources.undecoded import JpegDecoder, UndecodedJpeg, is_jpeg

__all__ = ["LiveSource"]

_log = logging.getLogger(__name__)
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds before reopening, doubled each time
_SETTLED = 10.0  # seconds of running after which the wait is reset
_LOOK = 0.25  # seconds between two checks that frames still come
_STEP = 16  # every 16th pixel is compared to detect a frozen image


class LiveSource:
    """Yield the newest frame of a camera or stream, each at most once; frames in between are dropped.

    While the source is lost, no frame is yielded. A listener is called with its state.

    Args:
        opened: opens the source or raises SourceError; called again to reopen it.
        options: options of live sources apply.
        listener: called for every change of ``state``.
        patience: longest time, in seconds, that opening, reading or waiting for the next attempt may take; after that
            the thread counts as hanging.
        wake: ends a waiting read where possible; called from another thread.
        patient: for a source that can wait: read the next image only after the previous one was taken; none is lost.

    Raises:
        SourceError: it cannot be opened, and ``options.wait`` is not set.
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
        self._spoilt = False  # all images have been damaged for longer than the options allow
        self._damaged_since: float | None = None
        self._heard = self._last  # last sign of life of the reading thread, including failures
        self._frozen = False  # True until two different images come in a row
        self._interval = 0.0  # seconds between two images of a camera that is polled
        self.description = ""
        self.state = SourceState("opening", self._last)
        first = self._open_first()
        self._decoder = JpegDecoder(self.description, options.min_size)
        self._thread = threading.Thread(target=self._work, args=(first,), name="frames", daemon=True)
        self._thread.start()

    def _open_first(self) -> Capture | None:
        try:
            first = self._opened()
        except Exception as error:  # libraries may raise anything
            failure = error if isinstance(error, SourceError) else SourceError(f"Cannot be opened: {error}.")
            if not self._options.wait:
                raise failure from error
            self._change("lost", str(failure))
            return None
        self.description = first.description
        return first

    def __iter__(self) -> Iterator[Frame]:
        for _, decode in self.offered():
            frame = decode()
            if frame is not None:
                yield frame

    def offered(self) -> Iterator[tuple[float, Callable[[], Frame | None]]]:
        """See ``Offering``."""
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
            jpeg = self._decoder.completed(picture) if is_jpeg(picture) else None
            decode = functools.partial(self._decoded, capture, picture, jpeg, moment, number)
            yield moment, decode if jpeg is None or self._options.turns else UndecodedJpeg(decode, jpeg)

    def _decoded(self, capture: Capture, picture: Any, jpeg: bytes | None, moment: float, number: int) -> Frame | None:
        try:
            frame = self._frame(capture, picture, jpeg, moment, number)
        except ImageError as error:
            self._skipped(error)
            return None
        self._spoilt, self._damaged_since = False, None
        return turned(frame, self._options)

    def _frame(self, capture: Capture, picture: Any, jpeg: bytes | None, moment: float, number: int) -> Frame:
        if jpeg is None:
            return Frame(capture.rgb(picture), moment, number, self.description)
        rule = self._decoder.rule
        pixels = self._decoder.decoded(jpeg, rule)
        return Frame(pixels, moment, number, self.description, jpeg, min_size=rule)

    def decode_for(self, min_size: tuple[int, int]) -> None:
        """See ``Source``."""
        self._decoder.rule = (0, 0) if self._options.turns else min_size

    def _skipped(self, error: ImageError) -> None:
        """Log a damaged image, but only the 1st, 2nd, 4th, 8th and so on: a bad cable damages many."""
        self._damaged += 1
        if self._damaged & (self._damaged - 1) == 0:
            _log.warning("Skipped: %s (%d so far)", error, self._damaged)
        now = time.monotonic()
        self._damaged_since = self._damaged_since or now
        if now - self._damaged_since > self._options.stalled_after and not self._spoilt:
            self._spoilt = True
            self._change("stalled", f"All images are damaged: {error}")

    @property
    def hangs(self) -> bool:
        """Return whether the device neither gives frames nor fails, so that it will not be reopened."""
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
                    self.description = self._decoder.name = capture.description
                    self._reopened += 1
                    self._spoilt, self._damaged_since = False, None  # perhaps the cable was replaced
                began = time.monotonic()
                self._read_all(capture)
            except Exception as error:  # also from OpenCV and picamera2: the thread must not die silently
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
                # The first image after reopening proves nothing: some cameras then freeze at another image.
                self._frozen = self._frozen and before is None
                before, changed = now, moment
            elif self._options.frozen_after and moment - changed > max(self._options.frozen_after, 4 * self._interval):
                self._frozen = True
                raise SourceError(f"{capture.description}: identical images for {moment - changed:.0f} s.")
            if self._frozen:  # still frozen
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
        """Change the state and call the listener; "closed" is final."""
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
        """Stop reading; a read that hangs for more than a second is left to its time-out.

        Every caller waits: Python aborts if it exits while a thread returns from OpenCV.
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
        except Exception as error:  # a broken device may raise anything, and is reopened
            _log.warning("%s: closing: %s", capture.description, error)
