"""Sockets in the file system, for programs of this machine alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["connected", "listening"]


def listening(path: Path) -> socket.socket:
    """Return a socket that listens at a path, which only its own user and root may connect to.

    Raises:
        OSError: it cannot be made there.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(server.fileno(), 0o600)  # the file gets this mode when it is made
        with suppress(FileNotFoundError):
            path.unlink()  # of a process that has ended
        with _short(path) as name:
            server.bind(name)
        server.listen(1)
    except BaseException:
        server.close()
        raise
    return server


def connected(path: Path) -> socket.socket:
    """Return a socket that is connected to a path.

    Raises:
        OSError: nothing listens there.
    """
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as name:
            client.connect(name)
    except BaseException:
        client.close()
        raise
    return client


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield another name of a path: that of a socket may have 107 bytes."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
