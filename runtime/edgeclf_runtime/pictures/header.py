"""Read an image file's header and check that the file is complete, before any decoder sees it."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.heif_boxes import is_heif, read_boxes
from edgeclf_runtime.pictures.orientation import read_orientation

__all__ = ["PictureHeader", "read_header"]

# A marker. It cannot occur inside JPEG's compressed data, where 0xFF is followed by 0x00 or a restart number.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_EXIF_MARKER = 0xE1
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_CUT = "cut short; copy the file again"
_SHORT, _LONG = 3, 4  # TIFF's types of numbers that a size may have
_SIDES = (256, 257, 322, 323)  # width and height of a TIFF, and of its tiles
_EXTRA = 338  # meaning of the sample after the colours
_BITS, _COLOURS, _SAMPLES, _PLANES = 258, 262, 277, 284


@dataclass(frozen=True)
class PictureHeader:
    """What is known of an image before decoding.

    Attributes:
        kind: the format, such as "JPEG".
        width, height: in pixels, as stored.
        alpha: whether it can have transparent parts.
        tile: pixels of a tile, which is decoded as a whole even if it is larger than the image.
        orientation: EXIF orientation, 1 to 8, of a JPEG, PNG or WebP; the decoders of JPEGs and of other formats apply
            it themselves.
        turned: whether a HEIC file has its own rotation, so that the EXIF orientation is ignored.
        end: offset of a JPEG's end marker; 0 if it has none, see ``jpeg_end``.
        extra: a TIFF's fourth sample: 1, premultiplied alpha; 2, alpha that is not premultiplied; 0, unspecified.
        clear: the value, as decoded, that is transparent in a grey PNG; -1 for none.
    """

    kind: str
    width: int
    height: int
    alpha: bool
    tile: int = 0
    orientation: int = 1
    turned: bool = False
    end: int = 0
    extra: int = 0
    clear: int = -1


def read_header(data: bytes) -> PictureHeader:
    """Recognize an image by its content.

    Raises:
        ImageError: unknown format, or truncated (as far as the format tells; bytes after its end do no harm).
            The message is a fragment without the file's name.
    """
    try:
        return _read(data)
    except (struct.error, IndexError):
        raise ImageError(_CUT) from None


def _read(data: bytes) -> PictureHeader:
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", data, 6)
        return PictureHeader("GIF", width, height, alpha=True)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(b"BM"):
        return _bmp(data)
    if data.startswith((b"II*\0", b"MM\0*")):
        return _tiff(data)
    if data.startswith((b"II+\0", b"MM\0+")):
        raise ImageError("a BigTIFF; convert it to PNG")
    if data[4:8] == b"ftyp":
        if not is_heif(data):
            raise ImageError("a video, not an image")
        boxes = read_boxes(data)
        return PictureHeader(boxes.kind, boxes.width, boxes.height, alpha=True, turned=boxes.turned)
    raise ImageError("empty" if not data else "not an image (JPEG, PNG, GIF, WebP, BMP, TIFF, HEIC or AVIF)")


def _jpeg(data: bytes) -> PictureHeader:
    """Walk the markers to the end of the first image; a phone may have appended a second image or a video."""
    width, height, position, scanned, exif = 0, 0, 2, False, b""
    while True:
        match = _JPEG_MARKER.search(data, position)
        if match is None and scanned and position <= len(data):
            return PictureHeader("JPEG", width, height, alpha=False, orientation=read_orientation(exif))
        if match is None:
            raise ImageError(_CUT)
        marker, position = data[match.start() + 1], match.end()
        if marker == 0xD9:
            orientation, end = read_orientation(exif), match.start()
            return PictureHeader("JPEG", width, height, alpha=False, orientation=orientation, end=end)
        if marker in (0xD8, 0x01):
            continue
        if marker in _JPEG_FRAMES and not width:
            height, width = struct.unpack_from(">HH", data, position + 3)
        (length,) = struct.unpack_from(">H", data, position)
        if marker == _EXIF_MARKER and not exif and data.startswith(b"Exif\0\0", position + 2):
            exif = data[position + 2 : position + length]
        position += length
        scanned = marker == 0xDA


def _png(data: bytes) -> PictureHeader:
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    alpha, position, orientation, clear = color in (4, 6), 8, 1, -1
    while True:
        length, name = struct.unpack_from(">I4s", data, position)
        start, position = position + 8, position + 12 + length
        if position > len(data):
            raise ImageError(_CUT)
        if name == b"tRNS" and color == 0:  # OpenCV has no alpha for it
            (value,) = struct.unpack_from(">H", data, start)
            clear = value if depth == 16 else value * 255 // ((1 << depth) - 1)
        elif name == b"tRNS":
            alpha = True
        if name == b"eXIf":
            orientation = read_orientation(data[start : start + length])
        if name == b"IEND":
            return PictureHeader("PNG", width, height, alpha, orientation=orientation, clear=clear)


def _webp(data: bytes) -> PictureHeader:
    size, kind = struct.unpack_from("<I4x4s", data, 4)
    if 8 + size > len(data):
        raise ImageError(_CUT)
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        orientation = _webp_orientation(data) if data[20] & 0x08 else 1
        return PictureHeader("WebP", width, height, bool(data[20] & 0x10), orientation=orientation)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return PictureHeader("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1))
    width, height = struct.unpack_from("<HH", data, 26)
    return PictureHeader("WebP", width & 0x3FFF, height & 0x3FFF, alpha=False)


def _webp_orientation(data: bytes) -> int:
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        if name == b"EXIF":
            return read_orientation(data[position + 8 : position + 8 + length])
        position += 8 + length + length % 2
    return 1


def _bmp(data: bytes) -> PictureHeader:
    (size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", data, 18)
    return PictureHeader("BMP", abs(width), abs(height), alpha=False)


def _tiff(data: bytes) -> PictureHeader:
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    tags: dict[int, int] = {}
    for index in range(count):
        tag, kind = struct.unpack_from(f"{order}HH", data, start + 2 + 12 * index)
        if tag in _SIDES and kind not in (_SHORT, _LONG):  # a decoder may read a different number
            raise ImageError("a TIFF with sizes of an unusual kind; convert it to PNG")
        place = start + 10 + 12 * index
        if tag == _BITS and struct.unpack_from(f"{order}I", data, place - 4)[0] > 2:  # stored elsewhere
            (place,) = struct.unpack_from(f"{order}I", data, place)
        (value,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), data, place)
        tags[tag] = max(value, tags.get(tag, 0))  # if a tag occurs twice, decoders differ in which one they use
    _refuse_misread(tags)
    # Photometric interpretation 2 is RGB: the fourth sample is alpha, not the black of CMYK.
    alpha = tags.get(_SAMPLES) == 4 and tags.get(_COLOURS) == 2
    tile = tags.get(322, 0) * tags.get(323, 0)
    return PictureHeader("TIFF", tags.get(256, 0), tags.get(257, 0), alpha, tile, extra=tags.get(_EXTRA, 0))


def _refuse_misread(tags: dict[int, int]) -> None:
    """Refuse kinds of TIFF whose pixels OpenCV returns wrong, without an error."""
    samples, deep = tags.get(_SAMPLES, 1), tags.get(_BITS, 1) == 16
    if samples == 2 and tags.get(_COLOURS) in (0, 1) and tags.get(_EXTRA) in (1, 2):
        raise ImageError("a grey TIFF with alpha; convert it to PNG")
    if deep and (tags.get(_COLOURS) == 0 or (samples > 1 and tags.get(_PLANES) == 2)):
        raise ImageError("a TIFF of 16 bits with separate planes, or with white as 0; convert it to PNG")
