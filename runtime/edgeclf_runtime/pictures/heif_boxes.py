"""Read the boxes that describe the main image of a HEIC or AVIF file, before any decoder sees it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["HeifBoxes", "is_heif", "read_boxes"]

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis", b"avio"}


@dataclass(frozen=True)
class HeifBoxes:
    """What the boxes say about the main image.

    Attributes:
        kind: "HEIC" or "AVIF".
        width, height: in pixels, as stored.
        turned: whether the boxes rotate or mirror the image, so that the EXIF orientation is ignored.
    """

    kind: str
    width: int
    height: int
    turned: bool


def is_heif(data: bytes) -> bool:
    """Whether a file that begins with an ``ftyp`` box holds images, not a video."""
    (size,) = struct.unpack_from(">I", data)
    brands = data[8:12] + data[16 : min(size, 256)]
    return bool({brands[at : at + 4] for at in range(0, len(brands), 4)} & _BRANDS)


def read_boxes(data: bytes) -> HeifBoxes:
    """Read the boxes of a file.

    Raises:
        struct.error: truncated, or not a HEIC or AVIF file.
    """
    boxes = {kind: (start, end) for kind, start, end in _boxes(data, 0, len(data))}
    meta = {kind: (start, end) for kind, start, end in _boxes(data, *_inner(boxes, b"meta", 4))}
    inner = {kind: (start, end) for kind, start, end in _boxes(data, *_inner(meta, b"iprp", 0))}
    properties = list(_boxes(data, *_inner(inner, b"ipco", 0)))
    start, _ = _inner(meta, b"pitm", 0)
    main = struct.unpack_from(">H" if data[start] == 0 else ">I", data, start + 4)[0]
    own = [properties[index - 1] for index in _indices(data, *_inner(inner, b"ipma", 0), main) if index]
    sizes = [struct.unpack_from(">II", data, start + 4) for kind, start, _ in own if kind == b"ispe"]
    if not sizes:
        raise struct.error
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    coded = "AVIF" if any(kind == b"av1C" for kind, *_ in properties) else "HEIC"
    return HeifBoxes(coded, width, height, any(kind in (b"irot", b"imir") for kind, *_ in own))


def _inner(boxes: dict[bytes, tuple[int, int]], kind: bytes, head: int) -> tuple[int, int]:
    if kind not in boxes:
        raise struct.error
    start, end = boxes[kind]
    return start + head, end


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each box, and where its content begins and ends."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        size = size or end - start  # 0: up to the end, in the last box
        if size < head or start + size > end:
            raise struct.error
        yield kind, start + head, start + size
        start += size


def _indices(data: bytes, start: int, end: int, item: int) -> Iterator[int]:
    """Yield the indices of an item's properties, from 1; 0 means none."""
    version, wide = data[start], data[start + 3] & 1
    (count,) = struct.unpack_from(">I", data, start + 4)
    offset = start + 8
    for _ in range(count):
        (owner,) = struct.unpack_from(">I" if version else ">H", data, offset)
        offset += 4 if version else 2
        amount = data[offset]
        form, bits = (f">{amount}H", 0x7FFF) if wide else (f">{amount}B", 0x7F)
        if owner == item:
            yield from (value & bits for value in struct.unpack_from(form, data, offset + 1))
        offset += 1 + struct.calcsize(form)
        if offset > end:
            raise struct.error
