"""The web preview as programs see it: a real server, real sockets, and those who mean harm."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks.snapshots import SnapshotSink
from edgeclf_runtime.sources import SourceState
from edgeclf_runtime.thermal import temperature
from edgeclf_runtime.web import connections
from edgeclf_runtime.web.live import VIEWERS
from edgeclf_runtime.web.preview import WebSink
from tests.runtime.test_sinks import LABELS, _seen

TOKEN = "a-token-of-the-tests"
JSON = {"Content-Type": "application/json"}


def _port(sink: WebSink) -> int:
    return int(sink.name.rstrip("/").rpartition(":")[2])


def _ask(
    sink: WebSink, path: str, body: object = None, headers: dict[str, str] | None = None, method: str = ""
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", _port(sink), timeout=20)
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**(JSON if body is not None else {}), **(headers or {})}
    connection.request(method or ("GET" if body is None else "POST"), path, content, sent)
    answer = connection.getresponse()
    told = answer.status, answer.headers, answer.read()
    connection.close()
    return told


def _sentence(told: tuple[int, http.client.HTTPMessage, bytes]) -> str:
    return str(json.loads(told[2])["error"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Snapshots: three uncertain pictures."""
    sink = SnapshotSink(tmp_path / "kept", every=0)
    for number in range(3):
        sink.take(_seen("unknown", 0.5, number=number))
    return tmp_path / "kept"


@pytest.fixture
def sink(folder: Path) -> Iterator[WebSink]:
    sink = WebSink("0", "", "pets.tflite", LABELS, folder)
    yield sink
    sink.close()


@pytest.fixture
def guarded(folder: Path) -> Iterator[WebSink]:
    sink = WebSink("0.0.0.0:0", TOKEN, "pets.tflite", LABELS, folder)
    yield sink
    sink.close()


class Viewer:
    """Reads the stream, or does not."""

    def __init__(self, sink: WebSink) -> None:
        self.socket = socket.create_connection(("127.0.0.1", _port(sink)), timeout=20)
        self.socket.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.answer = http.client.HTTPResponse(self.socket)

    def begin(self) -> int:
        self.answer.begin()
        return self.answer.status

    def message(self) -> tuple[dict[str, Any], bytes]:
        told, picture = self._part(), self._part()
        return json.loads(told), picture

    def _part(self) -> bytes:
        (size,) = struct.unpack(">I", self.answer.read(4))
        return self.answer.read(size)

    def close(self) -> None:
        self.answer.close()
        self.socket.close()


