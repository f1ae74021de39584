"""If ``edgeclf deploy`` is killed, Ansible, its workers and their ssh end, too."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml


def test_what_it_has_started_ends_with_it(kept_model: Path, tmp_path: Path) -> None:
    begun, ssh, inventory = tmp_path / "begun", tmp_path / "ssh", tmp_path / "hosts.yml"
    ssh.write_text(f"#!/bin/sh\necho $$ > {begun}.new\nmv {begun}.new {begun}\nexec sleep 1000\n", "utf-8")
    ssh.chmod(0o755)
    host = {"ansible_host": "127.0.0.1", "ansible_ssh_executable": str(ssh)}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"box": host}}}), "utf-8")
    words = ["deploy", str(kept_model), "--inventory", str(inventory)]
    with subprocess.Popen([sys.executable, "-m", "edgeclf_runtime", *words], stderr=subprocess.PIPE) as process:
        _wait(begun.exists)
        of_ssh = int(begun.read_text())
        worker = _parent(of_ssh)
        ansible = _parent(worker)
        assert _parent(ansible) == process.pid
        process.kill()
        process.wait(60)
        _wait(lambda: not any(map(_runs, (of_ssh, worker, ansible))))


def _wait(what: Callable[[], object]) -> None:
    until = time.monotonic() + 120
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def _stat(number: int) -> list[str]:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", "0"]


def _parent(number: int) -> int:
    return int(_stat(number)[1])


def _runs(number: int) -> bool:
    return _stat(number)[0] not in "ZX"
