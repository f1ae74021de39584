"""JPEGs of videos, folders and cameras are kept undecoded and decoded at the smallest sufficient size."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf_runtime import ImageError, SourceError
from edgeclf_runtime.pictures.images import decode_image, read_image
from edgeclf_runtime.sources import SourceOptions, open_source
from edgeclf_runtime.sources.connection import OpenCVCapture
from edgeclf_runtime.sources.undecoded import JpegDecoder, is_jpeg
from tests.videos import write_video


def _image(shift: int, height: int = 96, width: int = 128) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([(x + shift) % 256, (2 * y) % 256, (x + y) % 256], axis=2).astype(np.uint8)


def _jpeg(image: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", image[:, :, ::-1])[1])


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Eight JPEGs in an AVI file."""
    path = tmp_path / "video.avi"
    write_video(path, 25, (_image(shift)[:, :, ::-1] for shift in range(8)))
    return path


@pytest.mark.parametrize(("size", "height"), [(0, 96), (49, 96), (48, 48), (24, 24), (12, 12), (3, 12)])
def test_a_video_of_jpegs_is_decoded_at_what_is_enough(video: Path, size: int, height: int) -> None:
    with open_source(video, SourceOptions(min_decoded_size=size)) as source:
        frames = list(source)
    assert [frame.pixels.shape[0] for frame in frames] == [height] * 8
    assert [frame.number for frame in frames] == list(range(8))
    assert all(frame.whole().shape == (96, 128, 3) for frame in frames)
    assert all(frame.jpeg and (frame.whole() == decode_image(frame.jpeg, "video")).all() for frame in frames)


def test_the_smaller_image_is_the_larger_ones_mean(video: Path) -> None:
    with open_source(video, SourceOptions(min_decoded_size=48)) as source:
        frame = next(iter(source))
    means = frame.whole().reshape(48, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(means - frame.pixels).mean() < 1.5


def _damaged(data: bytes) -> bytes:
    """Return a JPEG whose frame header names too many components: complete, but not decodable."""
    place = data.index(b"\xff\xc0")
    return data[: place + 9] + b"\x07" + data[place + 10 :]


def test_a_damaged_image_of_a_video_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "video.mjpeg"
    good = [_jpeg(_image(shift)) for shift in range(3)]
    path.write_bytes(good[0] + _damaged(good[1]) + good[2])
    with caplog.at_level(logging.WARNING), open_source(path, SourceOptions(min_decoded_size=48)) as source:
        numbers = [frame.number for frame in source]
    assert numbers == [0, 2]
    assert "video.mjpeg" in caplog.text


def test_a_video_whose_images_are_all_damaged_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "video.mjpeg"
    good = [_jpeg(_image(shift)) for shift in range(3)]
    path.write_bytes(b"".join(map(_damaged, good)))
    with open_source(path) as source, pytest.raises(SourceError, match="none of its 3 images can be decoded"):
        list(source)
    with open_source(path) as source:  # as with several interpreters, which decode after the end was read
        decoders = list(source.undecoded())
        assert decoders[1]() is None
        assert decoders[0]() is None
        with pytest.raises(SourceError, match="none of its 3 images"):
            decoders[2]()


def _spoilt(video: Path, count: int) -> Path:
    """Change a video so that its second and some following images do not begin as JPEGs."""
    data = bytearray(video.read_bytes())
    places = [found.start() for found in re.finditer(rb"\xff\xd8\xff", data)]
    assert len(places) == 8
    for place in places[1 : 1 + count]:
        data[place : place + 2] = b"\0\0"
    video.write_bytes(data)
    return video


@pytest.mark.parametrize("count", [1, 3])
def test_what_does_not_begin_as_a_jpeg_is_no_image(video: Path, count: int, caplog: pytest.LogCaptureFixture) -> None:
    with open_source(_spoilt(video, count)) as source:
        frames = list(source)
    assert [frame.number for frame in frames] == [0, *range(1 + count, 8)]
    assert all(frame.pixels.shape == (96, 128, 3) for frame in frames)
    assert caplog.text.count("Skipped") == count


def test_nor_is_it_one_of_a_streams(video: Path) -> None:
    capture = OpenCVCapture(cv2.VideoCapture(str(_spoilt(video, 3)), cv2.CAP_FFMPEG), "stream", 9.0)
    pictures = [capture.read() for _ in range(8)]
    assert [is_jpeg(image) for image in pictures] == [True, False, False, False, True, True, True, True]
    for image in pictures[1:4]:
        with pytest.raises(ImageError, match="stream: a damaged JPEG"):
            capture.rgb(image)
    capture.close()


def test_folders_keep_the_jpeg_and_decode_less_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(_jpeg(_image(0)))
    cv2.imwrite(str(tmp_path / "b.png"), _image(0)[:, :, ::-1])
    with open_source(tmp_path, SourceOptions(min_decoded_size=40)) as source:
        first, second = source
    assert first.pixels.shape == (48, 64, 3)
    assert first.jpeg == (tmp_path / "a.jpg").read_bytes()
    assert second.pixels.shape == (96, 128, 3)
    assert second.jpeg is None
    assert (first.whole() == read_image(tmp_path / "a.jpg")).all()


class _Camera:
    """Behaves like a V4L2 camera of JPEGs; no such camera is emulated anywhere."""

    def __init__(self, obeys: bool) -> None:
        self.obeys, self.converts = obeys, True

    def get(self, what: int) -> float:
        return float(cv2.VideoWriter.fourcc(*"MJPG")) if what == cv2.CAP_PROP_FOURCC else 0.0

    def set(self, what: int, value: float) -> bool:
        assert what == cv2.CAP_PROP_CONVERT_RGB
        self.converts = bool(value)
        return True

    def getBackendName(self) -> str:
        return "V4L2"

    def read(self) -> tuple[bool, Any]:
        if self.obeys and not self.converts:
            return True, np.frombuffer(_jpeg(_image(0)), np.uint8)[np.newaxis]
        return True, _image(0)[:, :, ::-1]

    def release(self) -> None:
        pass


@pytest.mark.parametrize("obeys", [True, False])
def test_a_cameras_jpegs_are_taken_as_they_come_where_its_driver_gives_them(obeys: bool) -> None:
    capture = OpenCVCapture(_Camera(obeys), "/dev/video0", 9.0)
    image = capture.read()
    assert is_jpeg(image) == obeys
    pixels = JpegDecoder("/dev/video0", 48)(image)[0] if obeys else capture.rgb(image)
    part = 2 if obeys else 1
    assert np.abs(pixels.astype(int) - _image(0)[::part, ::part]).mean() < 3


def test_an_end_that_is_missing_is_no_damage_where_every_pixel_came() -> None:
    decode, whole = JpegDecoder("camera", 0), np.frombuffer(_jpeg(_image(0)), np.uint8)[np.newaxis]
    with pytest.raises(ImageError, match="camera: received a damaged or truncated image"):
        decode(whole[:, :-40])
    for _ in range(5):
        pixels, data = decode(whole[:, :-2])
        assert (pixels == decode.decoded(whole.tobytes())).all()
    assert data == whole.tobytes()  # by now it is known that this camera never writes it