def test_page_state_picture_and_metrics(sink: WebSink) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    status, headers, page = _ask(sink, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"preview.js" in page
    assert _ask(sink, "/picture.jpg")[0] == 503
    for number in range(4):
        sink.take(_seen("dog" if number else "cat", 0.8, number=number))
    sink.take(SourceState("lost", 0.0, "pulled out", 2))
    state = json.loads(_ask(sink, "/state.json")[2])
    assert (state["model"], state["labels"], state["frames"]) == ("pets.tflite", ["cat", "dog"], 4)
    assert (state["answer"], state["score"], state["scores"][0][0]) == ("dog", 0.8, "dog")
    assert state["source"] == {"state": "lost", "reason": "pulled out", "reopened": 2}
    assert set(state["milliseconds"]) == {"capture", "resize", "invoke"}
    assert [point[1] for point in state["history"]] == ["cat", "dog", "dog", "dog"]
    picture = cv2.imdecode(np.frombuffer(_ask(sink, "/picture.jpg")[2], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (48, 64, 3)
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(_ask(sink, "/metrics")[2].decode())
        for sample in family.samples
    }
    assert samples["edgeclf_frames_total", ("dog",)] == 3


def test_how_warm_it_is(tmp_path: Path) -> None:
    assert temperature(tmp_path) is None
    (tmp_path / "thermal_zone0").mkdir()
    (tmp_path / "thermal_zone0" / "temp").write_text("48312\n", "ascii")
    assert temperature(tmp_path) == 48.312
    (tmp_path / "thermal_zone0" / "temp").write_text("", "ascii")
    assert temperature(tmp_path) is None


def test_the_pages_need_nothing_from_elsewhere(sink: WebSink) -> None:
    static = Path(connections.__file__).parent / "static"
    for file in static.iterdir():
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", "") or "http" not in text, file
    for name in ("preview.js", "live.js", "history.js", "unsorted.js", "page.css", "icon.svg"):
        assert _ask(sink, f"/{name}")[0] == 200
    for name in (
        "capture.js",
        "capture.html",
        "static/preview.js",
        "__init__.py",
        "%2e%2e/server.py",
        "..%2fserver.py",
    ):
        assert _ask(sink, f"/{name}")[0] == 404


def test_every_answer_says_what_the_browser_may_do(sink: WebSink) -> None:
    for path in ("/", "/state.json", "/nowhere", "/picture.jpg"):
        _, headers, _ = _ask(sink, path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:9"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
def test_other_sites_cannot_look(sink: WebSink, headers: dict[str, str], status: int) -> None:
    assert _ask(sink, "/state.json", headers=headers)[0] == status


def test_only_the_page_itself_changes_anything(sink: WebSink, folder: Path) -> None:
    name = next((folder / "__unsorted").iterdir()).name
    body = {"name": name, "label": "dog"}
    own = f"http://127.0.0.1:{_port(sink)}"
    for wrong in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": own.replace("http", "ftp")},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert _ask(sink, "/sort", body, wrong)[0] in (403, 415), wrong
    assert _ask(sink, "/sort", headers=JSON)[0] == 405
    assert len(list((folder / "__unsorted").iterdir())) == 3
    assert _ask(sink, "/sort", body, {"Origin": own, "Sec-Fetch-Site": "same-origin"})[0] == 200
    assert (folder / "dog" / name).is_file()


def test_snapshots_are_sorted_and_taken_back(sink: WebSink, folder: Path) -> None:
    listed = json.loads(_ask(sink, "/snapshots.json")[2])
    assert (listed["count"], listed["pictures"][0]["answer"], listed["pictures"][0]["score"]) == (3, "unknown", 0.5)
    name = listed["pictures"][0]["name"]
    assert _ask(sink, f"/snapshots/{name}")[2].startswith(b"\xff\xd8")
    assert json.loads(_ask(sink, "/sort", {"name": name, "label": "a new one"})[2]) == {"folder": "a new one"}
    assert (folder / "a new one" / name).is_file()
    again = _ask(sink, "/sort", {"name": name, "label": "dog"})
    assert (again[0], "is gone" in _sentence(again)) == (409, True)
    assert _ask(sink, "/unsort", {"name": name, "label": "a new one"})[0] == 200
    assert (folder / "__unsorted" / name).is_file()
    (folder / "dog").write_text("in the way", "utf-8")
    blocked = _ask(sink, "/sort", {"name": name, "label": "dog"})
    assert (blocked[0], "File exists" in _sentence(blocked)) == (409, True)


def test_no_path_leaves_the_folder(sink: WebSink, folder: Path) -> None:
    secret = folder.parent / "20250101-000000-000-secret-0.50.jpg"
    secret.write_bytes(b"secret")
    name = next((folder / "__unsorted").iterdir()).name
    (folder / "__unsorted" / f"20250101-000000-000-{'link'}-0.50.jpg").symlink_to(secret)
    for path in (
        f"../../{secret.name}",
        f"..%2f..%2f{secret.name}",
        f"%2e%2e/%2e%2e/{secret.name}",
        str(secret).replace("/", "%2f"),
        "20250101-000000-000-link-0.50.jpg",
        f"20250101-000000-000-%2f..%2f..%2f..%2f{secret.name}",
        "20250101-000000-000-%00-0.50.jpg",
        "%ff%fe",
    ):
        status, _, content = _ask(sink, f"/snapshots/{path}")
        assert status in (404, 409), path
        assert b"secret" not in content
    for wrong in (f"../{name}", f"../../{secret.name}", "/etc/passwd", "", "x\0y", "\ud800", ".", ".."):
        assert _ask(sink, "/sort", {"name": wrong, "label": "dog"})[0] in (400, 409)
    for wrong in (
        "../x",
        "/x",
        "..",
        ".hidden",
        "__unsorted",
        "a/b",
        "a\\b",
        "a\nb",
        "\0",
        "\ud800",
        "x" * 61,
        "",
        "test",
    ):
        told = _ask(sink, "/sort", {"name": name, "label": wrong})
        assert told[0] == 400, wrong
    assert sorted(path.name for path in folder.parent.iterdir()) == [secret.name, "kept"]
    assert [path.name for path in folder.iterdir()] == ["__unsorted"]


def test_what_is_no_request_does_no_harm(sink: WebSink, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(1)
    host = b"Host: localhost\r\n"
    post = b"POST /sort HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
    bad = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + host + b"\r\n",
        b"GET /\xff\x00 HTTP/1.1\r\n" + host + b"\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\n" + host + b"\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 70_000,
        b"CONNECT evil.example:443 HTTP/1.1\r\n" + host + b"\r\n",
        b"GET /live HTTP/1.1\r\n" + host + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        post + b"Content-Length: -1\r\n\r\n",
        post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        *(rng.integers(0, 256, 400, dtype=np.uint8).tobytes() for _ in range(20)),
    ]
    for data in bad:
        with socket.create_connection(("127.0.0.1", _port(sink)), timeout=20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(0.3)
            try:
                answer = connection.recv(4096)
            except (TimeoutError, ConnectionError):
                answer = b""
            assert not answer.startswith(b"HTTP/1.1 5"), data
    for body in (b"", b"{", b"[]", b"[" * 4000, b"\xff", b'{"name": 1, "label": {}}', b"null"):
        assert _ask(sink, "/sort", body)[0] == 400, body
    assert _ask(sink, "/sort", b"x" * 5000)[0] == 413
    assert _ask(sink, "/state.json", method="DELETE", headers=JSON)[0] == 405
    assert _ask(sink, "/")[0] == 200
    assert not caplog.records


def test_another_address_needs_the_token(guarded: WebSink, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = _ask(guarded, "/state.json")
    assert (told[0], "token" in _sentence(told)) == (401, True)
    gate = _ask(guarded, "/", headers={"Accept": "text/html,*/*"})
    assert (gate[0], b'type="password"' in gate[2]) == (401, True)
    assert _ask(guarded, "/page.css")[0] == 200
    for path in ("/?token=wrong", "/?token=", "/live?token=%ff", "/sort?token=" + TOKEN):
        assert _ask(guarded, path, {} if path.startswith("/sort") else None)[0] == 401
    for headers in (
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": f"edgeclf_{_port(guarded)}={TOKEN}"},
    ):
        assert _ask(guarded, "/state.json", headers=headers)[0] == 401
    assert _ask(guarded, "/state.json", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
    status, headers_back, page = _ask(guarded, f"/?token={TOKEN}")
    cookie = headers_back["Set-Cookie"]
    assert (status, TOKEN.encode() in page, TOKEN in cookie) == (200, False, False)
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    seen = _ask(guarded, "/", headers={"Cookie": cookie.partition(";")[0], "Host": "camera.local:8080"})
    assert (seen[0], b"preview.js" in seen[2]) == (200, True)
    assert TOKEN not in caplog.text + guarded.name + guarded.invitation + repr(vars(guarded._server))


def test_a_token_is_given_or_made_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = WebSink("0.0.0.0:0", "", "m", LABELS)
    token = sink.invitation.partition("?token=")[2]
    assert len(token) >= 20
    assert token not in sink.name
    assert _ask(sink, "/state.json", headers={"Authorization": f"Bearer {token}"})[0] == 200
    sink.close()
    monkeypatch.setenv("EDGECLF_WEB_TOKEN", TOKEN)
    sink = WebSink("0", "", "m", LABELS)  # on this machine too, where it was asked for
    assert TOKEN not in sink.invitation
    assert _ask(sink, "/state.json")[0] == 401
    assert _ask(sink, "/state.json", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
    sink.close()
    for wrong in ("short", "with a space in it", "größer als zwölf"):
        with pytest.raises(SinkError, match="expected 12 to 128 letters") as caught:
            WebSink("0", wrong, "m", LABELS)
        assert wrong not in str(caught.value)


@pytest.mark.parametrize("address", ["", "x", "8080x", "127.0.0.1:", "::1:80", "99999", "a b:80", "http://x:80"])
def test_what_is_no_address_is_one_line(address: str) -> None:
    with pytest.raises(SinkError, match=r"expected \[HOST:\]PORT"):
        WebSink(address, "", "m", LABELS)


def test_a_taken_port_and_a_missing_package_are_one_line(sink: WebSink, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeclf_runtime.settings import SinkSettings
    from edgeclf_runtime.sinks.opening import open_sinks

    with pytest.raises(SinkError, match="Address already in use"):
        WebSink(str(_port(sink)), "", "m", LABELS)
    with pytest.raises(SinkError, match=r"192\.0\.2\.1:\d+: Cannot assign"):
        WebSink(f"192.0.2.1:{_port(sink)}", "", "m", LABELS)
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    with pytest.raises(SinkError, match=r"pip install 'edgeclf-runtime\[web\]'"):
        open_sinks(SinkSettings(web="0"), LABELS, "m")


def test_pictures_are_encoded_once_and_only_for_viewers(sink: WebSink) -> None:
    for number in range(50):
        sink.take(_seen(number=number))
    assert sink._picture.encoded == 0
    viewers = [Viewer(sink) for _ in range(3)]
    start, shown = time.monotonic(), [0, 0, 0]
    for viewer in viewers:
        assert viewer.begin() == 200
        assert viewer.message()[0]["model"] == "pets.tflite"
    while time.monotonic() - start < 1.5:
        for number in range(5):
            sink.take(_seen(number=number, level=number))
        for index, viewer in enumerate(viewers):
            told, picture = viewer.message()
            assert told["answer"] == "cat"
            shown[index] += bool(picture)
    spent = time.monotonic() - start
    assert min(shown) >= 3
    assert sink._picture.encoded <= spent / 0.08 + 2  # 80 ms, however many look
    for viewer in viewers:
        viewer.close()


def test_only_so_many_may_look_at_a_time(sink: WebSink) -> None:
    sink.take(_seen())
    with ExitStack() as stack:
        viewers = [Viewer(sink) for _ in range(VIEWERS)]
        for viewer in viewers:
            stack.callback(viewer.close)
            assert viewer.begin() == 200
        told = _ask(sink, "/live")
        assert (told[0], _sentence(told)) == (503, f"{VIEWERS} pages look at this already; close one of them.")
        assert _ask(sink, "/live", method="HEAD")[0] == 200
        assert json.loads(_ask(sink, "/state.json")[2])["viewers"] == VIEWERS
        viewers[0].close()
        _until(lambda: sink._live.viewers < VIEWERS)
        late = Viewer(sink)
        stack.callback(late.close)
        assert late.begin() == 200
    _until(lambda: sink._live.viewers == 0)


def _until(true: Any) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_who_does_not_read_slows_nobody_and_is_dropped(sink: WebSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_PATIENCE", 1.0)
    rng = np.random.default_rng(0)
    items = [_seen(number=number) for number in range(8)]
    for item in items:  # of noise, whose JPEGs are large
        assert item.prediction.frame is not None
        object.__setattr__(item.prediction.frame, "pixels", rng.integers(0, 256, (480, 640, 3), np.uint8))
    idle = [Viewer(sink) for _ in range(VIEWERS)]
    slowest, start, number = 0.0, time.monotonic(), 0
    while sink._live.viewers < VIEWERS:
        time.sleep(0.01)
    while sink._live.viewers:
        before = time.monotonic()
        sink.take(items[number % 8])
        slowest, number = max(slowest, time.monotonic() - before), number + 1
        time.sleep(0.01)
        assert time.monotonic() - start < 40
    assert slowest < 0.2
    assert number > 50
    eager = Viewer(sink)
    assert eager.begin() == 200
    eager.close()
    for viewer in idle:
        viewer.close()


def test_many_who_say_nothing_shut_nobody_out(sink: WebSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_PATIENCE", 1.0)
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", _port(sink)))) for _ in range(500)]
        for connection in silent[:50]:
            connection.sendall(b"GET / HT")
        state = sink._server._server.server_state
        assert len(state.connections) < 300  # the bound is 100, and those beyond live for a moment
        _until(lambda: not state.connections)
        assert _ask(sink, "/state.json")[0] == 200


def test_it_ends_in_time_whoever_looks(folder: Path) -> None:
    sink = WebSink("0", "", "m", LABELS, folder)
    sink.take(_seen())
    reader, idle = Viewer(sink), Viewer(sink)
    assert reader.begin() == 200
    reader.message()
    start = time.monotonic()
    sink.close()
    assert time.monotonic() - start < 1.5
    assert not sink._server._thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        _ask(sink, "/")
    reader.close()
    idle.close()
