"""A running device, and models to deploy to it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fleet_device.box import Box
from tests.fleet_device.device import Device, Ended
from tests.fleet_device.needs import lacking
from tests.fleet_device.speaking import ALL_ANSWERS, speaking_models
from tests.ports import free_port
from tests.runtime.mjpeg_server import PASSWORD, USER


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all tests here with the reason if something is missing."""
    if reason := lacking():
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files: "one" and "two" are good, "lies" does not give its golden scores; see ``speaking_models``."""
    return speaking_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def camera() -> Iterator[str]:
    """The address of a camera with a password."""
    port = free_port()
    script = Path(__file__).parents[1] / "runtime" / "mjpeg_server.py"
    with subprocess.Popen([sys.executable, str(script), str(port)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield f"http://{USER}:{PASSWORD}@127.0.0.1:{port}/camera"
        process.terminate()


@pytest.fixture(scope="session")
def config(camera: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of a service with a password in them."""
    path = tmp_path_factory.mktemp("config") / "run.toml"
    path.write_text(f'source = "{camera}"\nreload = true\n[gate]\nmax_fps = 5\n', "utf-8")
    return path


@pytest.fixture(scope="session")
def telling(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of a service that always answers, and records all answers; see ``Box.answers``."""
    path = tmp_path_factory.mktemp("telling") / "run.toml"
    path.write_text(f"{config.read_text()}{ALL_ANSWERS}", "utf-8")
    return path


@pytest.fixture(scope="session")
def image(models: dict[str, Path], telling: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A device that is off; its disk has the service of the model "one", from a first deployment."""
    if reason := lacking(boxes=True):
        pytest.skip(reason)
    with closing(Box(tmp_path_factory.mktemp("image"))) as box:
        ended = box.deploy(models["one"], "--config", telling)
        assert ended.status == 0, ended.printed
        box.settled()  # Ansible removes its files some seconds later; after a power cut the next deployment does
        (box.root / "data/answers.jsonl").unlink()
        box.cut_power()
        yield box


@pytest.fixture
def box(image: Box, tmp_path: Path) -> Iterator[Box]:
    """A device like that one, running."""
    with closing(Box(tmp_path, image)) as box:
        box.wait(lambda: box.answer_since(0))
        yield box


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A device on which nothing is installed."""
    device = Device(tmp_path_factory.mktemp("device"))
    yield device
    device.close()
    shutil.rmtree(device.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def first(empty: Device, models: dict[str, Path], config: Path) -> Ended:
    """The first deployment to that device."""
    return empty.deploy(models["one"], "--config", config, "--verbose", "--ansible", "-vvv")


@pytest.fixture
def device(empty: Device, first: Ended, models: dict[str, Path], config: Path) -> Device:
    """The device, with the service of the model "one" running."""
    assert first.status == 0, first.text
    if json.loads((empty.root / "current" / "release.json").read_text())["name"] != "one":
        assert empty.deploy(models["one"], "--config", config).status == 0
    assert empty.health()["frames"] > 0
    return empty
