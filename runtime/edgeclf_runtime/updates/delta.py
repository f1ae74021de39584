"""The difference between two model files, in which much is the same: a new head on the same network.

A delta is a list of parts of the old file and of new bytes, which are compressed. It need not be trusted: what it
makes of the old file is checked against the signed digest of the new one, and it can make no more bytes than allowed.
"""

from __future__ import annotations

import struct
import zlib

from edgeclf_runtime.errors import UpdateError

__all__ = ["applied", "delta"]

_MARK = b"edgeclf-delta 1\n"
_STEP = struct.Struct("<III")  # from where and how much of the old file is copied, and how many new bytes follow
_BLOCK = 32  # bytes; shorter parts are not looked for


def delta(old: bytes, new: bytes) -> bytes:
    """Return what makes ``new`` of ``old``."""
    blocks = {old[at : at + _BLOCK]: at for at in range(len(old) - _BLOCK, -1, -_BLOCK)}
    steps, fresh = bytearray(), bytearray()
    at = begun = 0  # of the new file: where we are, and where the bytes begin that the old one lacks
    start = length = 0
    while at <= len(new) - _BLOCK:
        match = blocks.get(new[at : at + _BLOCK])
        if match is None:
            at += 1
            continue
        steps += _STEP.pack(start, length, at - begun)
        fresh += new[begun:at]
        start, length = match, _same(old, match, new, at)
        at += length
        begun = at
    steps += _STEP.pack(start, length, len(new) - begun)
    fresh += new[begun:]
    return _MARK + zlib.compress(struct.pack("<I", len(steps)) + bytes(steps) + bytes(fresh), 9)


def _same(old: bytes, start: int, new: bytes, at: int) -> int:
    """Return how many bytes are the same from these positions on."""
    most = min(len(old) - start, len(new) - at)
    length, stride = 0, 1 << 16
    while stride:
        end = length + stride
        if end <= most and old[start + length : start + end] == new[at + length : at + end]:
            length = end
        else:
            stride >>= 1
    return length


def applied(old: bytes, data: bytes, size: int) -> bytes:
    """Return the new file.

    Args:
        old: the file that the delta was made from.
        data: the delta.
        size: bytes of the new file; not more are made.

    Raises:
        UpdateError: the delta is damaged, or makes another number of bytes.
    """
    try:
        content = zlib.decompressobj().decompress(data[len(_MARK) :], 2 * size + 4096)
        (length,) = struct.unpack_from("<I", content)
        steps, at, new = content[4 : 4 + length], 4 + length, bytearray()
        for start, count, fresh in _STEP.iter_unpack(steps):
            new += old[start : start + count] + content[at : at + fresh]
            at += fresh
            if len(new) > size:
                break
    except (zlib.error, struct.error):
        raise UpdateError("the delta is damaged.") from None
    if len(new) != size:
        raise UpdateError("the delta does not belong to the model in use.")
    return bytes(new)
