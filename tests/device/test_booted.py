"""The emulated Raspberry Pi with a disk and systemd: login works, and written files survive the next boot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.device.booted import Booted, booted
from tests.device.disk import disk

pytestmark = pytest.mark.needs("machine")

CAMERA = "sudo modprobe vivid n_devs=1 node_types=0x1 && udevadm settle && edgeclf doctor --json"


def _said(machine: Booted, words: str) -> str:
    done = machine.ssh(words)
    assert done.returncode == 0, done
    return done.stdout.decode()


def test_one_logs_in_and_its_disk_is_kept(wheel: Path, tmp_path: Path) -> None:
    made = disk(wheel)
    with booted(made, tmp_path / "first") as machine:
        assert _said(machine, "systemctl is-system-running --wait").strip() == "running"
        assert _said(machine, "uname -m; id --user --name").split() == ["aarch64", "pi"]
        found = {item["what"]: item for item in json.loads(_said(machine, CAMERA))}
        assert found["camera"]["text"].startswith("/dev/video0 vivid")
        assert found["interpreter"]["state"] == found["opencv"]["state"] == "ok"
        assert machine.ssh("cat > note", content=b"kept\n").returncode == 0
        machine.turn_off()
    with booted(made, tmp_path / "second") as machine:
        assert _said(machine, "cat note; rm note") == "kept\n"
        machine.turn_off()
