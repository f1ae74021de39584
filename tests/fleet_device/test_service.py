"""A model that is deployed, replaced, refused, and restored, on a running service."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.fleet_device.device import Device, Ended, kill, kill_all, processes
from tests.runtime.mjpeg_server import PASSWORD


def test_the_first_deployment_serves_and_shows_no_secret(device: Device, first: Ended) -> None:
    last = first.text.splitlines()[-1]
    assert last.startswith("box: serves one (")
    assert last.endswith(" frames watched")
    assert PASSWORD not in first.printed
    assert oct((device.root / "current" / "run.toml").stat().st_mode)[-3:] == "600"
    assert not (device.root / "incoming").exists()


def test_status_tells_how_the_service_is(device: Device) -> None:
    device.wait(lambda: (device.health().get("day") or {}).get("labels"))
    (status,) = json.loads(device.fleet("status", "--json").text)
    health = status["health"]
    assert (status["service"], status["golden"], health["state"]) == ("runs", "ok", "running")
    assert (status["model"]["name"], len(status["model"]["digest"])) == ("one", 64)
    assert health["milliseconds"] > 0
    assert sum(health["day"]["labels"].values()) > 0
    assert PASSWORD not in json.dumps(status)


def test_a_second_deployment_changes_nothing(device: Device, models: dict[str, Path], config: Path) -> None:
    before, process = device.tree(), device.health()["process"]
    for words in ([], ["--check"], ["--config", config]):
        ended = device.deploy(models["one"], *words)
        assert (ended.status, ended.text.startswith("box: nothing to do: serves one (")) == (0, True), ended.text
    assert (device.tree(), device.health()["process"]) == (before, process)


def test_a_new_model_is_served_and_the_last_good_one_kept(device: Device, models: dict[str, Path]) -> None:
    process = device.health()["process"]
    check = device.deploy(models["two"], "--check")
    assert check.text.startswith("box: would install two (")
    assert device.health()["process"] == process
    ended = device.deploy(models["two"])
    assert ended.status == 0, ended.text
    assert ended.text.startswith("box: serves two (")
    assert "previously one (" in ended.text
    assert device.health()["process"] != process
    assert [len(list((device.root / name).iterdir())) for name in ("models", "releases", "environments")] == [2, 2, 1]


def test_a_model_that_lies_is_refused_while_the_old_one_goes_on(device: Device, models: dict[str, Path]) -> None:
    before, process = device.tree(), device.health()["process"]
    ended = device.deploy(models["lies"])
    assert ended.status == 1
    assert ended.text.startswith("box: the model fails its check on the device: ")
    assert ended.text.endswith("one is still in use.")
    assert (device.tree(), device.health()["process"]) == (before, process)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("crashes", "the service ended by itself: "),
        ("no camera", "no answer within 20 s; its source is |the service ended by itself: "),
        ("slow", "an image takes .* on the device, but 1e-05 ms are allowed"),
    ],
)
def test_what_does_not_work_is_taken_back(
    change: str, reason: str, device: Device, models: dict[str, Path], config: Path, tmp_path: Path
) -> None:
    before, text = device.tree(), config.read_text()
    changed = tmp_path / "run.toml"
    if change == "crashes":
        changed.write_text(f'{text}[sinks]\njsonl = "/dev/null/answers.jsonl"\n')
    else:
        changed.write_text(re.sub(r"127.0.0.1:\d+", "127.0.0.1:9", text) if change == "no camera" else text)
    words = ["--latency-ms", "0.00001"] if change == "slow" else []
    ended = device.deploy(models["two"], "--config", changed, *words, edgeclf_start_seconds=20)
    assert ended.status == 1
    assert re.search(reason, ended.text), ended.text
    assert ended.text.endswith("one is still in use." if change == "slow" else ") is in use again and answers."), (
        ended.text
    )
    assert len(ended.text.splitlines()) == 1
    assert PASSWORD not in ended.text
    assert device.tree() == before
    assert (device.root / "current" / "run.toml").read_text() == text
    assert device.health()["frames"] > 0


def test_a_model_that_is_damaged_there_is_brought_again(device: Device, models: dict[str, Path]) -> None:
    file = (device.root / "current" / "model.tflite").resolve()
    content = file.read_bytes()
    file.write_bytes(content[:-100] + b"x" * 100)
    assert device.deploy(models["one"]).status == 0
    assert file.read_bytes() == content


def test_a_full_disk_leaves_the_former_version(device: Device, models: dict[str, Path], tmp_path: Path) -> None:
    before = device.tree()
    ended = device.deploy(models["two"], edgeclf_extras=["heic"], edgeclf_environment_bytes=1 << 60)
    assert ended.status == 1
    assert " MB needed. Free some" in ended.text
    assert device.tree() == before


def test_a_lost_desktop_leaves_a_device_that_serves(device: Device, models: dict[str, Path]) -> None:
    with device.begin(models["two"], edgeclf_watch_seconds=5) as process:
        Device.wait((device.root / "pending.json").exists)
        kill_all(process.pid)
    Device.wait(lambda: not (device.root / "pending.json").exists())
    assert device.deploy(models["two"]).text.startswith("box: nothing to do: serves two (")


def test_a_deployment_that_was_killed_on_the_device_is_taken_back_first(
    device: Device, models: dict[str, Path]
) -> None:
    with device.begin(models["two"], edgeclf_watch_seconds=600) as process:
        Device.wait((device.root / "pending.json").exists)
        Device.wait(lambda: device.health().get("frames"))
        kill(*_modules())
        kill_all(process.pid)
    assert (device.root / "pending.json").exists()
    Device.wait(lambda: device.health().get("frames"))  # it still answers
    ended = device.deploy(models["one"])
    assert ended.status == 0, ended.text
    assert ended.text.startswith("box: nothing to do: serves one (")
    assert not (device.root / "pending.json").exists()


def _modules() -> list[int]:
    """Return the processes of Ansible's module on the device."""
    return processes(lambda words: any(b"edgeclf_release" in word or b"async_wrapper" in word for word in words))
