"""Passwords in a config: its permissions, the warning about them, and a service whose user cannot read the file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclf_runtime.config.exposure import keys_with_secrets
from edgeclf_runtime.config.settings import read_settings
from edgeclf_runtime.system.credentials import carried, credential_name
from tests.runtime.service_machine import Machine, needs_root

COMMAND = [sys.executable, "-m", "edgeclf_runtime"]
SECRET = "s3cr3t-9f"
HOLDS = [
    (f'source = "rtsp://admin:{SECRET}@cam/1"', "source"),
    (f'source = "rtsp://admin:pa/{SECRET}@cam/1"', "source"),
    (f'source = "http://cam/snapshot.jpg?user=a&pwd={SECRET}"', "source"),
    (f'[sinks]\nmqtt = "mqtt://me:{SECRET}@host"', "sinks.mqtt"),
    (f'[sinks]\nweb_token = "{SECRET}"', "sinks.web_token"),
    (f'[sinks]\nwebhook_token = "{SECRET}"', "sinks.webhook_token"),
    (f'[sinks]\nwebhook = "http://hass:8123/api/webhook/{SECRET}-1234567"', "sinks.webhook"),
    (f"[sinks]\ncommand = \"curl -H 'Authorization: Bearer {SECRET}' http://x\"", "sinks.command"),
    (f'[[camera]]\nname = "door"\nsource = "http://u:{SECRET}@cam"', "camera.source"),
]
HARMLESS = """source = "rtsp://admin@cam:554/user@home"
[sinks]
mqtt = "mqtt://me@host:1883"
webhook = "http://192.168.1.5:8123/hook"
web = "8080"
mqtt_key = "key.pem"
command = "notify-send edgeclf"
"""


@pytest.mark.parametrize(("text", "key"), HOLDS)
def test_secrets_are_known_in_every_key(text: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(f"{text}\n", "utf-8")
    assert keys_with_secrets(read_settings(tmp_path / "run.toml")) == [key]


def test_other_addresses_are_none(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(HARMLESS, "utf-8")
    assert keys_with_secrets(read_settings(tmp_path / "run.toml")) == []


def test_run_and_doctor_say_that_others_may_read_it(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "my run.toml"
    config.write_text(f'source = "nothing.avi"\n[sinks]\nwebhook_token = "{SECRET}"\n', "utf-8")
    for mode, lines in ((0o644, 1), (0o600, 0)):
        config.chmod(mode)
        for words in (["run", str(model), "--config", config.name], ["doctor", "--config", config.name]):
            done = subprocess.run([*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
            said = done.stdout + done.stderr
            assert said.count("others may read it, with a password or token in sinks.webhook_token") == lines, said
            assert said.count("chmod 600 ") == lines
            assert SECRET not in said
    shutil.move(config, tmp_path / "run.toml")
    (tmp_path / "run.toml").chmod(0o644)
    done = subprocess.run([*COMMAND, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "problem   config: " in done.stdout


@needs_root
def test_install_says_so_and_doctor_finds_the_services_config(machine: Machine) -> None:
    from edgeclf_runtime.doctor import Machine as Root
    from edgeclf_runtime.doctor.configs import configs

    machine.config.unlink()
    machine.config = machine.folder / "it's 100% $HOME.toml"
    machine.configure(f'source = "/dev/video0"\n[sinks]\nweb_token = "{SECRET}"\n')
    machine.config.chmod(0o644)
    said = machine.install("--run-as", "root").output
    assert said.count("others may read it, with a password or token in sinks.web_token: chmod 600 ") == 1
    assert SECRET not in said + machine.unit.read_text("utf-8")
    units = machine.folder / "root/etc/systemd/system"
    shutil.copytree(machine.unit.parent, units)
    (found,) = configs(Root(machine.folder / "root"))
    assert (found.state, str(machine.config) in found.text) == ("problem", True)
    machine.config.chmod(0o600)
    assert "others may read" not in machine.install("--run-as", "root").output
    assert [item.state for item in configs(Root(machine.folder / "root"))] == ["ok"]


@needs_root
def test_a_config_of_mode_0600_and_a_brokers_key_are_carried(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ca.pem", "own.pem", "page.key"):
        (machine.folder / name).write_text("-----BEGIN CERTIFICATE-----\n", "utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", "ca.pem")
    monkeypatch.setattr("edgeclf_runtime.pipeline.sinks.check_sinks", lambda asked: None)  # these are no certificates
    machine.configure(
        'source = "/dev/video0"\n[sinks]\nmqtt = "mqtts://broker"\nmqtt_ca = "ca.pem"\nmqtt_cert = "own.pem"\n'
        'mqtt_key = "own.pem"\nweb = "0.0.0.0:8080"\nweb_cert = "own.pem"\nweb_key = "page.key"\n'
    )
    machine.config.chmod(0o600)
    text = machine.install("--dry-run", "--run-as", "daemon").output
    for path in (machine.config, *(machine.folder / name for name in ("ca.pem", "own.pem", "page.key"))):
        assert f"LoadCredential={credential_name(path)}:{path}\n" in text
    assert text.count("LoadCredential=") == 4
    assert f"Environment=SSL_CERT_FILE={machine.folder}/ca.pem\n" in text
    own = machine.install("--dry-run", "--user").output
    assert "LoadCredential" not in own
    assert "SSL_CERT_FILE=" in own


READ_AS_ANOTHER = """import hashlib, os, sys, tomllib  # which the other user may not be able to read
from pathlib import Path
from edgeclf_runtime.config.settings import read_settings
os.setgroups([]), os.setgid(2), os.setuid(2)
print(read_settings(Path("run.toml")))
"""


@needs_root
@pytest.mark.skipif(sys.version_info < (3, 11), reason="the other user cannot import tomli")
def test_another_user_reads_the_copy_that_systemd_gives(tmp_path: Path) -> None:
    """Read the config as another user, from the copy in that user's credentials folder as systemd makes it."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder == tmp_path or folder.name.startswith(("pytest", "popen")):
            folder.chmod(0o755)
    config, given = tmp_path / "run.toml", tmp_path / "credentials"
    given.mkdir()

    def read() -> str:
        environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(given)}
        command = [sys.executable, "-c", READ_AS_ANOTHER]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()

    config.write_text('source = "first.avi"\n', "utf-8")
    config.chmod(0o600)
    assert read().endswith("Permission denied: 'run.toml'.")
    copy = given / credential_name(config)
    for name in ("first.avi", "second.avi"):
        config.write_text(f'source = "{name}"\n', "utf-8")
        shutil.copyfile(config, copy)  # as systemd does at every start
        os.chown(copy, 2, 2)
        assert read() == f"{{'source': '{name}'}}"
    copy.write_text("source = 7x\n", "utf-8")
    assert "UsageError: run.toml: " in read()  # the name that users know


def test_another_file_than_at_install_does_not_get_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / credential_name(Path("key.pem"))).write_text("", "utf-8")
    assert carried(Path("key.pem")) == tmp_path / credential_name(tmp_path / "key.pem")
    assert carried(Path("other/key.pem")) == Path("other/key.pem")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert carried(Path("key.pem")) == Path("key.pem")
