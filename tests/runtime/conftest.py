"""Fixtures shared by the runtime's tests."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeclf_converters.tflite.pack import pack
from edgeclf_runtime.backends import probe as probing
from edgeclf_runtime.backends.edgetpu import LIBRARY_VARIABLE
from edgeclf_runtime.model.golden import GoldenVector
from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink
from edgeclf_runtime.web.live_page import WebSink
from tests.runtime.browser import Browser
from tests.runtime.edgetpu_files import CARD, SOURCE, Build, image, small_flatbuffer
from tests.runtime.mqtt_broker import MOSQUITTO, Broker
from tests.runtime.observations import LABELS, seen
from tests.runtime.service_machine import Machine
from tests.runtime.web_client import TOKEN
from tests.runtime.webhook import Webhook, webhook


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def machine(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, model, monkeypatch)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as hook:
        yield hook


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A snapshot folder with three uncertain images."""
    sink = SnapshotSink(tmp_path / "kept", every=0)
    for number in range(3):
        sink.take(seen("unknown", 0.5, number=number))
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


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A browser with an empty page and no recorded errors."""
    chromium.open("about:blank")
    chromium.wait("location.href === 'about:blank'")
    chromium.errors.clear()
    yield chromium
    chromium.open("about:blank")  # the previous page would keep calling its server


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The file to which the stand-in library writes process id and options of each load."""
    return tmp_path / "record"


@pytest.fixture
def build(tmp_path: Path, record: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Return a function that compiles a stand-in library and uses it instead of libedgetpu."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")

    def built(mode: str = "WORKS", devices: int = 2, source: Path = SOURCE) -> Path:
        library = tmp_path / f"lib{mode.lower()}.so"
        defines = [f"-DMODE={mode}", f"-DDEVICES={devices}", f'-DRECORD="{record}"']
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", *defines, str(source), "-o", str(library)], check=True)
        monkeypatch.setenv(LIBRARY_VARIABLE, str(library))
        return library

    monkeypatch.setattr(probing, "_probed", {})
    return built


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A model file of edgeclf, compiled for the Edge TPU."""
    golden = [GoldenVector(image(100), np.array([100 / 256, 0, 0], np.float32))]
    path = tmp_path / "m_edgetpu.tflite"
    path.write_bytes(pack(small_flatbuffer("edgetpu-custom-op"), CARD, golden, 0.01))
    return path
