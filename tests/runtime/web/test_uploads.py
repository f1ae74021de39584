"""Photographs that a page sends from its own camera: a real server, and attackers."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.web.album import Album
from edgeclf_runtime.web.capture_page import CapturePage
from tests.runtime.web_client import TOKEN, Viewer, ask, port, sentence

KIND = {"Content-Type": "image/jpeg"}
PIXELS = np.full((48, 64, 3), 90, np.uint8)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[CapturePage]:
    page = CapturePage(Album(tmp_path / "photos", ["cat", "dog"]), "0", camera=False)
    yield page
    page.close()


def _jpeg(pixels: np.ndarray = PIXELS, suffix: str = ".jpg") -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def _turned(data: bytes) -> bytes:
    """Return a JPEG with EXIF that says: its top is on the right."""
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def _of_many_scans() -> bytes:
    """Return a small file that takes a decoder long."""
    data = cv2.imencode(".jpg", PIXELS, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    return data[:-2] + 200 * data[data.rindex(b"\xff\xda") : -2] + data[-2:]


def _state(page: CapturePage) -> dict[str, object]:
    return dict(json.loads(ask(page, "/state.json")[2]))


def test_a_photograph_is_kept_as_it_came_and_taken_back(page: CapturePage, tmp_path: Path) -> None:
    data = _turned(_jpeg())
    assert ask(page, "/photograph?name=cat&press=a", data, KIND)[0] == 200
    assert ask(page, "/photograph?name=cat&press=a", data + b"PK\3\4 something else", KIND)[0] == 200
    files = list((tmp_path / "photos" / "cat").iterdir())
    assert [path.read_bytes() for path in files] == [data, data]
    assert read_image(files[0]).shape == (64, 48, 3)
    state = _state(page)
    assert (state["classes"], state["last"]) == ([["cat", 2], ["dog", 0]], {"press": "a", "count": 2})
    assert (state["recent"], state["source"]) == ([[2, "cat"], [1, "cat"]], None)
    small = cv2.imdecode(np.frombuffer(ask(page, "/recent/2.jpg")[2], np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (144, 108, 3)
    files[0].unlink()  # by somebody else
    state = _state(page)
    assert (state["classes"], state["last"]) == ([["cat", 1], ["dog", 0]], {"press": "a", "count": 1})
    assert json.loads(ask(page, "/undo", {"press": "a"})[2]) == {"removed": 1}
    state = _state(page)
    assert (state["classes"], state["last"], state["recent"]) == (
        [["cat", 0], ["dog", 0]],
        {"press": "", "count": 0},
        [],
    )
    assert ask(page, "/recent/2.jpg")[0] == 404
    assert not list((tmp_path / "photos").iterdir())


def test_what_is_no_photograph_is_refused(page: CapturePage, tmp_path: Path) -> None:
    good = _jpeg()
    for data, status, words in (
        (b"", 400, "empty"),
        (b"<svg/>", 400, "not an image"),
        (_jpeg(suffix=".png"), 400, "PNG, expected a JPEG"),
        (_jpeg(np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8))[:9000], 400, "cut short"),
        (good[:20], 400, "cut short"),
        (_of_many_scans(), 400, "more than 100 scans"),
        (_jpeg(np.zeros((4100, 4100, 3), np.uint8)), 400, "4100x4100 pixels, expected at most"),
        (good + b"x" * (1 << 24), 413, "at most 16777216 bytes"),
    ):
        told = ask(page, "/photograph?name=cat&press=a", data, KIND)
        assert (told[0], words in sentence(told)) == (status, True), (words, told)
    for name in ("", "bird", "../cat", "..%2Fcat", "/etc", "cat/../dog", "cat%00", "%ff", "cat%2F..%2F..%2Fx"):
        assert ask(page, f"/photograph?name={name}&press=a", good, KIND)[0] == 404, name
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", "image/png", ""):
        assert ask(page, "/photograph?name=cat&press=a", good, {"Content-Type": kind})[0] == 415, kind
    assert ask(page, "/hold", good, KIND)[0] == 415
    assert ask(page, "/photograph?name=cat&press=a", good, {**KIND, "Origin": "http://evil.example"})[0] == 403
    assert ask(page, "/photograph?name=cat&press=a")[0] == 405
    assert [path.name for path in tmp_path.rglob("*")] == ["photos"]


def test_it_needs_the_token(tmp_path: Path) -> None:
    page = CapturePage(Album(tmp_path, ["cat"]), "0.0.0.0:0", TOKEN, camera=False)
    try:
        assert ask(page, "/photograph?name=cat&press=a", _jpeg(), KIND)[0] == 401
        assert ask(page, f"/photograph?name=cat&press=a&token={TOKEN}", _jpeg(), KIND)[0] == 401
        assert not list(tmp_path.iterdir())
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert ask(page, "/photograph?name=cat&press=a", _jpeg(), {**KIND, **bearer})[0] == 200
    finally:
        page.close()


def test_a_photograph_that_breaks_off_leaves_nothing(page: CapturePage, tmp_path: Path) -> None:
    head = "POST /photograph?name=cat&press=a HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    for _ in range(5):  # more than are accepted at a time
        with socket.create_connection(("127.0.0.1", port(page)), timeout=20) as connection:
            connection.sendall(f"{head}Content-Length: 5000\r\n\r\n".encode() + _jpeg()[:200])
    assert ask(page, "/photograph?name=cat&press=a", _jpeg(), KIND)[0] == 200
    assert len(list((tmp_path / "photos").rglob("*.*"))) == 1


def test_what_is_too_large_is_refused_before_it_is_sent(page: CapturePage) -> None:
    head = "POST /photograph?name=cat&press=a HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    with socket.create_connection(("127.0.0.1", port(page)), timeout=20) as connection:
        connection.sendall(f"{head}Content-Length: {1 << 30}\r\n\r\n".encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 413")


def test_a_page_with_its_own_camera_is_told_without_images(page: CapturePage) -> None:
    page.show(Frame(PIXELS, time.monotonic(), 0, "video"))
    for path, has_image in (("/live", True), ("/live?pictures=none", False)):
        viewer = Viewer(page, path)
        viewer.begin()
        greeting, (state, image) = viewer.message(), viewer.message()
        assert greeting[0]["camera"] is False
        assert (state["recent"], bool(image)) == ([], has_image)
        viewer.close()


def test_a_folder_that_takes_nothing_is_a_sentence(page: CapturePage, tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").write_text("in the way", "utf-8")
    told = ask(page, "/photograph?name=cat&press=a", _jpeg(), KIND)
    assert (told[0], sentence(told).endswith("Nothing was written.")) == (409, True)
    assert _state(page)["recent"] == []


def test_many_at_once_come_at_the_pace_of_the_other_camera(page: CapturePage, tmp_path: Path) -> None:
    start = time.monotonic()
    with ThreadPoolExecutor(6) as phones:
        told = phones.map(lambda press: ask(page, f"/photograph?name=dog&press={press}", _jpeg(), KIND)[0], range(6))
        assert list(told) == [200] * 6
    assert time.monotonic() - start > 0.9
    assert len(list((tmp_path / "photos" / "dog").iterdir())) == 6
