"""A network camera that freezes, dies and returns: real RTSP and HTTP servers, stopped and restarted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

HERE = Path(__file__).parents[1]
SERVERS = {"rtsp": ["/usr/bin/python3", HERE / "rtsp_server.py"], "http": [sys.executable, HERE / "mjpeg_server.py"]}
PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
ASKED = """import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert Gst.ElementFactory.find("videotestsrc") and Gst.ElementFactory.find("rtpjpegpay")
"""
PASSWORD = "s3cret-of-the-camera"
SLACK = 6.0  # seconds, for a busy machine


class Server:
    """A server that can be stopped, killed and started again at the same port."""

    def __init__(self, scheme: str, *words: str) -> None:
        self._port = free_port()
        self._command = [*map(str, SERVERS[scheme]), str(self._port), *words]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), "the server does not start"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def address(self, scheme: str, password: str) -> str:
        return f"{scheme}://viewer:{password}@127.0.0.1:{self._port}/camera"


def missing(scheme: str) -> bool:
    if scheme != "rtsp":
        return False
    python = Path("/usr/bin/python3")
    return not python.exists() or subprocess.run([python, "-c", ASKED], capture_output=True).returncode != 0


@pytest.fixture(params=["rtsp", "http"])
def scheme(request: pytest.FixtureRequest) -> str:
    if missing(request.param):
        pytest.skip(f"no RTSP server: apt-get install {PACKAGES}")
    return str(request.param)


@pytest.fixture
def server(scheme: str) -> Iterator[Server]:
    one = Server(scheme)
    yield one
    one.kill()


class Run:
    """``edgeclf run`` and the JSON lines it has written so far."""

    def __init__(self, folder: Path, model: Path, address: str, *more: str) -> None:
        self._seen, self._said = folder / "seen.jsonl", folder / "said.txt"
        words = ["run", str(model), "--source", address, "--jsonl", str(self._seen), *more]
        with self._said.open("wb") as said:
            command = [sys.executable, "-m", "edgeclf_runtime", *words]
            self.process = subprocess.Popen(command, stdout=said, stderr=said)

    def lines(self) -> list[dict[str, Any]]:
        text = self._seen.read_text("utf-8") if self._seen.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def frames(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if "frame" in line]

    def states(self) -> list[str]:
        return [line["state"] for line in self.lines() if "state" in line]

    def output(self) -> str:
        return self._said.read_text("utf-8") + json.dumps(self.lines())


def _await(what: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition; return the seconds."""
    start = time.monotonic()
    while not what():
        assert time.monotonic() - start < seconds, "too late"
        time.sleep(0.05)
    return time.monotonic() - start


@pytest.fixture
def watched(server: Server, scheme: str, model: Path, tmp_path: Path) -> Iterator[Run]:
    one = Run(tmp_path, model, server.address(scheme, PASSWORD), "--reopen")
    yield one
    one.process.kill()
    one.process.wait()


def test_it_stands_still_dies_and_comes_back(server: Server, watched: Run) -> None:
    _await(lambda: len(watched.frames()) > 5, 30)
    server.process.send_signal(signal.SIGSTOP)
    _await(lambda: watched.states() == ["running", "stalled"], 3 + SLACK)  # SourceOptions.stalled_after
    server.process.send_signal(signal.SIGCONT)
    _await(lambda: watched.states()[-1] == "running", 5 + SLACK)

    server.kill()
    _await(lambda: watched.states()[-1] == "lost", 3 + SLACK)
    lost = time.time()
    time.sleep(1)
    before = len(watched.frames())
    again = time.time()
    server.start()
    _await(lambda: watched.states()[-1] == "running" and len(watched.frames()) > before + 5, 12 + SLACK)
    watched.process.send_signal(signal.SIGTERM)
    assert watched.process.wait(2 + SLACK) == 0
    _no_frame_was_invented(watched.frames(), lost, again)
    assert watched.states()[-1] == "closed"
    assert [line["reopened"] for line in watched.lines() if "state" in line][-1] >= 1
    assert PASSWORD not in watched.output()
    assert "127.0.0.1" in watched.output()


def _no_frame_was_invented(frames: list[dict[str, Any]], lost: float, again: float) -> None:
    numbers = [frame["frame"] for frame in frames]
    assert numbers == sorted(set(numbers))
    assert not [frame for frame in frames if lost < frame["time"] < again]
    assert frames[0]["time"] < lost < again < frames[-1]["time"]


def test_sigterm_ends_it_in_order_while_the_server_stands_still(server: Server, watched: Run) -> None:
    _await(lambda: len(watched.frames()) > 1, 30)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    watched.process.send_signal(signal.SIGTERM)
    assert watched.process.wait(2 + SLACK) == 0
    assert watched.states()[-1] == "closed"


def test_a_wrong_password_is_one_sentence_without_it(server: Server, scheme: str, model: Path, tmp_path: Path) -> None:
    one = Run(tmp_path, model, server.address(scheme, "wr0ng-one"))
    assert one.process.wait(20 + SLACK) == 1
    assert "no video stream there. Check the address, the camera and the password." in one.output()
    assert "wr0ng-one" not in one.output()
