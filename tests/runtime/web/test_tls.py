"""A page over HTTPS: a real server and certificates made by openssl."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeclf_runtime.commands.capture import capture
from edgeclf_runtime.commands.run import run
from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.pipeline.sinks import check_sinks, open_sinks
from edgeclf_runtime.system.credentials import credential_name
from edgeclf_runtime.web import handshakes
from edgeclf_runtime.web.certificate import has_expired, server_context
from edgeclf_runtime.web.live_page import WebSink
from tests.runtime.observations import LABELS
from tests.runtime.still_camera import certificate
from tests.runtime.web_client import JSON, TOKEN, ask, port

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="apt-get install openssl")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1: ``certificate.pem``, ``key.pem``; ``old.pem``, which has expired; ``locked.key``, ``other.key``."""
    folder = tmp_path_factory.mktemp("tls")
    certificate(folder)
    for words in (
        "x509 -in certificate.pem -signkey key.pem -days -1 -out old.pem",
        "pkey -in key.pem -aes256 -passout pass:secret -out locked.key",
        "genpkey -algorithm RSA -out other.key",
    ):
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
    (folder / "both.pem").write_bytes((folder / "certificate.pem").read_bytes() + (folder / "key.pem").read_bytes())
    return folder


def _tls(files: Path) -> ssl.SSLContext:
    return server_context(str(files / "certificate.pem"), str(files / "key.pem"))


def test_the_page_and_its_cookie_over_https(files: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(files / "certificate.pem"))
    sink = WebSink("0.0.0.0:0", TOKEN, "pets.tflite", LABELS, tls=_tls(files))
    try:
        assert sink.invitation.startswith("https://")
        status, headers, _ = ask(sink, f"/?token={TOKEN}", tls=trusting)
        cookie = {part.strip().lower() for part in headers["Set-Cookie"].split(";")}
        assert (status, {"secure", "httponly", "samesite=strict"} <= cookie) == (200, True)
        own = {"Cookie": headers["Set-Cookie"].partition(";")[0], "Host": "pi.local:8443"}
        assert ask(sink, "/state.json", headers=own, tls=trusting)[0] == 200
        assert ask(sink, "/state.json", tls=trusting)[0] == 401
        for scheme, expected in (("https", 404), ("http", 403)):  # another site, although of the same name
            sent = {**own, **JSON, "Origin": f"{scheme}://pi.local:8443"}
            assert ask(sink, "/sort", {}, sent, tls=trusting)[0] == expected
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(sink, "/")  # in plain HTTP
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(sink, "/", tls=ssl.create_default_context())
    finally:
        sink.close()


def test_a_cookie_over_http_is_as_before(guarded: WebSink) -> None:
    assert "secure" not in ask(guarded, f"/?token={TOKEN}")[1]["Set-Cookie"].lower()


@pytest.mark.parametrize(
    ("cert", "key", "message"),
    [
        ("none.pem", "key.pem", "TLS certificate .*none.pem: no such file"),
        ("certificate.pem", "none.pem", "TLS key .*none.pem: no such file"),
        ("certificate.pem", "other.key", "the key is not that of the certificate"),
        ("certificate.pem", "locked.key", "its key has a password; take it off with openssl pkey"),
        ("key.pem", "certificate.pem", "no PEM files of a certificate and its key"),
        ("certificate.pem", "", "no PEM files of a certificate and its key"),
        ("", "key.pem", "web_key: a key without its certificate"),
    ],
)
def test_files_that_cannot_be_used_are_named(cert: str, key: str, message: str, files: Path) -> None:
    named = {"web_cert": cert and str(files / cert), "web_key": key and str(files / key)}
    with pytest.raises(SinkError, match=message):
        check_sinks(SinkSettings(web="0", **named))


def test_the_certificate_of_the_documents_serves_a_page(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "photographs.md").read_text("utf-8")
    (line,) = [line.strip() for line in text.splitlines() if line.startswith("    openssl ")]
    subprocess.run(line.split(), cwd=tmp_path, check=True, capture_output=True)
    context = server_context(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    assert not has_expired(context, str(tmp_path / "cert.pem"))


def test_a_file_of_both_is_enough_and_a_certificate_without_a_page_is_none(files: Path) -> None:
    check_sinks(SinkSettings(web="0", web_cert=str(files / "both.pem")))
    with pytest.raises(SinkError, match="without web"):
        check_sinks(SinkSettings(web_cert=str(files / "both.pem")))


def test_an_expired_certificate_is_said_and_capture_refuses_it(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("old.pem", "certificate.pem"):
        asked = SinkSettings(web="0", web_cert=str(files / name), web_key=str(files / "key.pem"))
        (page,) = open_sinks(asked, LABELS, "pets.tflite")  # a device keeps running
        page.close()
        told = capsys.readouterr().err
        assert ("has expired" in told) == (name == "old.pem"), told
    words = [str(tmp_path / "photos"), "--tls", str(files / "old.pem"), str(files / "key.pem")]
    with pytest.raises(SinkError, match=r"old\.pem: has expired"):
        CliRunner().invoke(capture, words, catch_exceptions=False)


def test_run_takes_the_option_and_says_what_is_wrong() -> None:
    for words, message in ((["--web", "0"], "TLS certificate c.pem: no such file"), ([], r"without web \(--web\)")):
        with pytest.raises(SinkError, match=message):
            CliRunner().invoke(run, ["m.tflite", *words, "--tls", "c.pem", "k.pem"], catch_exceptions=False)


def test_a_service_uses_the_copies_that_systemd_made(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {name: tmp_path / f"{name}.pem" for name in ("web_cert", "web_key")}  # missing for this user
    shutil.copy(files / "certificate.pem", tmp_path / credential_name(own["web_cert"]))
    shutil.copy(files / "key.pem", tmp_path / credential_name(own["web_key"]))
    asked = SinkSettings(web="0", **{key: str(path) for key, path in own.items()})
    with pytest.raises(SinkError, match="no such file"):
        check_sinks(asked)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (page,) = open_sinks(asked, LABELS, "pets.tflite")
    page.close()


def test_handshakes_without_an_end_take_a_bounded_number_of_places(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "_PATIENCE", 0.3)
    trusting = ssl.create_default_context(cafile=str(files / "certificate.pem"))
    sink = WebSink("0", "", "pets.tflite", LABELS, tls=_tls(files))
    silent = [socket.create_connection(("127.0.0.1", port(sink)), timeout=20) for _ in range(handshakes._MOST + 20)]
    try:
        assert [silent[-1].recv(1), silent[-20].recv(1)] == [b"", b""]  # at once
        until = time.monotonic() + 30
        while True:
            try:
                assert ask(sink, "/state.json", tls=trusting)[0] == 200
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.1)
        assert silent[0].recv(1) == b""
    finally:
        for one in silent:
            one.close()
        sink.close()
