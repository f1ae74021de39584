"""A device that was given a key runs a service that refuses what the key has not signed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeclf_runtime.cli import cli
from edgeclf_runtime.trust.sealing import split
from tests.fleet_device.device import Device


def sign(model: Path, key: Path, output: Path) -> Path:
    """Sign a model file."""
    done = CliRunner().invoke(cli, ["sign", str(model), "--key", str(key), "-o", str(output)])
    assert done.exit_code == 0, done.output
    return output


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key, next to its public key."""
    path = tmp_path_factory.mktemp("keys") / "key"
    assert CliRunner().invoke(cli, ["sign", "--new-key", str(path)]).exit_code == 0
    return path


@pytest.fixture(scope="module")
def signed(models: dict[str, Path], key: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Signed model files, each newer than the one before: "old-one", "one", "two"."""
    folder = tmp_path_factory.mktemp("signed")
    old = sign(models["one"], key, folder / "old-one")
    return {"old-one": old, "one": sign(old, key, folder / "one"), "two": sign(models["two"], key, folder / "two")}


@pytest.fixture
def trusting(device: Device, models: dict[str, Path], signed: dict[str, Path], key: Path) -> Iterator[Device]:
    """The device with the signed model "one"; afterwards it accepts any model again."""
    assert device.deploy(signed["one"], "--key", f"{key}.pub").status == 0
    yield device
    assert device.deploy(models["one"], edgeclf_key="none").status == 0


def test_only_what_the_key_has_signed_is_served(
    trusting: Device, models: dict[str, Path], signed: dict[str, Path], config: Path, key: Path, tmp_path: Path
) -> None:
    device = trusting
    ended = device.deploy(signed["one"], "--key", f"{key}.pub")
    assert ended.text.startswith("box: nothing to do: serves one ("), ended.text
    for model, reason in ((models["two"], "is not signed, but"), (signed["old-one"], "older than the model")):
        ended = device.deploy(model)
        assert (ended.status, reason in ended.text, len(ended.text.splitlines())) == (1, True, 1), ended.text
        assert ended.text.endswith("one is still in use.")
    # A roll-back needs a new signature.
    assert device.deploy(signed["two"]).status == 0
    assert "sign the previous model again with --key KEY" in device.fleet("rollback").printed
    ended = device.fleet("rollback", "--key", key, "--check", "--verbose", "--ansible", "-vvv")
    assert "box: would install one (" in ended.text, ended.printed
    present = split(signed["one"].read_bytes())[1]
    assert present is not None
    # Nothing newer than the device's model was sent to it.
    assert set(re.findall(r"version ([0-9]{15})", ended.printed)) == {f"{present.version:015}"}
    ended = device.fleet("rollback", "--key", key)
    assert ended.text.startswith("box: serves one ("), ended.printed
    device.wait(lambda: device.health().get("frames"))
    signed = {**signed, "two": sign(sign(models["two"], key, tmp_path / "two"), key, tmp_path / "two")}
    # A failed deployment to a service that was updated leaves the previous one, whose model is older, in use.
    broken = tmp_path / "run.toml"
    broken.write_text(f'{config.read_text()}[sinks]\njsonl = "/dev/null/answers.jsonl"\n')
    ended = device.deploy(signed["two"], "--config", broken, edgeclf_start_seconds=20)
    assert ended.status == 1
    assert ended.text.endswith(") is in use again and answers."), ended.text
    # A file put in its place on the device, without a deployment, is refused by the service itself.
    served, process = (device.root / "current" / "model.tflite").resolve(), device.health()["process"]
    kept = served.read_bytes()
    shutil.copy(models["two"], served.with_suffix(".new"))
    served.with_suffix(".new").replace(served)
    device.wait(lambda: "is not signed" in device.health().get("refused", ""))
    assert device.health()["process"] == process
    served.with_suffix(".new").write_bytes(kept)
    served.with_suffix(".new").replace(served)
