"""Where frames come from: files, folders, and a real stream over HTTP."""

from __future__ import annotations

import http.server
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime import Classifier, SourceError, open_source
from edgeclf_runtime.sources import is_live
from tests.videos import write_video


def _grey(level: int) -> np.ndarray:
    return np.full((48, 64, 3), level, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.avi"
    write_video(path, 10, map(_grey, range(0, 100, 10)))
    return path


def test_a_video_gives_every_frame_in_order(video: Path) -> None:
    with open_source(video) as source:
        frames = list(source)
    assert [frame.number for frame in frames] == list(range(10))
    assert [round(frame.pixels.mean(), -1) for frame in frames] == list(range(0, 100, 10))
    assert not source.live


def test_a_folder_gives_its_images_and_names_what_it_skips(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), _grey(10))
    (tmp_path / "b.png").write_bytes(b"no picture")
    cv2.imwrite(str(tmp_path / "c.jpg"), _grey(200))
    with open_source(tmp_path) as source:
        assert [Path(frame.source).name for frame in source] == ["a.png", "c.jpg"]
    assert "b.png" in caplog.text


def test_colours_come_as_rgb(tmp_path: Path) -> None:
    blue = np.zeros((8, 8, 3), np.uint8)
    blue[:, :, 0] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "blue.png"), blue)
    with open_source(tmp_path / "blue.png") as source:
        assert next(iter(source)).pixels[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (77, r"/dev/video77: no such camera"),
        ("/dev/video78", r"/dev/video78: no such camera"),
        ("nowhere.mp4", "no such camera, file, folder or address"),
        ("ftp://host/video", "expected one of rtsp"),
        ("http://user:secret@127.0.0.1:9/stream", r"http://127\.0\.0\.1:9/stream: no video stream there"),
    ],
)
def test_what_is_not_there_is_one_line(spec: str | int, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        open_source(spec)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["3", "csi", "-"])
def test_a_path_is_no_camera_whatever_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / name / "a.png"), _grey(10))
    monkeypatch.chdir(tmp_path)
    with open_source(Path(name)) as source:
        assert len(list(source)) == 1
    assert is_live(name)
    assert not is_live(Path(name))


def test_files_below_dev_are_no_cameras() -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("needs a writable /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        cv2.imwrite(f"{folder}/a.png", _grey(10))
        for spec in (folder, f"{folder}/a.png"):
            assert not is_live(spec)
            with open_source(spec) as source:
                assert len(list(source)) == 1
    assert is_live("/dev/video7")


def test_a_name_that_is_no_text_is_shown_with_escapes(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), _grey(10))
    try:
        (tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    except OSError:
        pytest.skip("this file system accepts only UTF-8 names")
    with open_source(tmp_path) as source:
        (frame,) = source
    assert frame.source.encode() == f"{tmp_path}/caf\\xe9.png".encode()


def test_a_text_file_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video", "utf-8")
    with pytest.raises(SourceError, match="not a video"):
        open_source(tmp_path / "notes.mp4")


def test_an_empty_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no images"):
        open_source(tmp_path)


class _Camera(http.server.BaseHTTPRequestHandler):
    """Motion JPEG: a frame of increasing grey every 20 ms, then the connection ends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for level in range(0, 240, 2):
                data = cv2.imencode(".jpg", _grey(level))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                time.sleep(0.02)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Camera) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/stream"
        server.shutdown()


def test_a_slow_consumer_of_a_stream_gets_the_newest_frame(address: str) -> None:
    numbers = []
    with open_source(address) as source:
        assert source.live
        for frame in source:
            numbers.append(frame.number)
            time.sleep(0.2)
            if len(numbers) == 4:
                break
    assert numbers == sorted(set(numbers))
    assert numbers[-1] - numbers[0] > 6  # frames in between were dropped, not queued


def test_a_stream_that_ends_is_said_to_be_lost(address: str) -> None:
    with open_source(address) as source, pytest.raises(SourceError, match="lost"):
        for _ in source:
            pass


def test_a_classifier_streams_a_video(model: Path, video: Path) -> None:
    with Classifier.load(model) as classifier:
        predictions = list(classifier.stream(video))
    assert len(predictions) == 10
    first = predictions[0]
    assert set(first.milliseconds) == {"capture", "resize", "invoke"}
    assert first.scores.dtype == np.float32
    assert first.ranked[0] == (first.label, first.score)
    assert first.frame is not None
    assert first.frame.number == 0
