"""What a run tells systemd, over a real datagram socket in systemd's place, and what it does not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_runtime import Classifier, SourceError
from edgeclf_runtime.pipeline.pipeline import Pipeline
from edgeclf_runtime.service import Notifier, heartbeat
from edgeclf_runtime.service.heartbeat import Heartbeat
from edgeclf_runtime.sources import Source, SourceOptions
from edgeclf_runtime.sources.live import LiveSource

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]


class Systemd:
    """The listening end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(30)

    def read(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())

    def until(self, name: str) -> list[dict[str, str]]:
        """Return all messages up to the first with this name."""
        heard = [self.read()]
        while name not in heard[-1]:
            heard.append(self.read())
        return heard

    def count(self, name: str, seconds: float) -> int:
        """Count messages with this name within this many seconds."""
        self._socket.setblocking(False)
        while True:
            try:
                self._socket.recv(4096)
            except BlockingIOError:
                break
        time.sleep(seconds)
        found = 0
        while True:
            try:
                found += name in self._socket.recv(4096).decode()
            except BlockingIOError:
                self._socket.settimeout(30)
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(str(tmp_path / "notify") if request.param == "path" else f"@edgeclf-test-{os.getpid()}")
    yield systemd
    systemd.close()


@pytest.fixture
def telling(tmp_path: Path) -> Iterator[tuple[Systemd, Notifier]]:
    systemd = Systemd(str(tmp_path / "notify"))
    yield systemd, Notifier({"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "200000"})
    systemd.close()


def test_a_run_says_that_it_is_ready_alive_and_ending(
    systemd: Systemd, model: Path, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "1000000"}
    arguments = [str(model), "--source", str(digits), "--watch"]
    process = subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=subprocess.DEVNULL)
    first = systemd.read()
    assert first["READY"] == "1"
    assert str(digits) in first["STATUS"]
    start = time.monotonic()
    beats = systemd.count("WATCHDOG=1", 2.0)  # every 0.25 s, although no images come any more
    assert 4 <= beats <= (time.monotonic() - start) / 0.25 + 2
    told = systemd.until("STATUS")[-1]["STATUS"]
    assert "60 so far" in told
    assert any(told.startswith(answer) for answer in ("0", "1", "2", "unknown"))
    process.send_signal(signal.SIGTERM)
    assert "STOPPING" in systemd.until("STOPPING")[-1]
    assert process.wait(20) == 0


def test_nobody_is_told_where_nobody_asked() -> None:
    silent = Notifier({})
    assert not silent.wanted
    silent.alive()
    assert Notifier({"WATCHDOG_USEC": "1000000"}).watchdog == 0
    other = {"NOTIFY_SOCKET": "/none", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    assert Notifier(other).watchdog == 0
    assert Notifier({**other, "WATCHDOG_PID": str(os.getpid())}).watchdog == 1.0


def test_a_socket_that_is_gone_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "/nowhere/at/all"})
    notifier.alive()
    notifier.alive()
    assert caplog.text.count("Cannot notify systemd") == 1


class _Camera:
    """A capture that gives an image when it is allowed to."""

    description = "scripted"

    def __init__(self) -> None:
        self.go, self.broken = threading.Event(), False
        self.go.set()

    def read(self) -> Any:
        time.sleep(0.02)
        self.go.wait()
        if self.broken:
            raise SourceError("scripted: unplugged.")
        return np.full((32, 32, 3), time.monotonic_ns() % 256, np.uint8)

    def rgb(self, image: Any) -> Any:
        return image

    def close(self) -> None:
        """Do nothing."""


class Going:
    """A pipeline on a scripted camera, with its heartbeat running."""

    def __init__(self, model: Path, notifier: Notifier, patience: float = 0.3) -> None:
        self.camera = _Camera()
        self.classifier = Classifier.load(model)
        self.pipeline = Pipeline(self.classifier, [])
        self.heartbeat = Heartbeat(notifier, self.pipeline)
        self.source: Source = LiveSource(
            lambda: self.camera, SourceOptions(reopen=True, wait=True), self.pipeline.tell, patience
        )
        self._thread = threading.Thread(target=self.pipeline.run, args=(self.source,))
        self.heartbeat.start("scripted")
        self._thread.start()

    def close(self) -> None:
        self.camera.go.set()
        self.pipeline.stop()
        self._thread.join()
        self.heartbeat.close()
        self.classifier.close()


@pytest.fixture
def going(telling: tuple[Systemd, Notifier], model: Path) -> Iterator[Going]:
    going = Going(model, telling[1], patience=1.0)
    yield going
    going.close()


def test_a_lost_camera_is_no_reason_to_start_anew(going: Going, telling: tuple[Systemd, Notifier]) -> None:
    systemd, _ = telling
    assert systemd.count("WATCHDOG=1", 0.5) >= 3
    going.camera.broken = True
    time.sleep(0.2)
    assert systemd.count("WATCHDOG=1", 1.0) >= 6
    assert going.pipeline.state is not None
    assert going.pipeline.state.name == "lost"


def test_a_driver_that_hangs_is_one(going: Going, telling: tuple[Systemd, Notifier]) -> None:
    systemd, _ = telling
    going.camera.go.clear()
    time.sleep(2.6)  # one second until it counts as a fault, and the rest for a message that nobody has read yet
    assert systemd.count("WATCHDOG=1", 0.5) == 0
    assert going.heartbeat.trouble() == "the source hangs"
    going.camera.go.set()
    time.sleep(0.5)
    assert systemd.count("WATCHDOG=1", 0.5) >= 3


def test_an_interpreter_that_hangs_is_one(
    going: Going, telling: tuple[Systemd, Notifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    systemd, _ = telling
    monkeypatch.setattr(heartbeat, "_LONGEST", 0.3)
    hanging, score = threading.Event(), going.classifier.score
    monkeypatch.setattr(going.classifier, "score", lambda fitted: (hanging.wait(20), score(fitted))[1])
    time.sleep(0.6)
    assert systemd.count("WATCHDOG=1", 0.5) == 0
    assert going.heartbeat.trouble().startswith("one frame has taken")
    hanging.set()
