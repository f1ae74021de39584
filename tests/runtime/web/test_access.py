"""Who may see the page, and attackers: a real server, real sockets."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.web.live_page import WebSink
from tests.runtime.observations import LABELS, seen
from tests.runtime.web_client import JSON, TOKEN, ask, port, sentence


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:9"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "localhost/page.css?"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
def test_other_sites_cannot_look(sink: WebSink, headers: dict[str, str], status: int) -> None:
    assert ask(sink, "/state.json", headers=headers)[0] == status


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
        status, _, content = ask(sink, f"/snapshots/{path}")
        assert status in (404, 409), path
        assert b"secret" not in content
    for wrong in (f"../{name}", f"../../{secret.name}", "/etc/passwd", "", "x\0y", "\ud800", ".", ".."):
        assert ask(sink, "/sort", {"name": wrong, "label": "dog"})[0] in (400, 409)
        for path in ("/discard", "/restore"):
            assert ask(sink, path, {"names": [wrong]})[0] in (400, 409)
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
        told = ask(sink, "/sort", {"name": name, "label": wrong})
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
        with socket.create_connection(("127.0.0.1", port(sink)), timeout=20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(5)
            try:
                answer = connection.recv(4096)
            except (TimeoutError, ConnectionError):
                answer = b""
            assert not answer.startswith(b"HTTP/1.1 5"), data
    for body in (b"", b"{", b"[]", b"[" * 4000, b"\xff", b'{"name": 1, "label": {}}', b"null"):
        assert ask(sink, "/sort", body)[0] == 400, body
        assert ask(sink, "/discard", body)[0] == 400, body
    assert ask(sink, "/sort", b"x" * 5000)[0] == 413
    assert ask(sink, "/state.json", method="DELETE", headers=JSON)[0] == 405
    assert ask(sink, "/")[0] == 200
    assert not caplog.records


def test_another_address_needs_the_token(guarded: WebSink, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = ask(guarded, "/state.json")
    assert (told[0], "token" in sentence(told)) == (401, True)
    gate = ask(guarded, "/", headers={"Accept": "text/html,*/*"})
    assert (gate[0], b'type="password"' in gate[2]) == (401, True)
    assert ask(guarded, "/page.css")[0] == 200
    for path in ("/?token=wrong", "/?token=", "/live?token=%ff", "/sort?token=" + TOKEN):
        assert ask(guarded, path, {} if path.startswith("/sort") else None)[0] == 401
    for headers in (
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": f"edgeclf_{port(guarded)}={TOKEN}"},
    ):
        assert ask(guarded, "/state.json", headers=headers)[0] == 401
    for host in (
        "x/page.css?",
        "x/page.css#",
        "x:1/page.css?y=",
    ):  # as in an address: another path
        assert ask(guarded, "/state.json", headers={"Host": host})[0] == 403
    assert ask(guarded, "/state.json", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
    status, headers_back, page = ask(guarded, f"/?token={TOKEN}")
    cookie = headers_back["Set-Cookie"]
    assert (status, TOKEN.encode() in page, TOKEN in cookie) == (200, False, False)
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    opened = ask(guarded, "/", headers={"Cookie": cookie.partition(";")[0], "Host": "camera.local:8080"})
    assert (opened[0], b"preview.js" in opened[2]) == (200, True)
    assert TOKEN not in caplog.text + guarded.name + guarded.invitation + repr(vars(guarded._server))


def test_the_token_in_the_address_gives_images_and_figures(guarded: WebSink) -> None:
    guarded.take(seen("dog", 0.8))
    kinds = {"/picture.jpg": "image/jpeg", "/state.json": "application/json", "/metrics": "text/plain"}
    for path, kind in kinds.items():
        status, headers, _ = ask(guarded, f"{path}?token={TOKEN}", headers={"Accept": "text/html"})
        assert (status, headers["Content-Type"].partition(";")[0]) == (200, kind)
        assert "Set-Cookie" not in headers
        assert ask(guarded, f"{path}?token={TOKEN}x")[0] == 401
    assert ask(guarded, f"/picture.jpg?token={TOKEN}", method="HEAD")[0] in (200, 405)


def test_a_token_is_given_or_made_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = WebSink("0.0.0.0:0", "", "m", LABELS)
    token = sink.invitation.partition("?token=")[2]
    assert len(token) >= 20
    assert token not in sink.name
    assert ask(sink, "/state.json", headers={"Authorization": f"Bearer {token}"})[0] == 200
    sink.close()
    monkeypatch.setenv("EDGECLF_WEB_TOKEN", TOKEN)
    sink = WebSink("0", "", "m", LABELS)  # also on this machine, if requested
    assert TOKEN not in sink.invitation
    assert ask(sink, "/state.json")[0] == 401
    assert ask(sink, "/state.json", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
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
    from edgeclf_runtime.config.settings import SinkSettings
    from edgeclf_runtime.pipeline.sinks import open_sinks

    with pytest.raises(SinkError, match="Address already in use"):
        WebSink(str(port(sink)), "", "m", LABELS)
    with pytest.raises(SinkError, match=r"192\.0\.2\.1:\d+: Cannot assign"):
        WebSink(f"192.0.2.1:{port(sink)}", "", "m", LABELS)
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    with pytest.raises(SinkError, match=r"pip install 'edgeclf-runtime\[web\]'"):
        open_sinks(SinkSettings(web="0"), LABELS, "m")


@pytest.mark.parametrize("begun", [False, True], ids=["at once", "after the response has begun"])
def test_a_malformed_body_is_refused_and_is_no_error_of_the_page(
    sink: WebSink, begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The headers are valid, so the page answers, too; its answer must not follow the refusal."""
    head = f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port(sink)}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with caplog.at_level(logging.ERROR), socket.create_connection(("127.0.0.1", port(sink)), timeout=10) as raw:
        raw.sendall(head if begun else head + b"no length\r\n")
        content = raw.recv(8192)
        if begun:
            raw.sendall(b"no length\r\n")
        while more := raw.recv(8192):
            content += more
    assert content.startswith(b"HTTP/1.1 200" if begun else b"HTTP/1.1 400")
    assert ask(sink, "/state.json")[0] == 200
    assert not caplog.records
