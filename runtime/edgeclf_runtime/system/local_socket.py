"""Sockets in the file system, for programs on this machine only."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["connected", "listening"]


def listening(path: Path) -> socket.socket:
    """Return a socket that listens at a path; only its own user and root may connect.

    Raises:
        OSError: it cannot be created there.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(server.fileno(), 0o600)  # the file gets this mode when it is created
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
    """Return a socket connected to a path.

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
    """Yield a shorter name of a path: a socket's may have at most 107 bytes."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
