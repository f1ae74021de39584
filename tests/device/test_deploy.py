"""``edgeclf deploy`` to the emulated Raspberry Pi, with systemd and sudo: from nothing, update, break, go back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.device.booted import Booted, booted
from tests.device.disk import USER, Disk, disk
from tests.device.userland import ARM64, wheels_for
from tests.fleet_device.device import Device
from tests.fleet_device.speaking import ALL_ANSWERS, speaking_models

pytestmark = pytest.mark.needs("machine")

CONFIG = f'source = "/dev/video0"\nreload = true\n[gate]\nmax_fps = 2\n{ALL_ANSWERS}'
MANY = 600  # seconds: an emulated processor is slow


class Pi(Device):
    """The machine as a target of deployments."""

    patience = 3600

    def __init__(self, folder: Path, machine: Booted, key: Path) -> None:
        self.folder, self.port, self._machine, self._key = folder, machine.port, machine, key
        self.known = folder / "known_hosts"
        scan = ["ssh-keyscan", "-T", str(MANY), "-p", str(self.port), "127.0.0.1"]
        found = subprocess.run(scan, capture_output=True, text=True, check=True)
        self.known.write_text(found.stdout, "utf-8")

    def variables(self) -> dict[str, Any]:
        return {
            **self.reached_by(self._key, USER),
            "edgeclf_start_seconds": MANY,
            "edgeclf_timeout_seconds": self.patience,
        }

    def said(self, words: str) -> str:
        """Return a command's output on the machine."""
        done = self._machine.ssh(words, seconds=MANY)
        assert done.returncode == 0, done
        return done.stdout.decode()

    def answer(self) -> str:
        """Return the name of the model that gave the newest answer."""
        return str(json.loads(self.said("sudo tail -n 1 /opt/edgeclf/data/answers.jsonl"))["answer"]).split()[0]

    def process(self) -> int:
        return int(self.said("systemctl show edgeclf --property=MainPID --value"))


@pytest.fixture
def pi(wheel: Path, tmp_path: Path) -> Iterator[Pi]:
    made: Disk = disk(wheel)
    with booted(made, tmp_path / "console", keeps=False) as machine:
        pi = Pi(tmp_path, machine, made.key)
        pi.said("sudo modprobe vivid n_devs=1 node_types=0x1 && udevadm settle")
        yield pi


def test_systemd_serves_what_is_deployed(pi: Pi, wheel: Path, tmp_path: Path) -> None:
    models, offline, config = speaking_models(tmp_path), wheels_for(ARM64, wheel, "mqtt,web"), tmp_path / "run.toml"
    config.write_text(CONFIG, "utf-8")

    ended = pi.deploy(models["one"], "--config", config, "--offline", offline, "--check")
    assert ended.text.startswith("box: would install edgeclf-runtime "), ended.printed
    ended = pi.deploy(models["one"], "--config", config, "--offline", offline)
    assert ended.text.startswith("box: serves one ("), ended.printed
    assert (pi.answer(), pi.said("systemctl is-enabled edgeclf").strip()) == ("one", "enabled")
    assert pi.said("ps -o user= -p $(systemctl show edgeclf --property=MainPID --value)").strip() == USER

    ended = pi.deploy(models["two"], "--offline", offline)
    assert ended.text.startswith("box: serves two ("), ended.printed
    assert pi.answer() == "two"

    process = pi.process()
    ended = pi.deploy(models["lies"], "--offline", offline)
    assert ended.text.startswith("box: the model fails its check on the device: "), ended.printed
    assert (pi.answer(), pi.process()) == ("two", process)

    config.write_text(CONFIG.replace("answers.jsonl", "/dev/null/answers.jsonl"), "utf-8")
    ended = pi.deploy(models["one"], "--config", config, "--offline", offline)
    assert ended.status == 1
    assert ended.text.endswith(") is in use again and answers."), ended.printed
    assert pi.answer() == "two"

    ended = pi.fleet("rollback")
    assert ended.text.startswith("box: serves one ("), ended.printed
    assert pi.answer() == "one"
    assert "/opt/edgeclf/pending.json" not in pi.said("ls -d /opt/edgeclf/*").split()
