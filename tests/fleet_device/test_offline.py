"""A device without a package index: all wheels come from a folder here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclf_fleet.wheel import write_wheel
from tests.fleet_device.device import Device
from tests.fleet_device.placed import NO_SERVICE

_OWN_OF_VENV = {"pip", "setuptools"}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    device = Device(tmp_path_factory.mktemp("offline"))
    yield device
    device.close()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all wheels that the device's Python needs, made as in docs/deploy.md."""
    folder = tmp_path_factory.mktemp("wheels")
    runtime = write_wheel("edgeclf-runtime", folder)
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    python = subprocess.run(["/usr/bin/python3", "-c", version], capture_output=True, text=True, check=True).stdout
    words = ["download", "--quiet", "--only-binary=:all:", "--python-version", python.strip(), "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *words, f"{runtime}[mqtt,web]"], check=True)
    return folder


def _name(file: Path) -> str:
    return re.sub(r"[-_.]+", "-", file.name.split("-")[0]).lower()


def test_all_of_the_runtime_comes_from_the_folder(
    bare: Device, wheels: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for file in wheels.iterdir():
        if _name(file) != "click":
            (fewer / file.name).symlink_to(file)
    ended = bare.deploy(models["one"], "--offline", fewer, **NO_SERVICE)
    assert "The offline folder has no wheel of click for " in ended.text
    assert not bare.root.exists()  # reported before anything is changed
    ended = bare.deploy(models["one"], "--offline", wheels, **NO_SERVICE)
    assert ended.text.startswith("box: holds one ("), ended.printed
    installed = bare.root / "current" / "environment" / "lib"
    found = {_name(path) for path in installed.glob("python*/site-packages/*.dist-info")}
    assert "edgeclf-runtime" in found
    assert found - _OWN_OF_VENV <= {_name(file) for file in wheels.iterdir()}
    ended = bare.deploy(models["one"], "--offline", wheels, **NO_SERVICE)
    assert ended.text.startswith("box: nothing to do: holds one ("), ended.printed


def test_what_pip_misses_in_the_folder_is_said_and_nothing_is_left(
    bare: Device, wheels: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    before = bare.tree()
    for file in wheels.iterdir():
        if _name(file) != "h11":  # the page needs it
            (tmp_path / file.name).symlink_to(file)
    ended = bare.deploy(models["two"], "--offline", tmp_path, **NO_SERVICE)
    assert ended.status == 1
    assert "the runtime cannot be installed: " in ended.text
    assert "h11" in ended.text
    assert bare.tree() == before
