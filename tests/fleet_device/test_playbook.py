"""The role in a user's playbook, with variables from the inventory and encrypted settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from edgeclf_fleet.playbook import ROLES
from tests.fleet_device.device import Device
from tests.runtime.mjpeg_server import PASSWORD

ANSIBLE = [sys.executable, "-m", "ansible"]
DEPLOY = {
    "hosts": "shop",
    "gather_facts": False,
    "serial": [1, "100%"],
    "roles": [{"role": "edgeclf", "edgeclf_model": "model.tflite", "edgeclf_config": "run.toml"}],
    "post_tasks": [{"ansible.builtin.debug": {"msg": "{{ inventory_hostname }}: {{ edgeclf_deployed.outcome }}"}}],
}


def test_the_role_deploys_and_does_nothing_the_second_time(
    device: Device, models: dict[str, Path], config: Path, tmp_path: Path
) -> None:
    shutil.copy(models["two"], tmp_path / "model.tflite")  # paths are relative to the playbook
    shutil.copy(config, tmp_path / "run.toml")
    (tmp_path / "vault.txt").write_text("a password\n", "utf-8")
    vault = ["--vault-password-file", str(tmp_path / "vault.txt")]
    subprocess.run([*ANSIBLE, "vault", "encrypt", *vault, str(tmp_path / "run.toml")], check=True, env=_environment())
    assert PASSWORD not in (tmp_path / "run.toml").read_text("utf-8")
    installed = (device.root / "current" / "environment").resolve()
    other = tmp_path / "other"  # a second device without a service, with the runtime of the first one
    (other / "environments").mkdir(parents=True)
    (other / "environments" / installed.name).symlink_to(installed, target_is_directory=True)
    hosts = {"box": {}, "yard": {"edgeclf_root": str(other), "edgeclf_service_manager": "none"}}
    device.write_inventory(hosts)
    inventory = yaml.safe_load(device._inventory.read_text("utf-8"))
    inventory["all"]["vars"]["ansible_python_interpreter"] = "/usr/bin/python3"  # discovery may find a broken one
    inventory["all"]["children"] = {"shop": {"hosts": dict.fromkeys(hosts)}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), "utf-8")
    (tmp_path / "site.yml").write_text(yaml.safe_dump([DEPLOY]), "utf-8")
    command = [*ANSIBLE, "playbook", "-i", str(tmp_path / "hosts.yml"), *vault, str(tmp_path / "site.yml")]

    def played(*words: str) -> str:
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False, env=_environment())
        assert done.returncode == 0, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        assert "WARNING" not in done.stdout + done.stderr
        return done.stdout

    assert "box: would install two (" in played("--check", "--limit", "box")
    printed = played()
    assert "box: serves two (" in printed
    assert "yard: holds two (" in printed
    assert PASSWORD in (device.root / "current" / "run.toml").read_text("utf-8")
    process = device.health()["process"]
    printed = played("--diff")
    assert "box: nothing to do: serves two (" in printed
    assert "yard: nothing to do: holds two (" in printed
    assert "changed=0" in printed, printed
    assert device.health()["process"] == process


def _environment() -> dict[str, str]:
    return {**os.environ, "ANSIBLE_ROLES_PATH": str(ROLES), "ANSIBLE_PIPELINING": "1", "LC_ALL": "C.UTF-8"}
