"""Put a statement at the end of a model file, so that it stays one file that every TFLite program reads.

A model file ends with a zip, and a zip ends with a comment: the statement is this comment (``unzip -z`` shows it). It
is about all bytes before it, as they are, so nothing has to be parsed to check it. Interpreters read the flatbuffer at
the beginning; a file without a zip gets an empty one.
"""

from __future__ import annotations

import io
import struct
import zipfile

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.trust.statement import LENGTH, Statement

__all__ = ["attached", "sealed_digest", "split", "to_sign", "unsigned"]

_END = b"PK\x05\x06"  # begins the record at the end of a zip
_END_SIZE = 22  # without the comment, whose length is in the last two bytes
_LONGEST = (1 << 16) - 1


def split(content: bytes) -> tuple[bytes, Statement | None]:
    """Return what a statement at the end of a file is about, and the statement; without one, the file and None."""
    statement = Statement.read(content[-LENGTH:])
    return (content, None) if statement is None else (content[:-LENGTH], statement)


def to_sign(content: bytes) -> bytes:
    """Return the bytes of a model file that a statement is about; the same for a file that is signed already.

    Raises:
        ModelError: its zip has a comment that leaves no space.
    """
    body, statement = split(content)
    if statement is not None:
        return body
    end, comment = _zip_end(content)
    if end is None:
        return content + _END + struct.pack("<4H2IH", 0, 0, 0, 0, 0, len(content), LENGTH)
    if comment + LENGTH > _LONGEST:
        raise ModelError("The zip at its end has a long comment, so no signature fits; write it without.")
    return _with_comment_length(content, end, comment + LENGTH)


def attached(content: bytes, statement: Statement) -> bytes:
    """Return a model file with this statement in place of its own, if any."""
    return to_sign(content) + statement.to_bytes()


def sealed_digest(content: bytes) -> str:
    """Return the SHA-256 that a statement about a model file has; whoever signs it, and whenever, it stays the same."""
    import hashlib

    return hashlib.sha256(to_sign(content)).hexdigest()


def unsigned(content: bytes) -> bytes:
    """Return a model file as it was before it was signed."""
    body, statement = split(content)
    if statement is None:
        return content
    end, comment = _zip_end(content)
    if end is None or comment < LENGTH:
        return body
    if comment == LENGTH and body[end + 10 : end + 12] == b"\0\0":  # the zip was made for the signature
        return body[:end]
    return _with_comment_length(body, end, comment - LENGTH)


def _zip_end(content: bytes) -> tuple[int | None, int]:
    """Return where the end record of the zip begins, None without a zip, and the length of its comment."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            comment = len(archive.comment)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return None, 0
    end = len(content) - comment - _END_SIZE
    return (end, comment) if content[end : end + 4] == _END else (None, 0)


def _with_comment_length(content: bytes, end: int, length: int) -> bytes:
    at = end + _END_SIZE - 2
    return content[:at] + struct.pack("<H", length) + content[at + 2 :]
