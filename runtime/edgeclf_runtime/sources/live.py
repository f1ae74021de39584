"""A source that must not lag behind the world: its thread reads every frame and keeps the newest alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.opencv import quiet

__all__ = ["LiveSource"]


class LiveSource:
    """The newest frame of an opened capture, each given once; frames that came meanwhile are dropped.

    Args:
        capture: an opened ``cv2.VideoCapture``, owned from now on.
        description: for people and for the frames.
        patience: seconds a read may take; OpenCV can answer a read that timed out with the frame before.
    """

    live = True

    def __init__(self, capture: Any, description: str, patience: float) -> None:
        self.description = description
        self._capture, self._patience = capture, patience
        self._fresh = threading.Condition()
        self._newest: tuple[Any, float, int] | None = None
        self._failure: SourceError | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"frames of {description}", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._fresh:
                self._fresh.wait_for(lambda: self._newest or self._failure or self._closed)
                if self._newest is None:
                    if self._failure is not None and not self._closed:
                        raise self._failure
                    return
                (pixels, moment, number), self._newest = self._newest, None
            yield Frame(np.ascontiguousarray(pixels[:, :, ::-1]), moment, number, self.description)

    def _work(self) -> None:
        number = 0
        try:
            while not self._closed:
                pixels, moment = self._read(number)
                with self._fresh:
                    self._newest = (pixels, moment, number)
                    self._fresh.notify()
                number += 1
        except SourceError as error:
            self._fail(error)
        except Exception as error:  # of OpenCV: the thread must not die silently
            self._fail(SourceError(f"{self.description}: {error}"))
        finally:
            self._capture.release()

    def _read(self, number: int) -> tuple[Any, float]:
        start = time.monotonic()
        with quiet():
            good, pixels = self._capture.read()
        moment = time.monotonic()
        if not good or pixels is None:
            what = "lost" if number else "opened, but gives no frames"
            raise SourceError(
                f"{self.description}: {what}. Check its cable, network or whether another program uses it."
            )
        if moment - start > self._patience:
            raise SourceError(f"{self.description}: no new frame for {moment - start:.0f} s.")
        return pixels, moment

    def _fail(self, error: SourceError) -> None:
        with self._fresh:
            self._failure = error
            self._fresh.notify()

    def close(self) -> None:
        """Stop reading; a read that hangs is left to its time-out."""
        with self._fresh:
            self._closed = True
            self._fresh.notify()
        self._thread.join(timeout=2)

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
