"""A sink that waits for its address: a device may start before its network."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable

from edgeclf_runtime.errors import AddressError, SinkError
from edgeclf_runtime.sinks.sink import Item, Observation, Sink

if TYPE_CHECKING:
    from edgeclf_runtime.frame import Frame, FrameOnDemand
    from edgeclf_runtime.sinks.outlet import Outlet

__all__ = ["AwaitedSink", "cannot_listen"]

_log = logging.getLogger(__name__)
_AGAIN = 5.0  # seconds between two tries
_LATER = (errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENETDOWN, errno.ENETUNREACH)


def cannot_listen(what: str, error: OSError) -> SinkError:
    """Return the error to raise: an AddressError if the address may exist once the network is up."""
    kind = AddressError if isinstance(error, socket.gaierror) or error.errno in _LATER else SinkError
    return kind(f"{what}: {error.strerror or error}.")


class AwaitedSink:
    """Drops items until the real sink can be opened, which then first gets the state of the source and the model.

    Args:
        open_sink: opens the sink; tried again and again.
        error: error of the first attempt.
        pictures: whether the sink will need the frames' pixels.
    """

    def __init__(self, open_sink: Callable[[], Sink], error: AddressError, pictures: bool) -> None:
        self.name, self.pictures = str(error).partition(": ")[0], pictures
        self._open, self._error = open_sink, str(error).rstrip(".")
        self._sink: Any = None
        self._outlets: Sequence[Outlet] = ()
        self._states: dict[type[Any], Item] = {}
        self._lock, self._closing = threading.Lock(), threading.Event()
        _log.warning("%s; trying again every %g s", self._error, _AGAIN)
        self._thread = threading.Thread(target=self._try_again, name="awaited", daemon=True)
        self._thread.start()

    def _try_again(self) -> None:
        while not self._closing.wait(_AGAIN):
            try:
                opened = self._open()
            except AddressError:
                continue
            except Exception as error:  # the address exists but is in use
                if str(error) != self._error:
                    self._error = str(error)
                    _log.warning("%s", self._error)
                continue
            return self._adopt(opened)

    def _adopt(self, opened: Any) -> None:
        if hasattr(opened, "follow"):
            opened.follow(self._outlets)
        with self._lock:
            for state in self._states.values():
                opened.take(state)
            self._sink = opened
        _log.warning("%s: available now", opened.name)

    def take(self, item: Item) -> None:
        with self._lock:
            if self._sink is not None:
                self._sink.take(item)
            elif not isinstance(item, Observation):
                self._states[type(item)] = item

    def glance(self, frame: Frame | FrameOnDemand) -> None:
        """See ``Sink``."""
        if hasattr(self._sink, "glance"):
            self._sink.glance(frame)

    def follow(self, outlets: Sequence[Outlet]) -> None:
        """See ``Sink``."""
        self._outlets = outlets

    def close(self) -> None:
        """Close the sink, even if it was never opened."""
        self._closing.set()
        self._thread.join()
        if self._sink is not None:
            self._sink.close()
