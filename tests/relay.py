"""A relay between two ends of TCP connections: it delays, loses, falls silent and cuts, like a bad link."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress

__all__ = ["Relay"]

_CHUNK = 1 << 14
_RESENT = 0.5  # seconds until TCP has resent lost data


class Relay:
    """Passes on what arrives at ``port``, in threads of this process, until ``close``.

    A TCP relay cannot lose a packet for good, as TCP resends it: the bytes arrive later, which this simulates.

    Args:
        target: port on this machine that it connects to.
        seed: random seed of the losses.

    Attributes:
        port: port on this machine to connect to.
        delay: seconds by which each piece is delayed, in each direction.
        loss: share of the pieces that are resent.
        cut_at: number of passed bytes after which it cuts, once; 0 for never.
        passed: number of bytes passed on.
    """

    def __init__(self, target: int, seed: int = 0) -> None:
        self.delay, self.loss, self.cut_at, self.passed = 0.0, 0.0, 0, 0
        self._target, self._random, self._lock = target, random.Random(seed), threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._is_cut, self._ends = False, list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Pass nothing on, without closing connections."""
        self._open.clear()

    def cut(self) -> None:
        """End all connections; end new ones at once."""
        with self._lock:
            self._is_cut, ends, self._ends = True, self._ends, []
        for end in ends:
            _end(end)

    def mend(self) -> None:
        """Work as a good link from now on."""
        self.delay, self.loss, self.cut_at, self._is_cut = 0.0, 0.0, 0, False
        self._open.set()

    def close(self) -> None:
        """End all connections and threads."""
        _end(self._listener)
        self.cut()
        self._open.set()

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                near, _ = self._listener.accept()
                far = socket.socket()
                with self._lock:
                    self._ends += [near, far]
                try:
                    if self._is_cut:
                        raise ConnectionError
                    far.connect(("127.0.0.1", self._target))
                except OSError:
                    _end(near)
                    _end(far)
                    continue
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                time.sleep(self.delay + (_RESENT if self._random.random() < self.loss else 0))
                self._open.wait()
                target.sendall(data)
                self._count(len(data))
        _end(source)
        _end(target)

    def _count(self, size: int) -> None:
        with self._lock:
            self.passed += size
            is_over = 0 < self.cut_at <= self.passed
            self.cut_at = 0 if is_over else self.cut_at
        if is_over:
            self.cut()


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
