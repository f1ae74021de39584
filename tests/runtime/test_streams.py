"""Network cameras: real servers that are killed, started again and frozen while ``edgeclf run`` watches them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
USER, SECRET = "watcher", "pa55word-nobody-may-see"
SYSTEM_PYTHON = "/usr/bin/python3"
HOW = "apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"
NEEDED = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer\n"
    "Gst.init(None); assert all(map(Gst.ElementFactory.find, ('x264enc', 'rtph264pay', 'videotestsrc')))"
)
PATIENCE = 90.0  # seconds; the machine may be busy


class Camera:
    """A server's process, which can be started again at the same port."""

    def __init__(self, python: str, script: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [python, str(HERE / script), str(self.port), USER, SECRET]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == "ready"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.communicate()


@pytest.fixture(params=["rtsp", "http"])
def camera(request: pytest.FixtureRequest) -> Iterator[tuple[Camera, str]]:
    """It, and its address."""
    if request.param == "rtsp":
        if subprocess.run([SYSTEM_PYTHON, "-c", NEEDED], capture_output=True, check=False).returncode:
            pytest.skip(f"no RTSP server: {HOW}")
        made = Camera(SYSTEM_PYTHON, "rtsp_camera.py")
    else:
        made = Camera(sys.executable, "mjpeg_camera.py")
    yield made, f"{request.param}://{USER}:{SECRET}@127.0.0.1:{made.port}/camera"
    made.kill()


class Watching:
    """``edgeclf run`` on it."""

    def __init__(self, process: subprocess.Popen[str], seen: Path) -> None:
        self.process, self._seen = process, seen

    def lines(self) -> list[dict[str, Any]]:
        """What it wrote so far: of frames and of states."""
        text = self._seen.read_text("utf-8") if self._seen.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def wait(self, what: str, good: Callable[[list[dict[str, Any]]], bool], since: int = 0) -> int:
        """Until it is so of the lines since then; how many there are."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            lines = self.lines()
            if good(lines[since:]):
                return len(lines)
            assert self.process.poll() is None, f"ended before {what}: {self.process.communicate()[1]}"
            time.sleep(0.1)
        raise AssertionError(f"no {what} within {PATIENCE} s: {self.lines()[-5:]}")


@contextmanager
def watching(model: Path, address: str, folder: Path) -> Iterator[Watching]:
    (folder / "run.toml").write_text(f'source = "{address}"\n[camera]\nreopen = true\nstall = 1.5\n')
    seen = folder / "seen.jsonl"
    command = [sys.executable, "-m", "edgeclf_runtime", "run", model, "--config", folder / "run.toml", "--jsonl", seen]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield Watching(process, seen)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        with suppress(ValueError):  # read to its end already
            process.communicate()


def frames(lines: list[dict[str, Any]]) -> list[int]:
    return [line["frame"] for line in lines if "frame" in line]


def states(lines: list[dict[str, Any]]) -> list[str]:
    return [line["state"] for line in lines if "state" in line]


def test_a_server_that_died_is_found_again(camera: tuple[Camera, str], model: Path, tmp_path: Path) -> None:
    server, address = camera
    with watching(model, address, tmp_path) as watched:
        watched.wait("first frames", lambda lines: len(frames(lines)) >= 5)
        server.kill()
        lost = watched.wait("loss", lambda lines: "lost" in states(lines))
        assert len(frames(watched.lines()[lost:])) == 0
        server.start()
        watched.wait("frames after its return", lambda lines: len(frames(lines)) >= 5, since=lost)
        watched.process.terminate()
        _, said = watched.process.communicate(timeout=PATIENCE)
        lines = watched.lines()
    assert watched.process.returncode == 0, said
    numbers = frames(lines)
    assert numbers == sorted(set(numbers))
    told = states(lines)
    assert told[0] == "running"
    assert told.index("lost") < len(told) - 1 - told[::-1].index("running")
    written = said + json.dumps(lines)
    assert "127.0.0.1" in written
    assert SECRET not in written
    assert USER not in written


def test_a_server_that_freezes_is_stalled_and_nothing_is_invented(
    camera: tuple[Camera, str], model: Path, tmp_path: Path
) -> None:
    server, address = camera
    with watching(model, address, tmp_path) as watched:
        watched.wait("first frames", lambda lines: len(frames(lines)) >= 5)
        server.process.send_signal(signal.SIGSTOP)
        silent = watched.wait("silence", lambda lines: bool({"stalled", "lost"} & set(states(lines))))
        before = len(frames(watched.lines()))
        time.sleep(2)
        assert len(frames(watched.lines())) == before
        server.process.send_signal(signal.SIGCONT)
        watched.wait("frames after it goes on", lambda lines: len(frames(lines)) >= 5, since=silent)
        numbers = frames(watched.lines())
    assert numbers == sorted(set(numbers))
