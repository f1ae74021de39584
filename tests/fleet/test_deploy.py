"""``edgeclf deploy`` before it reaches a device: arguments, files, Ansible's own errors, and a port without sshd."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeclf_fleet.playbook import ROLES, Deployment
from edgeclf_runtime.cli import cli
from edgeclf_runtime.errors import UsageError

EDGECLF = [sys.executable, "-m", "edgeclf_runtime", "deploy"]


def _deploy(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*EDGECLF, *map(str, words)], capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in done.stderr
    return done


def test_what_is_wrong_here_is_said_before_any_device_is_touched(kept_model: Path, tmp_path: Path) -> None:
    damaged, config = tmp_path / "damaged.tflite", tmp_path / "run.toml"
    damaged.write_bytes(kept_model.read_bytes()[:5000])
    config.write_text('source = "video.mp4"\n', "utf-8")
    host = "pi@nowhere.invalid"
    for words, status, text in (
        ([kept_model], 2, "Name at least one device"),
        ([damaged, host], 1, f"{damaged}: "),
        ([kept_model, host, "--config", config], 2, "A service needs a source that does not end"),
        ([kept_model, "-oProxyCommand=x"], 2, "No such option"),
        ([kept_model, "pi@kitchen yard"], 2, "expected a host such as pi@kitchen"),
    ):
        done = CliRunner().invoke(cli, ["deploy", *map(str, words)])
        assert (done.exit_code, text in done.output) == (status, True), done.output


@pytest.mark.parametrize("host", ["", "@kitchen", "-oProxyCommand=touch", "pi@-oProxyCommand=x", "pi@a;b", "{{ x }}"])
def test_a_host_is_never_an_option_of_ssh_or_a_template(host: str) -> None:
    with pytest.raises(UsageError, match="expected a host"), Deployment([host], [], {}, []).written():
        pass


def test_a_host_has_user_address_and_port() -> None:
    with Deployment(["pi@10.0.0.7:2222", "yard"], [], {"edgeclf_model": "m"}, []).written() as (_, folder):
        import yaml

        content = yaml.safe_load((folder / "hosts.yml").read_text("utf-8"))["all"]
    assert content["hosts"] == {
        "pi@10.0.0.7:2222": {"ansible_user": "pi", "ansible_host": "10.0.0.7", "ansible_port": 2222},
        "yard": {"ansible_host": "yard"},
    }
    assert not folder.exists()


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh: apt-get install openssh-client")
def test_a_host_without_sshd_is_one_line(kept_model: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"pi@127.0.0.1:{unused.getsockname()[1]}"
        done = _deploy(kept_model, host)
    assert done.returncode == 1
    assert done.stderr == (
        f"{host}: not reached: no ssh server answers. Enable it on the device: sudo systemctl enable --now ssh "
        "Nothing was changed.\n"
    )


def test_the_role_is_well_formed_and_ansibles_errors_are_one_line(kept_model: Path, tmp_path: Path) -> None:
    play = tmp_path / "site.yml"
    play.write_text("- hosts: all\n  gather_facts: false\n  roles: [edgeclf]\n", "utf-8")
    command = [sys.executable, "-m", "ansible", "playbook", "--syntax-check", "-i", "box,", str(play)]
    environment = {
        "ANSIBLE_ROLES_PATH": str(ROLES),
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    inventory = tmp_path / "hosts.ini"
    inventory.write_text("[shop]\nbox ansible_host=127.0.0.1\n", "utf-8")
    done = _deploy(kept_model, "--inventory", inventory, "--limit", "garden")
    assert done.returncode == 1
    names = "ansible-inventory --inventory FILE --list shows the names"
    assert done.stderr == f"Error: No host matches --limit; {names}.\n"
