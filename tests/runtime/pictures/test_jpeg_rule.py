"""The size at which a JPEG is decoded by the rule of a model card: the smallest that fills the input."""

from __future__ import annotations

import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeclf_runtime import ImageError, ModelCard, ModelError
from edgeclf_runtime.pictures.images import decode_image
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.pictures.view import View

FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def _image(width: int, height: int) -> Image.Image:
    small = np.random.default_rng(width * 10_000 + height).integers(0, 255, (9, 12, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR)


def _jpeg(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def _decoded(data: bytes, rule: Preprocessing) -> np.ndarray:
    return decode_image(data, "x.jpg", min_size=rule.min_decoded_size)


def _by_opencv(data: bytes, part: int) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), FLAGS[part]))[:, :, ::-1]


@pytest.mark.parametrize(
    ("width", "height", "part"),
    [
        (1, 1, 1),
        (64, 48, 1),
        (127, 95, 1),  # a column or row short of twice the input
        (128, 95, 1),
        (127, 96, 1),
        (128, 96, 2),
        (1000, 96, 2),  # the side with less room decides
        (128, 1000, 2),
        (255, 192, 2),
        (256, 192, 4),
        (511, 400, 4),
        (512, 384, 8),
        (2000, 1500, 8),
    ],
)
@pytest.mark.parametrize("resize", ["stretch", "crop"])
@pytest.mark.parametrize("crop", [1.0, 0.5])
def test_it_is_the_smallest_that_fills_the_input(width: int, height: int, part: int, resize: str, crop: float) -> None:
    data = _jpeg(_image(width, height))
    rule = Preprocessing(64, 48, resize=resize, crop=crop, jpeg="reduced")
    pixels = _decoded(data, rule)
    assert np.array_equal(pixels, _by_opencv(data, part))
    assert part == 1 or (pixels.shape[0] >= 48 and pixels.shape[1] >= 64)
    assert _decoded(data, Preprocessing(64, 48, resize=resize, crop=crop)).shape == (height, width, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_fills_the_input_with_the_upright_image(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    width, height = (200, 400) if orientation > 4 else (400, 200)  # as stored; 400x200 upright
    data = _jpeg(_image(width, height), exif=exif)
    pixels = _decoded(data, Preprocessing(200, 100, jpeg="reduced"))
    assert pixels.shape == (100, 200, 3)
    assert np.array_equal(pixels, _by_opencv(data, 2))
    assert _decoded(data, Preprocessing(100, 200, jpeg="reduced")).shape == (200, 400, 3)
    whole = decode_image(data, "x.jpg").astype(int)
    means = whole.reshape(100, 2, 200, 2, 3).mean(axis=(1, 3))
    assert np.abs(means - pixels).mean() < 3  # it is oriented like the full-size image


@pytest.mark.parametrize(
    ("mode", "options"),
    [("L", {}), ("CMYK", {}), ("RGB", {"progressive": True}), ("RGB", {"subsampling": 0}), ("RGB", {"optimize": True})],
)
def test_every_kind_of_jpeg_is_reduced(mode: str, options: dict[str, object]) -> None:
    data = _jpeg(_image(520, 390).convert(mode), **options)
    pixels = _decoded(data, Preprocessing(64, 48, jpeg="reduced"))
    assert pixels.shape == (49, 65, 3)
    assert np.array_equal(pixels, _by_opencv(data, 8))
    whole = np.asarray(cv2.resize(decode_image(data, "x.jpg"), (65, 49), interpolation=cv2.INTER_AREA)).astype(int)
    assert np.abs(whole - pixels).mean() < 4


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.97])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_one_is_refused_all_the_same(cut: float, progressive: bool) -> None:
    data = _jpeg(_image(520, 390), progressive=progressive)
    first = data[: int(cut * len(data))]
    for truncated in [first] if progressive else [first, first + b"\xff\xd9"]:
        with pytest.raises(ImageError, match=r"x\.jpg: cut short"):
            _decoded(truncated, Preprocessing(64, 48, jpeg="reduced"))
    assert _decoded(data[:-2], Preprocessing(64, 48, jpeg="reduced")).shape == (49, 65, 3)  # only its marker is missing


@pytest.mark.parametrize("cut", [7, 23, 100, 400])
@pytest.mark.parametrize("size", [(1333, 1000), (1016, 761), (1001, 750)])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_missing_pixels_of_less_than_a_corner_are_missed(size: tuple[int, int], cut: int, subsampling: int) -> None:
    """At an eighth, a whole block of missing pixels may be a single pixel in the corner."""
    data = _jpeg(_image(*size), subsampling=subsampling)
    decoded = decode_image(data, "x.jpg", min_size=(90, 90))
    assert decoded.shape[1] == -(-size[0] // 8)
    with pytest.raises(ImageError, match=r"x\.jpg: cut short"):
        decode_image(data[:-cut] + b"\xff\xd9", "x.jpg", min_size=(90, 90))


def test_a_grey_image_is_whole_at_reduced_size() -> None:
    data = _jpeg(Image.new("RGB", (520, 390), (128, 128, 128)))
    assert (_decoded(data, Preprocessing(64, 48, jpeg="reduced")) == 128).all()


def test_other_formats_are_never_reduced() -> None:
    for kind in ("PNG", "WEBP", "BMP", "TIFF"):
        file = io.BytesIO()
        _image(520, 390).save(file, kind)
        assert _decoded(file.getvalue(), Preprocessing(64, 48, jpeg="reduced")).shape == (390, 520, 3), kind


def test_a_camera_on_its_side_fills_the_input_after_rotation() -> None:
    rule = Preprocessing(64, 48, jpeg="reduced")
    sizes = {rotate: View(rotate=rotate).before_turning(rule.min_decoded_size) for rotate in (0, 90, 180, 270)}
    assert sizes == {0: (64, 48), 90: (48, 64), 180: (64, 48), 270: (48, 64)}


def test_it_stands_in_the_card_whose_format_says_so() -> None:
    cards = {jpeg: ModelCard("x", ("a", "b"), Preprocessing(64, 48, jpeg=jpeg)) for jpeg in ("full", "reduced")}
    texts = {jpeg: card.to_json() for jpeg, card in cards.items()}
    assert "jpeg" not in texts["full"]
    assert {jpeg: json.loads(text)["format"] for jpeg, text in texts.items()} == {"full": 1, "reduced": 2}
    assert json.loads(texts["reduced"])["preprocessing"]["jpeg"] == "reduced"
    for jpeg, text in texts.items():
        assert ModelCard.from_json(text, ("a", "b")) == cards[jpeg]
    with pytest.raises(ModelError, match="JPEG rule 'half': expected one of full, reduced"):
        ModelCard.from_json(texts["reduced"].replace('"reduced"', '"half"'), ("a", "b"))
