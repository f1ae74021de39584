"""JPEG images cut from a stream of them."""

from __future__ import annotations

from edgeclf_runtime.errors import SourceError

__all__ = ["take_jpeg"]

_LARGEST = 32 * 1024 * 1024  # bytes of one image


def take_jpeg(data: bytearray, name: str = "Standard input") -> bytes | None:
    """Cut the first whole image off, with what lies before it.

    Its segments are walked by their lengths, so that a thumbnail inside does not end it. Where its end marker is
    missing, the next image's beginning ends it.

    Raises:
        SourceError: an image of more than 32 MB, or what is no JPEG.
    """
    start = data.find(b"\xff\xd8")
    if start < 0:
        del data[:-1]
        return None
    end = _end(data, start, name)
    if end is None:
        if len(data) - start > _LARGEST:
            del data[: start + 2]  # it is given up; the next one may be good
            raise SourceError(f"{name}: a picture of more than 32 MB, or no stream of JPEGs.")
        return None
    picture = bytes(data[start:end])
    del data[:end]
    return picture


def _end(data: bytearray, start: int, name: str) -> int | None:
    offset = start + 2
    while offset + 4 <= len(data):
        if data[offset] != 0xFF:
            del data[: start + 2]  # no image begins there; the next one may
            raise SourceError(f"{name}: not a stream of JPEGs.")
        kind = data[offset + 1]
        if kind == 0xD9:
            return offset + 2
        if kind == 0xD8:
            return offset
        if kind == 0xFF or 0xD0 <= kind <= 0xD7 or kind == 0x01:
            offset += 1 if kind == 0xFF else 2
            continue
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
        if kind == 0xDA:
            marker = _marker(data, offset)
            if marker is None:
                return None
            offset = marker
    return offset + 2 if bytes(data[offset : offset + 2]) == b"\xff\xd9" else None


def _marker(data: bytearray, offset: int) -> int | None:
    """The next marker after entropy-coded data, in which 0xFF is followed by 0 or a restart's number."""
    while True:
        offset = data.find(b"\xff", offset)
        if offset < 0 or offset + 1 >= len(data):
            return None
        if data[offset + 1] != 0 and not 0xD0 <= data[offset + 1] <= 0xD7:
            return offset
        offset += 2
