"""``edgeclf fleet status`` shows which model is running, even if the service fetched another one itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclf_runtime.trust.sealing import sealed_digest
from tests.fleet_device.device import Device
from tests.signing import edgeclf, key_pairs, sign_model


@pytest.fixture
def updating(device: Device, models: dict[str, Path], config: Path, tmp_path: Path) -> Iterator[Device]:
    """The device with a signed model "one", whose service checks for updates in the folder "stick"."""
    keys, own = key_pairs(tmp_path), tmp_path / "run.toml"
    own.write_text(f'update = "{tmp_path / "stick"}"\nupdate_every = 0.5\n{config.read_text()}', "utf-8")
    signed = sign_model(models["one"], keys / "mine", tmp_path / "one.tflite")
    assert device.deploy(signed, "--config", own, "--key", keys / "mine.pub").status == 0
    yield device
    assert device.deploy(models["one"], "--config", config, edgeclf_key="none").status == 0


def test_an_update_is_shown_beside_the_deployed_model(
    updating: Device, models: dict[str, Path], tmp_path: Path
) -> None:
    device, deployed = updating, json.loads((updating.root / "current" / "release.json").read_text())["model"]

    def running() -> dict[str, str]:
        (status,) = json.loads(device.fleet("status", "--json", "--no-verify").text)
        assert status["model"] == {"name": "one", "digest": deployed}
        return dict(status["running"])

    assert running() == {"name": "one", "digest": deployed, "from": "deployed"}
    edgeclf("publish", models["two"], tmp_path / "made", "--key", tmp_path / "mine")
    shutil.move(tmp_path / "made", tmp_path / "stick")
    offered = sealed_digest(models["two"].read_bytes())
    device.wait(lambda: any(model["name"] == "two" for model in device.health().get("models", ())))
    assert running() == {"name": "two", "digest": offered, "from": "update"}
    text = device.fleet("status", "--no-verify").text
    assert f"two {offered[:8]} (update; deployed {deployed[:8]})" in text


def test_a_model_older_than_the_update_in_use_is_refused(
    updating: Device, models: dict[str, Path], tmp_path: Path
) -> None:
    device, one = updating, tmp_path / "one.tflite"
    older = sign_model(models["two"], tmp_path / "mine", tmp_path / "two.tflite")
    edgeclf("publish", models["two"], tmp_path / "made", "--key", tmp_path / "mine")
    shutil.move(tmp_path / "made", tmp_path / "stick")
    device.wait(lambda: any(model["name"] == "two" for model in device.health().get("models", ())))
    ended = device.deploy(one)
    assert (ended.status, "box: nothing to do: holds one (" in ended.text) == (0, True), ended.text
    assert "; the service uses two (" in ended.text
    ended = device.deploy(older)
    assert (ended.status, "older than the model that was in use" in ended.text) == (1, True), ended.text
    assert [model["name"] for model in device.health()["models"]] == ["two"]
