"""Optional packages in versions that are too old."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edgeclf_runtime import ImageError, SourceError
from edgeclf_runtime.doctor import Machine
from edgeclf_runtime.doctor.software import optional_packages
from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.pictures.header import PictureHeader
from edgeclf_runtime.pictures.heif import decode_heif
from edgeclf_runtime.sinks.metrics import Figures
from edgeclf_runtime.sources.picamera import open_picamera
from edgeclf_runtime.sources.source import SourceOptions
from edgeclf_runtime.system.packages import OPTIONAL, installed_version, unsuited
from edgeclf_runtime.web import check_installed
from tests.videos import write_video

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def old_paho(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """paho-mqtt 1.6.1, as in Raspberry Pi OS 12."""
    folder = tmp_path_factory.mktemp("paho")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*command, "paho-mqtt==1.6.1"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"paho-mqtt 1.6.1 cannot be installed here: {done.stderr.strip()[-200:]}")
    return folder


def test_an_old_paho_is_named_with_the_command_that_mends_it(model: Path, old_paho: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "video.avi", 10, [np.zeros((48, 64, 3), np.uint8)] * 3)
    environment = {**os.environ, "PYTHONPATH": str(old_paho)}
    said = "paho-mqtt 1.6.1 is installed; MQTT needs 2.1 or newer: pip install 'paho-mqtt>=2.1,<3'"
    words = ["run", str(model), "--source", str(tmp_path / "video.avi"), "--mqtt", "mqtt://127.0.0.1:1"]
    command = [sys.executable, "-m", "edgeclf_runtime"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr.splitlines()) == (1, [f"Error: {said}."])
    done = subprocess.run([*command, "doctor"], capture_output=True, text=True, env=environment, check=False)
    assert "paho-mqtt: 1.6.1 is installed; MQTT needs 2.1 or newer\n" in done.stdout
    assert "-> pip install 'paho-mqtt>=2.1,<3'\n" in done.stdout


def _pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Pretend that packages are installed in other versions, by writing their metadata."""
    for name, number in versions.items():
        info = folder / f"{name}-{number}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {number}\n", "utf-8"
        )
    monkeypatch.syspath_prepend(folder)


def test_each_feature_asks_for_its_packages_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"starlette": "0.14.1", "prometheus_client": "0.6.0", "pillow": "9.4.0", "pillow_heif": "0.9.3"}
    _pretend(tmp_path, monkeypatch, picamera2="0.3.12", **old)
    stand_in = ModuleType("picamera2")  # it runs only on a Raspberry Pi
    stand_in.__dict__["Picamera2"] = object
    monkeypatch.setitem(sys.modules, "picamera2", stand_in)
    for feature, error, package in (
        (check_installed, SinkError, "starlette 0.14.1"),
        (Figures, SinkError, "prometheus-client 0.6.0"),
        (lambda: open_picamera(0, SourceOptions()), SourceError, "picamera2 0.3.12"),
    ):
        with pytest.raises(error, match=f"{re.escape(package)} is installed; .* needs .* or newer: .* install"):
            feature()
    for kind, there in (("HEIC", "pillow-heif 0.9.3"), ("AVIF", "pillow 9.4.0")):
        with pytest.raises(ImageError, match=rf"^a: {re.escape(there)} is installed; {kind} needs .*, or convert it: "):
            decode_heif(b"", PictureHeader(kind, 8, 8, alpha=False), "a")
    found = {item.what: item for item in optional_packages(Machine(tmp_path))}
    assert {name for name, item in found.items() if item.state == "note"} == {
        "starlette",
        "prometheus-client",
        "picamera2",
        "pillow",
        "pillow-heif",
    }
    assert found["pillow"].fix == "pip install 'pillow>=11.3,<14'"
    assert "paho-mqtt" in found["packages"].text


def test_versions_are_compared_as_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, fits in (("2.1", True), ("2.1.0", True), ("2.10rc1", True), ("2.0.99", False), ("1.6.1", False)):
        folder = tmp_path / number
        folder.mkdir()
        _pretend(folder, monkeypatch, paho_mqtt=number)
        assert installed_version("paho-mqtt") == number
        assert (unsuited("paho-mqtt") == ("", "")) is fits


def test_the_bounds_are_those_of_the_extras() -> None:
    text = (ROOT / "runtime/pyproject.toml").read_text("utf-8")
    for package, asked in OPTIONAL.items():
        if package != "picamera2":  # the system's package
            assert f"{package}>={asked.min_version},<{asked.below}" in text
