"""Network cameras: their addresses, passwords and certificates, and cameras that give single images."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from edgeclf_runtime import SourceError, open_source
from edgeclf_runtime.sources import SourceOptions, SourceState
from edgeclf_runtime.sources.network.address import without_password
from tests.runtime.still_camera import PASSWORD, SIZE, USER, StillCamera, certificate

LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"
QUICK = SourceOptions(fps=50)


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:1234/secret9@127.0.0.1:8554/live",
        "rtsp://admin:1234#secret9@127.0.0.1/live",
        "rtsp://admin:1234?secret9@127.0.0.1/live",
        "rtsp://admin:12@secret9@127.0.0.1/live",
        "rtsp://admin:secret9/x@127.0.0.1/live",
        "RTSP://admin:[secret9@127.0.0.1/live",
        "https://admin:secret9",
        "http://admin:secret9 x@127.0.0.1/live",
        "rtsp://admin:secret9\\@127.0.0.1/live",
        "rstp://admin:secret9@127.0.0.1/live",
        "rtsp:/admin:secret9@127.0.0.1/live",
        "admin:secret9@127.0.0.1/live",
        " rtsp://127.0.0.1/live?password=secret9",
    ],
)
def test_an_address_that_is_not_understood_is_not_shown(address: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(address, SourceOptions(wait=True, reopen=True))
    assert not [part for part in ("secret9", "1234", "admin", "127.0.0.1", "live") if part in str(caught.value)]
    assert "%2F" in str(caught.value) or "expected one of rtsp://" in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_run_with_such_an_address_writes_nothing_of_it(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'source = "rtsp://admin:1234/secret9@127.0.0.1:8554/live"\n[camera]\nreopen = true\nwait = true\n'
        '[sinks]\njsonl = "seen.jsonl"\ncsv = "seen.csv"\n',
        "utf-8",
    )
    words = [sys.executable, "-m", "edgeclf_runtime", "run", str(model), "--config", str(config), "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "%2F" in done.stderr
    written = [path.read_text("utf-8") for path in tmp_path.iterdir() if path != config]
    assert "secret9" not in "".join([done.stdout, done.stderr, *written])


def test_what_is_shown_of_a_good_address() -> None:
    shown = without_password("rtsp://u:p@cam:554/user=admin_password=secret_stream=0.sdp/1?key=k#f")
    assert shown == "rtsp://cam:554/.../1"
    assert without_password("https://user:12/34@host/hook") == "https://..."
    assert without_password("https://host/team@1/hook?key=k") == "https://host/team@1/hook"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[list[StillCamera]]:
    cameras: list[StillCamera] = []
    yield cameras
    for camera in cameras:
        camera.close()


def _taken(address: str, count: int, options: SourceOptions = QUICK) -> tuple[list[int], list[SourceState]]:
    states: list[SourceState] = []
    with open_source(address, options, states.append) as source:
        sizes = []
        for _, frame in zip(range(count), source, strict=False):
            assert frame.jpeg is not None
            sizes.append(frame.pixels.shape[1])
    return sizes, states


@pytest.mark.parametrize("auth", ["", "Basic", "Digest"])
def test_an_image_is_fetched_again_and_again_over_one_connection(auth: str, made: list[StillCamera]) -> None:
    made.append(camera := StillCamera(auth))
    sizes, states = _taken(f"http://{LOGIN if auth else ''}127.0.0.1:{camera.port}/snapshot.jpg?x=1", 5)
    assert sizes == [SIZE[0]] * 5
    assert [state.name for state in states] == ["running", "closed"]
    assert len(camera.requests) >= 5 + bool(auth)
    assert camera.connections == 1
    assert camera.requests[0] == ("/snapshot.jpg?x=1", None)  # no credentials before they are requested


def test_it_is_asked_at_the_rate_that_was_asked_for(made: list[StillCamera]) -> None:
    made.append(camera := StillCamera())
    states: list[SourceState] = []
    with open_source(
        f"http://127.0.0.1:{camera.port}/", SourceOptions(fps=4, stalled_after=0.1), states.append
    ) as source:
        moments = [frame.time for _, frame in zip(range(4), source, strict=False)]
    assert moments[-1] - moments[0] >= 0.7
    assert [state.name for state in states] == ["running", "closed"]  # the pause is not a stall
    start = time.monotonic()
    source.close()
    assert time.monotonic() - start < 0.5


def test_images_that_are_no_jpegs(made: list[StillCamera]) -> None:
    made.append(camera := StillCamera(kind="image/png"))
    with open_source(f"http://127.0.0.1:{camera.port}/", QUICK) as source:
        assert next(iter(source)).pixels.shape == (SIZE[1], SIZE[0], 3)


@pytest.mark.parametrize("auth", ["Basic", "Digest"])
def test_a_wrong_password_is_tried_once(auth: str, made: list[StillCamera]) -> None:
    made.append(camera := StillCamera(auth))
    with pytest.raises(SourceError, match="the password") as caught:
        open_source(f"http://{USER}:wr0ng@127.0.0.1:{camera.port}/", QUICK)
    assert "wr0ng" not in str(caught.value)
    assert len(camera.requests) == 2


needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="apt-get install openssl")


@needs_openssl
def test_certificates_are_verified(made: list[StillCamera], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = certificate(tmp_path)
    made.append(camera := StillCamera("Basic", pair))
    address = f"https://{LOGIN}127.0.0.1:{camera.port}/snapshot.jpg"
    with pytest.raises(SourceError, match=r"certificate is not trusted.*insecure = true"):
        open_source(address, QUICK)
    assert camera.requests == []
    assert _taken(address, 2, SourceOptions(fps=50, insecure=True))[0] == [SIZE[0]] * 2
    monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
    assert _taken(address, 2)[0] == [SIZE[0]] * 2
    before = len(camera.requests)
    with pytest.raises(SourceError, match="certificate is not trusted"):  # for another host
        open_source(address.replace("127.0.0.1", "localhost"), QUICK)
    assert len(camera.requests) == before


@needs_openssl
@pytest.mark.parametrize("scheme", ["rtsps", "https"])
def test_ffmpeg_meets_verified_cameras_alone(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent to one with a bad certificate, and FFmpeg itself connects to one with a good certificate."""
    pair = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, pair))
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    plain, _ = server.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as one:
                        heard.append(one.recv(4096))
                        one.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nContent-Length: 2\r\n\r\nno")
                except OSError:
                    continue

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        address = f"{scheme}://viewer:secret9@localhost:{port}/live"
        with pytest.raises(SourceError, match="certificate is not trusted"):
            open_source(address)
        assert not any(heard)
        monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
        with pytest.raises(SourceError, match="no video stream there"):
            open_source(address)
        assert [data for data in heard if b"Lavf" in data]


def test_run_goes_on_with_a_camera_of_single_images(model: Path, made: list[StillCamera], tmp_path: Path) -> None:
    made.append(camera := StillCamera())
    words = ["run", str(model), "--source", f"http://127.0.0.1:{camera.port}/a.jpg", "--fps", "20", "--max-frames", "3"]
    done = subprocess.run(
        [sys.executable, "-m", "edgeclf_runtime", *words, "--json"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len([row for row in rows if "frame" in row]) == 3
    assert "lost" not in done.stdout
