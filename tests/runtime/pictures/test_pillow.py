"""Images opened with Pillow are classified like their files."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeclf_runtime import Classifier, ImageError
from edgeclf_runtime.pictures.images import decode_image
from edgeclf_runtime.pictures.pillow import pillow_pixels

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 4), dtype=np.uint8)


@pytest.fixture(scope="module")
def classifier(sure_model: Path) -> Classifier:
    return Classifier.load(sure_model)


def test_a_path_and_a_pillow_image_give_what_the_array_gives(classifier: Classifier, digits: Path) -> None:
    path = next((digits / "2").iterdir())
    with Image.open(path) as image:
        wanted = classifier.classify(decode_image(path.read_bytes(), "x"))
        for picture in (path, str(path), image, image.convert("RGBA")):
            assert (classifier.classify(picture).scores == wanted.scores).all()
    assert set(wanted.milliseconds) == {"resize", "invoke"}


def test_what_cannot_be_classified_is_refused_by_name(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match=r"half\.png: "):
        classifier.classify(tmp_path / "half.png")
    with pytest.raises(ImageError, match=r"none\.png: No such file"):
        classifier.classify(str(tmp_path / "none.png"))
    with pytest.raises(ImageError, match=r"the path of an image, a Pillow image or a Frame, got bytes\."):
        classifier.classify(b"")
    with pytest.raises(ImageError, match="without pixels"):
        classifier.classify(Image.new("RGB", (0, 9)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("orientation", [1, 2, 6])
def test_an_image_is_what_its_file_is_to_us(mode: str, orientation: int) -> None:
    grey = NOISE.astype(np.uint16)[:, :, 0] * 256 + NOISE[:, :, 1]
    image = Image.fromarray(grey) if mode == "I;16" else Image.fromarray(NOISE).convert(mode)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(file, "PNG", exif=exif, **({"transparency": 3} if mode == "P" else {}))
    expected = decode_image(file.getvalue(), "x")
    assert expected.shape == ((60, 40, 3) if orientation > 4 else (40, 60, 3))
    assert np.array_equal(pillow_pixels(Image.open(file)), expected)


def test_a_tiff_that_pillow_turns_itself_is_turned_once() -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(NOISE).save(file, "TIFF", exif=exif)
    assert np.array_equal(pillow_pixels(Image.open(file)), decode_image(file.getvalue(), "x"))


def test_cmyk_and_other_colours_become_rgb() -> None:
    plain = Image.new("RGB", (9, 7), (200, 100, 50))
    for mode in ("CMYK", "YCbCr", "HSV", "RGBX"):
        assert abs(pillow_pixels(plain.convert(mode)).astype(int) - (200, 100, 50)).max() <= 3, mode


@pytest.mark.parametrize("mode", ["I", "F", "LAB", "La"])
def test_a_mode_of_no_known_range_is_refused(mode: str) -> None:
    with pytest.raises(ImageError, match=rf"Pillow image: mode {mode}, expected"):
        pillow_pixels(Image.new(mode, (9, 9)))


def test_closed_damaged_and_huge_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.fromarray(NOISE[:, :, :3]).save(file, "JPEG")
    with Image.open(io.BytesIO(file.getvalue())) as closed:
        pass
    (tmp_path / "cut.jpg").write_bytes(file.getvalue()[:-900])
    with pytest.raises(ImageError, match="Pillow image: cannot be read"):
        pillow_pixels(closed)
    with Image.open(tmp_path / "cut.jpg") as cut, pytest.raises(ImageError, match=r"cut\.jpg: cannot be read"):
        pillow_pixels(cut)
    huge = Image.new("1", (1 << 14, (1 << 12) + 1))
    with pytest.raises(ImageError, match="16384x4097 pixels, expected at most"):
        pillow_pixels(huge)


def test_a_program_without_pillow_loads_none(sure_model: Path, digits: Path) -> None:
    code = (
        "import sys; sys.modules['PIL'] = sys.modules['PIL.Image'] = None\n"
        "from edgeclf_runtime import Classifier, ImageError\n"
        f"classifier = Classifier.load({str(sure_model)!r})\n"
        f"print(classifier.classify({str(next((digits / '2').iterdir()))!r}).label)\n"
        "try: classifier.classify(None)\n"
        "except ImageError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "refused"
