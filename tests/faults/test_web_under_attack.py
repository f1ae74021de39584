"""The real command and its page, with five hundred clients that read nothing, and with malformed requests."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest

from tests.faults.killing import EDGECLF
from tests.videos import write_video

VIEWERS, ROUNDS, WINDOW = 500, 3, 3.0
REQUESTS = int(os.environ.get("EDGECLF_REQUESTS", "5000"))
TOKEN = "a-token-of-the-tests"


class _Page:
    """A running command with its port and its log."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def json(self, path: str = "/state.json") -> dict[str, object]:
        for _ in range(50):  # refused while all places are taken
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                assert answer.status == 200, content
                return dict(json.loads(content))
            except OSError:
                time.sleep(0.2)
        raise AssertionError("no answer any more")

    def memory(self) -> int:
        """Return the memory in MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(text.split("VmRSS:")[1].split()[0]) >> 10


@contextmanager
def _running(folder: Path, *words: object) -> Iterator[_Page]:
    log = folder / "said.log"
    with log.open("wb") as said:
        command = [*EDGECLF, *map(str, words)]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=said)
    try:
        until = time.monotonic() + 60
        while not (found := re.search(r"http://[^\s/]+:(\d+)", log.read_text("utf-8"))):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < until, log.read_text("utf-8")
            time.sleep(0.1)
        yield _Page(process, int(found[1]), log)
        assert process.poll() is None, log.read_text("utf-8")
    finally:
        process.terminate()
        process.wait(20)


def _frames(page: _Page) -> float:
    """Return frames per second."""
    before, start = page.json()["frames"], time.monotonic()
    time.sleep(WINDOW)
    after = page.json()["frames"]
    assert isinstance(before, int)
    assert isinstance(after, int)
    return (after - before) / (time.monotonic() - start)


def _viewer(port: int) -> socket.socket:
    """Connect a client that requests the live images and reads nothing; every second request is incomplete."""
    viewer = socket.socket()
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    viewer.connect(("127.0.0.1", port))
    half = viewer.fileno() % 2
    with_end = "" if half else f"Authorization: Bearer {TOKEN}\r\n\r\n"
    with suppress(OSError):  # refused
        viewer.sendall(f"GET /live HTTP/1.1\r\nHost: localhost\r\n{with_end}".encode())
    return viewer


def test_five_hundred_slow_viewers(model: Path, tmp_path: Path) -> None:
    """Classify a video at sixty frames per second; no frame may wait for the clients."""
    video = _long_video(tmp_path)
    words = ["run", model, "--source", video, "--realtime", "--web", "0"]
    quiet, watched = [], []
    with _running(tmp_path, *words) as page:
        time.sleep(2)
        before = page.memory()
        for _ in range(ROUNDS):
            quiet.append(_frames(page))
            with ExitStack() as stack:
                for _ in range(VIEWERS):
                    stack.enter_context(_viewer(page.port))
                watched.append(_frames(page))
                memory = page.memory()
        assert page.json()["frames"]
    share = statistics.median(watched) / statistics.median(quiet)
    print(f"\n{VIEWERS} viewers: {share:.0%} of the frames a second ({quiet} without), {before} to {memory} MiB")
    assert share > 0.8
    assert memory - before < 60
    assert "Traceback" not in page.log.read_text("utf-8")


def _long_video(folder: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (50, 120, 160, 3), np.uint8)
    write_video(folder / "video.avi", 60, islice(cycle(noise), 60 * 120))
    return folder / "video.avi"


@pytest.mark.parametrize("command", ["run", "capture"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_nonsense(command: str, host: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"what nobody may see")
    video = _long_video(tmp_path)
    monkeypatch.setenv("EDGECLF_WEB_TOKEN", TOKEN if host == "0.0.0.0" else "")
    words = {
        "run": ["run", model, "--source", video, "--realtime", "--snapshots", "kept", "--web", f"{host}:0"],
        "capture": ["capture", "photos", "--source", video, "--classes", "a,b", "--web", f"{host}:0"],
    }[command]
    outside = _tree(tmp_path, place)
    given, answers = random.Random(f"{command} {host}"), dict[int, int]()
    with _running(place, *words) as page:
        time.sleep(2)
        before = page.memory()
        for _ in range(REQUESTS):
            status, content = _ask(page.port, _request(given, page.port))
            answers[status] = answers.get(status, 0) + 1
            assert b"what nobody may see" not in content
            assert b"Traceback" not in content
            if host == "0.0.0.0" and status == 200:  # no client had the token
                assert b"text/css" in content or b"image/svg" in content, content
        assert page.json()
        memory = page.memory()
        said = page.log.read_text("utf-8")
    print(f"\n{command}, {host}: {REQUESTS} requests, answers {answers}, {before} to {memory} MiB")
    assert "Traceback" not in said
    assert "Web page," not in said  # an error of ours
    assert memory - before < 40
    assert not {status for status in answers if status >= 500 and status != 503}
    assert _tree(tmp_path, place) == outside
    assert {path.name for path in place.iterdir()} <= {"said.log", "kept", "photos"}


def _tree(root: Path, left_out: Path) -> set[str]:
    return {str(path) for path in root.rglob("*") if left_out not in (path, *path.parents)}


_PATHS = (
    "/",
    "/live",
    "/state.json",
    "/metrics",
    "/picture.jpg",
    "/snapshots.json",
    "/snapshots/x",
    "/sort",
    "/unsort",
    "/discard",
    "/restore",
)
_PATHS += (
    "/classes",
    "/hold",
    "/release",
    "/undo",
    "/photograph?name=a&press=x",
    "/photograph?name=..%2f..&press=x",
    "/recent/1.jpg",
    "/recent/..%2fsecret.jpg",
    "/page.css",
    "/../secret.jpg",
    "/%2e%2e/secret.jpg",
    "/..%2fsecret.jpg",
)
_PATHS += (
    "/snapshots/..%2f..%2f..%2fsecret.jpg",
    "//etc/passwd",
    "/\\..\\secret.jpg",
    "/%00",
    "/%ff%fe",
    "*",
    "http://a/b",
)
_BODIES = ("", "{", "[]", "null", "1e999", '{"name": "../../secret.jpg", "label": "a"}', '{"name": {}, "label": []}')
_BODIES += (
    '{"label": "../../../x"}',
    '{"name": "a\\u0000b"}',
    '{"name": "' + "x" * 3000 + '"}',
    "[" * 3000,
    '"\\ud800"',
)
_BODIES += ("\xff\xd8\xff\xd9", "\xff\xd8\xff\xe0\x00\x10JFIF" + "\x00" * 500, "\x89PNG\r\n\x1a\n")
_BODIES += ('{"label": "a", "name": "a"}', '{"token": "x"}', "\xff\xfe")
_HEADERS = (
    "Host: localhost",
    "Host: evil.example",
    "Host: ",
    "Host: [::1",
    "Content-Type: application/json",
    "Content-Type: image/jpeg",
)
_HEADERS += ("Content-Type: image/jpeg",)
_HEADERS += ("Content-Type: text/plain", "Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site")
_HEADERS += (
    "Cookie: edgeclf=%ff; a=b; ;;",
    "Authorization: Bearer wrong",
    "Authorization: Bearer",
    "Accept: text/html",
)
_HEADERS += ("Content-Length: -1", "Content-Length: 99999999999", "Transfer-Encoding: chunked", "Expect: 100-continue")
_HEADERS += (
    "Upgrade: websocket\r\nConnection: Upgrade",
    "Range: bytes=0-999999999",
    "X: " + "a" * 9000,
    "broken",
    ": x",
)
_METHODS = (
    "GET",
    "GET",
    "GET",
    "POST",
    "POST",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "get",
    "G\x00T",
    "",
)


def _request(given: random.Random, port: int) -> bytes:
    if given.random() < 0.1:
        return given.randbytes(given.randrange(1, 600))
    body = given.choice(_BODIES).encode("latin-1")
    if given.random() < 0.5:  # valid as far as HTTP goes
        path = given.choice([path for path in _PATHS if path.startswith("/")])
        kind = "image/jpeg" if path.startswith("/photograph") else "application/json"
        head = f"Host: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        head += "Connection: close\r\n"
        return f"{given.choice(('GET', 'POST'))} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
    path = given.choice(_PATHS) + given.choice(("", "", "", "?token=wrong", "?token=%ff", "?" + "a" * 500))
    lines = [f"{given.choice(_METHODS)} {path} {given.choice(('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/9', ''))}"]
    lines += [f"Host: 127.0.0.1:{port}"] if given.random() < 0.8 else []
    lines += given.sample(_HEADERS, given.randrange(0, 4))
    lines += [f"Content-Length: {len(body)}"] if given.random() < 0.8 else []
    whole = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
    if given.random() < 0.2:  # one byte is another
        at = given.randrange(len(whole))
        whole = whole[:at] + given.randbytes(1) + whole[at + 1 :]
    return whole


def _ask(port: int, request: bytes) -> tuple[int, bytes]:
    """Return the status and the content of a response; 0 if there was none."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.settimeout(0.5)
        content = b""
        try:
            connection.sendall(request)
            if b"Connection: close" not in request:
                connection.shutdown(socket.SHUT_WR)
            while len(content) < 20000 and (more := connection.recv(8192)):
                content += more
        except OSError:
            pass
    found = re.match(rb"HTTP/1\.\d (\d{3})", content)
    return (int(found[1]) if found else 0), content
