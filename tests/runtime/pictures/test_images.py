"""Images in all the forms that users have them."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from edgeclf_runtime import ImageError, SourceError, open_source, read_image
from edgeclf_runtime.pictures.images import decode_image


def _gradient() -> Image.Image:
    y, x = np.mgrid[0:40, 0:60]
    return Image.fromarray(np.stack([x * 4, y * 6, x + y], -1).astype(np.uint8))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.webp", "a.tif", "a.gif", "a.avif"])
def test_formats(tmp_path: Path, name: str) -> None:
    _gradient().save(tmp_path / name)
    pixels = read_image(tmp_path / name)
    assert pixels.shape == (40, 60, 3)
    assert abs(pixels.astype(int) - np.asarray(_gradient()).astype(int)).mean() < 8


def test_cmyk_and_grey_become_rgb(tmp_path: Path) -> None:
    _gradient().convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    _gradient().convert("L").save(tmp_path / "grey.png")
    assert abs(read_image(tmp_path / "cmyk.jpg").astype(int) - np.asarray(_gradient()).astype(int)).mean() < 12
    grey = read_image(tmp_path / "grey.png")
    assert (grey[..., 0] == grey[..., 2]).all()


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 2400).astype(np.uint16).reshape(40, 60)
    Image.fromarray(values).save(tmp_path / "deep.png")
    pixels = read_image(tmp_path / "deep.png")
    assert (pixels[..., 0] == (values.astype(np.uint32) + 128) // 257).all()


def test_exif_orientation_turns_the_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _gradient().save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (60, 40, 3)


def test_the_first_image_of_an_animation_is_taken(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (20, 20), "red"), Image.new("RGB", (20, 20), "blue")
    red.save(tmp_path / "moving.gif", save_all=True, append_images=[blue])
    assert read_image(tmp_path / "moving.gif")[10, 10].tolist() == [255, 0, 0]


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png").min() == 255


def test_a_truncated_photograph_is_refused_by_name(tmp_path: Path) -> None:
    data = io.BytesIO()
    _gradient().save(data, "JPEG")
    (tmp_path / "half.jpg").write_bytes(data.getvalue()[: len(data.getvalue()) // 2])
    with pytest.raises(ImageError, match=r"half\.jpg: cut short"):
        read_image(tmp_path / "half.jpg")


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"GET / HTTP", "not an image")])
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ImageError, match=rf"x\.png: {reason}"):
        read_image(tmp_path / "x.png")


def _jpeg(**options: object) -> bytes:
    data = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    Image.fromarray(noise).resize((160, 120)).save(data, "JPEG", **options)
    return data.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 98, "subsampling": 0}, {"optimize": True}])
def test_a_jpeg_is_taken_without_its_end_marker_if_every_pixel_is_there(options: dict[str, object]) -> None:
    data = _jpeg(**options)
    whole = decode_image(data, "x")
    for left in (data[:-2], data[:-1], data[:-2] + bytes(3000), data[:-2] + b"\xff" * 40, data + b"\r\n--boundary"):
        assert (decode_image(left, "x") == whole).all()
    for count in (6, 30, 300, len(data) // 2):  # the end marker takes two of them
        for padding in (b"", bytes(5000)):
            with pytest.raises(ImageError, match="x: cut short"):
                decode_image(data[:-count] + padding, "x")
            if "progressive" not in options and count > 100:
                with pytest.raises(ImageError, match="x: cut short"):  # a program added the marker to what it had
                    decode_image(data[:-count] + b"\xff\xd9" + padding, "x")


def test_a_grey_image_is_whole() -> None:
    for mode in ("RGB", "L"):
        data = io.BytesIO()
        Image.new(mode, (64, 48), (128, 128, 128) if mode == "RGB" else 128).save(data, "JPEG")
        assert (decode_image(data.getvalue(), "x") == 128).all()
        assert (decode_image(data.getvalue()[:-2], "x", min_size=16) == 128).all()


def test_a_progressive_jpeg_of_some_scans_is_cut_short() -> None:
    data = _jpeg(progressive=True)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    tables = data.rfind(b"\xff\xc4", 0, scans[-1])  # of the last scan: everything before it is complete
    with pytest.raises(ImageError, match="cut short"):
        decode_image(data[:tables], "x")


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.avif", "a.heic", "a.tif"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_every_orientation_is_applied_once_with_and_without_alpha(tmp_path: Path, name: str, mode: str) -> None:
    image = _gradient().convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.new("L", image.size, 128))
    laid = Image.new("RGB", image.size, "white")
    laid.paste(image, mask=image if mode == "RGBA" else None)
    exact = {"lossless": True} if name == "a.webp" else {"quality": 100, "subsampling": "4:4:4"}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        if name == "a.heic":
            pillow_heif.from_pillow(image).save(tmp_path / name, quality=-1, chroma=444, exif=exif.tobytes())
        else:
            image.save(tmp_path / name, exif=exif, **({} if name in ("a.png", "a.tif") else exact))
        laid.getexif()[0x0112] = orientation
        expected = np.asarray(ImageOps.exif_transpose(laid)).astype(int)
        assert read_image(tmp_path / name).shape == expected.shape
        assert abs(read_image(tmp_path / name) - expected).max() <= 6, orientation


def _tiff(pixels: np.ndarray, extra: int | None) -> bytes:
    """Return RGBA ``[height, width, 4]`` of 8 or 16 bits; 1 means premultiplied alpha, 2 that it is not."""
    height, width, _ = pixels.shape
    content = pixels.astype(f"<u{pixels.itemsize}").tobytes()
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 4, 8), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 16)]
    tags += [(277, 3, 1, 4), (278, 3, 1, height), (279, 4, 1, len(content))]
    tags += [] if extra is None else [(338, 3, 1, extra)]
    head = struct.pack("<4sI4H", b"II*\0", 16 + len(content), *[pixels.itemsize * 8] * 4)
    return head + content + struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags) + bytes(4)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_tiffs_alpha_is_applied_once(kind: type) -> None:
    full = np.iinfo(kind).max
    colour, alpha = np.array([200, 100, 50]) / 255, 0.5
    expected = (colour * alpha + 1 - alpha) * 255
    for extra, stored in ((2, colour), (1, colour * alpha), (None, colour)):
        pixels = np.tile(np.round(np.array([*stored, alpha]) * full).astype(kind), (4, 6, 1))
        assert abs(decode_image(_tiff(pixels, extra), "x") - expected).max() <= 1.5, extra


def _heic(path: Path, image: Image.Image | None = None, **options: object) -> Path:
    pillow_heif.from_pillow(image or _gradient()).save(path, quality=-1, chroma=444, **options)
    return path


def test_ten_bits_of_a_heic_become_eight(tmp_path: Path) -> None:
    values = (np.asarray(_gradient()).astype(np.uint16)) * 257
    pillow_heif.encode("RGB;16", (60, 40), values.tobytes(), tmp_path / "deep.heic", quality=-1, chroma=444)
    assert pillow_heif.open_heif(tmp_path / "deep.heic", convert_hdr_to_8bit=False).mode == "RGB;16"
    assert abs(read_image(tmp_path / "deep.heic").astype(int) - np.asarray(_gradient())).max() <= 4


def test_a_heic_of_tiles_is_read_whole_by_every_way(tmp_path: Path) -> None:
    """As iPhones write them; FFmpeg returns a single tile."""
    image = _gradient().resize((300, 200))
    data = _heic(tmp_path / "IMG_1.HEIC", image, tile_size=128).read_bytes()
    assert b"grid" in data
    assert abs(read_image(tmp_path / "IMG_1.HEIC").astype(int) - np.asarray(image)).max() <= 4


def test_a_heic_without_its_own_turning_is_turned_by_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = _heic(tmp_path / "a.heic", exif=exif.tobytes()).read_bytes()
    assert data.count(b"irot") == 1
    (tmp_path / "b.heic").write_bytes(data.replace(b"irot", b"free"))
    assert read_image(tmp_path / "a.heic").shape == (60, 40, 3)
    assert (read_image(tmp_path / "b.heic") == read_image(tmp_path / "a.heic")).all()


def test_a_heic_is_bounded_refused_and_named_like_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _heic(tmp_path / "IMG 1.HEIC").read_bytes()
    with pytest.raises(ImageError, match="64x64 pixels, expected at most 2399 in all"):
        decode_image(data, "x", limit=2399)
    for cut in (20, 200, len(data) - 9):
        with pytest.raises(ImageError, match=r"x: cut short; copy .*, or convert it: heif-convert x x\.jpg"):
            decode_image(data[:cut], "x")
    damaged = data.replace(b"hvc1", b"none")
    with pytest.raises(ImageError, match=r"cannot be decoded .* heif-convert 'IMG 1.HEIC' 'IMG 1'.jpg"):
        decode_image(damaged, "IMG 1.HEIC")
    with pytest.raises(ImageError, match=r"a video, not an image; ffmpeg -i x"):
        decode_image(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(80), "x")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as on a device without the extra
    with pytest.raises(
        ImageError, match=r"pip install 'edgeclf-runtime\[heic\]', or convert it: heif-convert .* 1'.jpg"
    ):
        read_image(tmp_path / "IMG 1.HEIC")


def test_a_heic_without_a_suffix_and_in_a_folder_is_the_same_image(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    expected = read_image(_heic(tmp_path / "photos" / "a.HEIC"))
    (tmp_path / "plain").write_bytes((tmp_path / "photos" / "a.HEIC").read_bytes())
    for path in (tmp_path / "photos", tmp_path / "photos" / "a.HEIC", tmp_path / "plain"):
        with open_source(path) as source:
            assert [(frame.pixels == expected).all() for frame in source] == [True]


def test_a_folder_of_raw_files_names_them_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "a.CR2").write_bytes(b"II*\0")
    for path in (tmp_path, tmp_path / "a.CR2"):
        with pytest.raises(SourceError, match=r"a\.CR2: a camera's raw file, .*: darktable-cli .*a\.CR2 .*a\.jpg"):
            open_source(path)
