"""Split a stream of JPEGs into images."""

from __future__ import annotations

from edgeclf_runtime.errors import SourceError

__all__ = ["take_jpeg"]

_LARGEST = 32 * 1024 * 1024  # bytes of one image


def take_jpeg(data: bytearray, name: str = "Standard input") -> bytes | None:
    """Remove the first complete image, and anything before it, from ``data`` and return it; None if there is none yet.

    Segments are walked by their lengths, so that an embedded thumbnail does not end the image. If the end marker is
    missing, the start of the next image ends it.

    Raises:
        SourceError: an image of more than 32 MB, or data that is not JPEG.
    """
    start = data.find(b"\xff\xd8")
    if start < 0:
        del data[:-1]
        return None
    end = _end(data, start, name)
    if end is None:
        if len(data) - start > _LARGEST:
            del data[: start + 2]  # give this image up; the next one may be good
            raise SourceError(f"{name}: an image of more than 32 MB, or not a stream of JPEGs.")
        return None
    picture = bytes(data[start:end])
    del data[:end]
    return picture


def _end(data: bytearray, start: int, name: str) -> int | None:
    offset = start + 2
    while offset + 4 <= len(data):
        if data[offset] != 0xFF:
            del data[: start + 2]  # no image begins here; look for the next start
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
    """Return the offset of the next marker; in entropy-coded data 0xFF is followed by 0 or a restart number."""
    while True:
        offset = data.find(b"\xff", offset)
        if offset < 0 or offset + 1 >= len(data):
            return None
        if data[offset + 1] != 0 and not 0xD0 <= data[offset + 1] <= 0xD7:
            return offset
        offset += 2
