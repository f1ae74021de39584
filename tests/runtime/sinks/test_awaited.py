"""Pages and metrics at an address that appears after the start, as with Wi-Fi; classification continues meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.errors import AddressError
from edgeclf_runtime.pipeline.sinks import open_sinks
from edgeclf_runtime.sources import SourceState
from tests.ports import free_port
from tests.runtime.observations import LABELS, seen
from tests.runtime.replaced_model import Running

_HOST = "192.0.2.77"  # in a network reserved for documentation
_TOKEN = "a-token-of-tests"


@pytest.fixture
def bring_up() -> Iterator[Callable[[], None]]:
    """Give this machine the address until the end."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2, to give this machine an address")

    def change(word: str) -> None:
        subprocess.run(["ip", "address", word, f"{_HOST}/32", "dev", "lo"], check=word == "add", capture_output=True)

    yield lambda: change("add")
    change("del")


def _await(wanted: str, address: str, **headers: str) -> None:
    """Wait until a response contains this: a sink listens before it has been given what it missed."""
    until, answer = time.monotonic() + 30, "nothing"
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as reply:
            answer = str(reply.read().decode())
            if wanted in answer:
                return
        time.sleep(0.1)
    raise AssertionError(f"{address}: expected {wanted}, last got {answer}")


def test_they_come_when_the_address_does(
    bring_up: Callable[[], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edgeclf_runtime.sinks.awaited._AGAIN", 0.2)
    page, figures = free_port(), free_port()
    asked = SinkSettings(web=f"{_HOST}:{page}", web_token=_TOKEN, metrics=figures, metrics_host=_HOST)
    with pytest.raises(AddressError, match="Cannot assign"):
        open_sinks(asked, LABELS, "m")
    sinks = open_sinks(asked, LABELS, "m", endless=True)
    for sink in sinks:
        sink.take(SourceState("lost", 0.0, "pulled out"))
        sink.take(seen("dog"))
    said = [record.getMessage() for record in caplog.records]
    assert [f"{_HOST}:{figures}" in said[0], f"{_HOST}:{page}" in said[1], len(said)] == [True, True, 2]
    bring_up()
    _await('"lost"', f"http://{_HOST}:{page}/state.json", Authorization=f"Bearer {_TOKEN}")
    _await("edgeclf_source_up 0.0", f"http://{_HOST}:{figures}/metrics")
    for sink in sinks:
        sink.take(seen("cat"))
    _await('edgeclf_frames_total{answer="cat"} 1.0', f"http://{_HOST}:{figures}/metrics")
    for sink in sinks:
        sink.close()


def test_a_camera_is_classified_meanwhile(model: Path, digits: Path, tmp_path: Path) -> None:
    words = ("--web", f"192.0.2.78:{free_port()}")
    running = Running(model, next((digits / "1").iterdir()), tmp_path, *words, EDGECLF_WEB_TOKEN=_TOKEN)
    running.wait(lambda line: "frame" in line)
    running.close()
