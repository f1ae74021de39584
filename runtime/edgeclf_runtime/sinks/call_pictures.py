"""The image passed to a command or a webhook."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.sinks.jpeg import small_jpeg
from edgeclf_runtime.sinks.sink import Observation

__all__ = ["call_picture", "multipart", "picture_file"]

_log = logging.getLogger(__name__)
_SIDE = 1920  # maximum length of the longer side in pixels
_BYTES = 1_000_000


def call_picture(item: Observation) -> bytes | None:
    """Return what the network saw as a JPEG of at most 1920 pixels a side and 1 MB; None if there are no pixels.

    It is encoded again: a photograph's own file may contain its location.
    """
    frame = item.prediction.frame
    if frame is None:
        return None
    try:
        pixels = frame.seen()
    except ImageError:  # damaged in a part that reduced decoding skipped
        pixels = frame.view.cut(frame.pixels)
    return small_jpeg(pixels, _SIDE, _BYTES) if pixels.size else None


@contextmanager
def picture_file(content: bytes | None) -> Iterator[str]:
    """Write a JPEG to a temporary folder that only this user can read, and remove it afterwards.

    Yields:
        its path; empty without content, or if it cannot be written.
    """
    folder = None
    try:
        if content is not None:
            import tempfile

            folder = Path(tempfile.mkdtemp(prefix="edgeclf-"))
            (folder / "seen.jpg").write_bytes(content)
        path = "" if folder is None else str(folder / "seen.jpg")
    except OSError as error:  # the call matters more than its image
        _log.warning("No image for the command: %s", error)
        path = ""
    try:
        yield path
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def multipart(event: bytes, picture: bytes | None) -> tuple[str, bytes]:
    """Return content type and body of a form: ``event``, JSON, and ``picture``, a JPEG if there is one."""
    import secrets

    boundary = secrets.token_hex(16)
    parts = [('name="event"', "application/json", event)]
    if picture is not None:
        parts.append(('name="picture"; filename="seen.jpg"', "image/jpeg", picture))
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\nContent-Type: {kind}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, kind, content in parts
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()
