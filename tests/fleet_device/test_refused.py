"""Devices that are refused before anything is changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.fleet_device.device import Device

PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"


@pytest.fixture
def untouched(empty: Device) -> Device:
    assert not empty.root.exists(), "these tests come before the first deployment"
    return empty


def test_a_check_says_what_would_be_done(untouched: Device, models: dict[str, Path], config: Path) -> None:
    ended = untouched.deploy(models["one"], "--config", config, "--check")
    assert ended.status == 0
    assert ended.text.startswith("box: would install edgeclf-runtime ")
    assert ended.text.endswith("write the settings, install the service")
    assert not untouched.root.exists()


def test_keys_are_checked_as_ssh_does(untouched: Device, models: dict[str, Path], config: Path) -> None:
    other = untouched.folder / "other_hosts"
    other.write_text(untouched.known_line(untouched.folder / "stranger.pub"))
    hosts: dict[str, dict[str, Any]] = {
        "changed": {"ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={other}"},
        "unknown": {"ansible_ssh_common_args": "-F none -o UserKnownHostsFile=/dev/null"},
        "refused": {"ansible_ssh_private_key_file": str(untouched.folder / "stranger")},
        "nameless": {"ansible_host": "nameless.invalid"},
    }
    for variables in hosts.values():  # a connection of before would not be checked again
        variables["ansible_ssh_args"] = "-o ControlMaster=no -o ControlPath=none"
    lines = untouched.deploy_all(models["one"], hosts, "--config", config)
    assert "its host key has changed" in lines["changed"]
    assert "its host key is not known yet" in lines["unknown"]
    assert "it refuses this user or key" in lines["refused"]
    assert "no host has this name" in lines["nameless"]
    assert not untouched.root.exists()


def test_each_lack_is_said_and_nothing_is_changed(
    untouched: Device, models: dict[str, Path], config: Path, tmp_path: Path
) -> None:
    in_1970 = tmp_path / "python-in-1970"
    in_1970.write_text('#!/bin/sh\nexec faketime "1970-01-02 00:00:00" /usr/bin/python3 "$@"\n')
    in_1970.chmod(0o755)
    hosts: dict[str, dict[str, Any]] = {
        "settings": {"edgeclf_config": ""},
        "clock": {"edgeclf_python": str(in_1970)},
        "python": {"edgeclf_python": "python3.99"},
        "disk": {"edgeclf_root": "/proc/edgeclf"},
        "systemd": {"edgeclf_service_manager": "systemd"},
    }
    if old := next(PYENV.glob("3.7.*/bin/python"), None):
        hosts["old"] = {"edgeclf_python": str(old)}
    lines = untouched.deploy_all(models["one"], hosts, "--config", config)
    assert lines["settings"].startswith("No service is deployed yet. Give its settings: --config run.toml")
    assert lines["clock"].startswith("The clock says 1970-01-0")
    assert lines["python"].startswith("There is no python3.99 on the device")
    assert lines["disk"].endswith(" MB needed. Free some, or set edgeclf_root to another disk.")
    assert lines["systemd"].startswith("systemd is not running")
    assert lines.get("old", "Python 3.7 is too old: 3.9").startswith("Python 3.7 is too old: 3.9")
    assert not untouched.root.exists()
