"""Pictures as people have them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeclf_runtime import ImageError, read_image


def _gradient() -> Image.Image:
    y, x = np.mgrid[0:40, 0:60]
    return Image.fromarray(np.stack([x * 4, y * 6, x + y], -1).astype(np.uint8))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.webp", "a.tif", "a.gif"])
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


def test_exif_orientation_turns_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _gradient().save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (60, 40, 3)


def test_the_first_picture_of_an_animation_is_taken(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"GET / HTTP", "not a picture")])
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ImageError, match=rf"x\.png: {reason}"):
        read_image(tmp_path / "x.png")
