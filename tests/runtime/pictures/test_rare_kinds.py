"""Rare kinds of image files: their pixels are right, or they are refused; never wrong without a word."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pillow_heif
import pytest
from PIL import Image, ImageOps

from edgeclf_runtime import ImageError
from edgeclf_runtime.pictures.foreign import conversion
from edgeclf_runtime.pictures.images import decode_image, read_image


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _noise() -> Image.Image:
    values = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    return Image.fromarray(values).resize((160, 120))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_cut_at_a_restart_marker_is_refused(mode: str) -> None:
    data = _saved(_noise().convert(mode), "JPEG", restart_marker_rows=1)
    for marker in range(0xD0, 0xD5):
        at = data.index(bytes([0xFF, marker]))
        for left in (data[:at], data[: at + 1], data[:at] + bytes(5000)):
            with pytest.raises(ImageError, match="x: cut short"):
                decode_image(left, "x")
    assert (decode_image(data[:-2], "x") == decode_image(data, "x")).all()


def test_a_jpeg_that_lacks_a_few_bits_is_refused() -> None:
    for width in (92, 110):  # whose missing bits begin with 0
        data = _saved(_noise().resize((width, 24)).convert("L"), "JPEG", optimize=True)
        with pytest.raises(ImageError, match="x: cut short"):
            decode_image(data[:-4], "x")  # of which the end marker takes two


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_transparent_value_of_a_grey_png_is_white(depth: int) -> None:
    values = np.arange(64).reshape(4, 16) % (1 << depth)
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in values * 257]
    else:
        bits = np.unpackbits(values.astype(np.uint8)[..., None], axis=2)[..., 8 - depth :]
        rows = [np.packbits(row).tobytes() for row in bits]
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 16, 4, depth, 0, 0, 0, 0),
        b"tRNS": struct.pack(">H", 257 if depth == 16 else 1),
        b"IDAT": zlib.compress(b"".join(b"\0" + row for row in rows)),
        b"IEND": b"",
    }
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks.items()
    )
    highest = (1 << depth) - 1 if depth < 16 else 255
    expected = np.where(values == 1, 255, values * 255 // highest)
    assert (decode_image(data, "x") == expected[..., None]).all()


def _tiff(values: npt.NDArray[np.generic], photometric: int, planes: int = 1, extra: int | None = None) -> bytes:
    """A TIFF of ``[height, width, samples]``; the planes one after another if ``planes`` is 2."""
    height, width, samples = values.shape
    stored = values if planes == 1 else np.moveaxis(values, 2, 0)
    content, depth = np.ascontiguousarray(stored).tobytes(), values.itemsize * 8
    strip = len(content) // (samples if planes == 2 else 1)
    count = samples if planes == 2 else 1
    lists = [[depth] * samples, [64 + strip * i for i in range(count)], [strip] * count]
    places = [64 + len(content) + 16 * i for i in range(3)]
    bits, starts, lengths = [
        numbers[0] + (numbers[1] << 16 if len(numbers) == 2 and kind == 3 else 0)
        if len(numbers) * (2 if kind == 3 else 4) <= 4
        else place
        for numbers, place, kind in zip(lists, places, (3, 4, 4), strict=True)
    ]
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, samples, bits), (259, 3, 1, 1), (262, 3, 1, photometric)]
    tags += [(273, 4, count, starts), (277, 3, 1, samples), (278, 3, 1, height), (279, 4, count, lengths)]
    tags += [(284, 3, 1, planes)] + ([] if extra is None else [(338, 3, 1, extra)])
    behind = b"".join(
        struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers).ljust(16, b"\0")
        for numbers, kind in zip(lists, (3, 4, 4), strict=True)
    )
    head = struct.pack("<4sI", b"II*\0", 64 + len(content) + len(behind)).ljust(64, b"\0")
    table = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return head + content + behind + table


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_tiff_that_opencv_reads_wrong_is_refused(kind: type) -> None:
    scale = np.iinfo(kind).max // 255
    colour = (np.arange(6 * 8 * 3).reshape(6, 8, 3) * scale).astype(kind)
    grey = colour[:, :, :1]
    assert (decode_image(_tiff(colour, 2), "x") == colour // scale).all()
    assert (decode_image(_tiff(grey, 1), "x") == grey // scale).all()
    planes, white_as_zero = _tiff(colour, 2, planes=2), _tiff(grey, 0)
    if kind is np.uint8:
        assert (decode_image(planes, "x") == colour).all()
        assert (decode_image(white_as_zero, "x") == 255 - grey).all()
    else:
        for data in (planes, white_as_zero):
            with pytest.raises(ImageError, match="x: a TIFF of 16 bits with separate planes, or with white as 0"):
                decode_image(data, "x")
    with pytest.raises(ImageError, match="x: a grey TIFF with alpha; convert it to PNG"):
        decode_image(_tiff(colour[:, :, :2], 1, extra=2), "x")
    with pytest.raises(ImageError, match="x: a BigTIFF; convert it to PNG"):
        decode_image(b"II+\0" + bytes(60), "x")


def test_a_grey_heic_of_ten_bits_has_its_values(tmp_path: Path) -> None:
    values = np.arange(64 * 64).reshape(64, 64).astype(np.uint16) * 16
    pillow_heif.from_pillow(Image.fromarray(values)).save(tmp_path / "a.heic", quality=-1)
    assert abs(read_image(tmp_path / "a.heic")[:, :, 0].astype(int) - values // 257).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_orientation_stored_as_a_long_number_is_applied(order: str) -> None:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = mark + struct.pack(f"{order}IHHHIII", 8, 1, 274, 4, 1, 6, 0)
    plain = _saved(_noise(), "PNG")
    chunk = b"eXIf" + exif
    data = plain[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[33:]
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert expected.size == (120, 160)
    assert (decode_image(data, "x") == np.asarray(expected)).all()


def test_a_conversion_never_writes_over_its_own_file() -> None:
    assert conversion("IMG 1.jpg", ".heic").endswith(("'IMG 1-converted'.jpg", "'IMG 1-converted.jpg'"))
    assert conversion("a.png", ".jp2").endswith("a-converted.png")
    assert conversion("a.heic").endswith(" a.jpg")
