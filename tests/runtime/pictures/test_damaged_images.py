"""Untrusted images, generated and damaged: only our errors, no hang, bounded memory."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from PIL import Image

from edgeclf_runtime import ImageError
from edgeclf_runtime.pictures.images import decode_image
from tests.fuzzing import bounded, fuzz, mutated


def _images() -> dict[str, bytes]:
    y, x = np.mgrid[0:24, 0:32]
    plain = Image.fromarray(np.stack([x * 8, y * 10, x + y], -1).astype(np.uint8))
    deep = Image.fromarray((np.arange(768) * 85).astype(np.uint16).reshape(24, 32))
    kinds: list[tuple[str, str, Image.Image, dict[str, Any]]] = [
        ("jpeg", "JPEG", plain, {}),
        ("progressive", "JPEG", plain, {"progressive": True}),
        ("png", "PNG", plain, {}),
        ("png of 16 bits", "PNG", deep, {}),
        ("transparent png", "PNG", plain.convert("RGBA"), {}),
        ("webp", "WEBP", plain, {}),
        ("webp without loss", "WEBP", plain.convert("RGBA"), {"lossless": True}),
        ("gif", "GIF", plain, {"save_all": True, "append_images": [plain.rotate(90)]}),
        ("tiff", "TIFF", plain, {"compression": "tiff_lzw"}),
        ("bmp", "BMP", plain, {}),
        ("avif", "AVIF", plain.convert("RGBA"), {}),
    ]
    found = {}
    for name, kind, image, options in kinds:
        file = io.BytesIO()
        image.save(file, kind, **options)
        found[name] = file.getvalue()
    for name, options in {"heic": {}, "heic of tiles": {"tile_size": 16}}.items():
        file = io.BytesIO()
        pillow_heif.from_pillow(plain).save(file, **options)
        found[name] = file.getvalue()
    return found


PICTURES = _images()


@pytest.mark.parametrize("kind", PICTURES)
def test_damaged_images(kind: str) -> None:
    @given(data=mutated(PICTURES[kind]))
    @fuzz(150)
    def check(data: bytes) -> None:
        with bounded(512, ImageError):
            pixels = decode_image(data, "x", limit=1 << 22)
            assert pixels.dtype == np.uint8
            assert pixels.shape[2:] == (3,)
            assert 1 <= pixels.size <= 3 << 22

    decode_image(PICTURES[kind], "x")  # OpenCV allocates its own memory at the first image
    check()


def _png(width: int, height: int, kind: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def _tiff(*sizes: int) -> bytes:
    """Return a TIFF with width and height repeated as given."""
    tags = [(tag, 4, size) for size in sizes for tag in (256, 257)]
    tags += [(258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 4, sizes[0]), (279, 4, 64)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I8xH", 16, len(tags)) + body + bytes(4)


def _sized(data: bytes, side: int) -> bytes:
    """Return a HEIC or AVIF file that states this size of its image."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", side, side) + data[place + 8 :]


def _jpeg(side: int) -> bytes:
    data = PICTURES["jpeg"]
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", side, side) + data[place + 4 :]


@pytest.mark.parametrize(
    "data",
    [
        _png(10_000, 10_000, 2, bytes(30_001 * 100)),  # a hundred megapixels
        _png(2**31 - 1, 2**31 - 1, 6, b""),
        _jpeg(65_000),
        _tiff(30_000),
        _tiff(8, 30_000),
        _tiff(30_000, 8),
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, -(2**31), -(2**31), 1, 24, *[0] * 6),
        b"GIF89a" + struct.pack("<HHBBB", 65_000, 65_000, 0, 0, 0) + PICTURES["gif"][13:],
        b"RIFF" + struct.pack("<I4s4sI", 30, b"WEBP", b"VP8X", 10) + b"\0" * 4 + b"\xff" * 6 + bytes(8),
        _sized(PICTURES["heic"], 30_000),
        _sized(PICTURES["avif"], 30_000),
    ],
    ids=[
        "png",
        "png of 2^62",
        "jpeg",
        "tiff",
        "tiff twice",
        "tiff twice, small last",
        "bmp",
        "gif",
        "webp",
        "heic",
        "avif",
    ],
)
def test_bombs_are_refused_by_their_size_before_they_are_decoded(data: bytes) -> None:
    with bounded(16), pytest.raises(ImageError, match="pixels, expected at most 67108864 in all"):
        decode_image(data, "x")


def test_the_largest_transparent_image_takes_a_bounded_multiple_of_its_size() -> None:
    side = 3000
    data = _png(side, side, 6, bytes((side * 4 + 1) * side))
    decode_image(PICTURES["transparent png"], "x")
    with bounded((20 * side * side >> 20) + 16):
        assert decode_image(data, "x").min() == 255
