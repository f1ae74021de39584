"""``edgeclf service``; a stand-in replaces systemctl."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeclf_runtime.cli import cli
from edgeclf_runtime.config.settings import SinkSettings
from edgeclf_runtime.pipeline.sinks import open_sinks
from edgeclf_runtime.service import systemd, unit
from edgeclf_runtime.service.unit import MARK
from edgeclf_runtime.sinks.mqtt.options import default_device
from edgeclf_runtime.sinks.sink import NO_ZONE, ZoneName
from tests.ports import free_port
from tests.runtime.edgetpu_files import Build
from tests.runtime.mqtt_broker import Broker, Listener
from tests.runtime.observations import seen
from tests.runtime.service_machine import Machine, needs_root


@needs_root
def test_it_is_installed_updated_shown_and_removed(machine: Machine) -> None:
    said = machine.install("--run-as", "root", "--threads", "2").output
    assert f"Made: {machine.folder / 'kept'}" in said
    assert f"Written: {machine.unit}" in said
    text = machine.unit.read_text("utf-8")
    assert f"run {machine.model} --config {machine.config} --backend auto --threads 2" in text
    assert f"ReadWritePaths={machine.folder / 'kept'}" in text
    assert "RestartSteps=6" in text
    started = ["systemctl daemon-reload", "systemctl enable edgeclf", "systemctl restart edgeclf"]
    assert machine.calls()[1:] == started
    assert f"Replaced: {machine.unit}" in machine.install("--run-as", "root", "--memory-limit", "1G").output
    assert "MemoryMax=1G" in machine.unit.read_text("utf-8")
    assert machine.calls()[1:] == started
    shown = machine("status").output
    assert all(text in shown for text in ("active (running)", "cat 93%", "100 MB", "exit status 0", "edgeclf[7]"))
    assert "Stopped and removed" in machine("remove").output
    assert "systemctl disable --now edgeclf" in machine.calls()
    assert list(machine.unit.parent.iterdir()) == []
    assert "nothing to remove" in machine("remove").output
    assert machine.calls() == []
    machine("status", code=4)


def test_a_library_of_ones_own_goes_along_and_a_token_does_not(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = machine.folder / "my libs" / "libedgetpu.so.1"
    library.parent.mkdir()
    library.touch()
    monkeypatch.setenv("EDGECLF_EDGETPU_LIBRARY", str(library))
    monkeypatch.setenv("EDGECLF_WEB_TOKEN", "a-secret-of-mine")
    machine.configure('source = "/dev/video0"\n[sinks]\nweb = "8080"\n')
    said = machine.install("--dry-run", "--run-as", "root", "--memory-limit", "512M").output
    assert f'Environment="EDGECLF_EDGETPU_LIBRARY={library}"\n' in said
    assert "OOMPolicy=continue" in said
    assert "EDGECLF_WEB_TOKEN is not passed on" in said
    assert "a-secret-of-mine" not in said


def test_sinks_that_cannot_be_opened_are_named_at_once(machine: Machine) -> None:
    sinks = (
        'mqtt = "broker.local"\nwebhook = "example.com/x"\nweb = "localhost"\nweb_token = "short"\ncommand = "a \'b"'
    )
    machine.configure(f'source = "/dev/video0"\n[sinks]\n{sinks}\n')
    (said,) = machine.install("--dry-run", code=1).output.splitlines()
    assert all(name in said for name in ("MQTT address: expected", "Webhook", "Web page on 'localhost'", 'Command "a'))
    run = CliRunner().invoke(cli, ["run", str(machine.model), "--config", str(machine.config)])
    assert run.output.splitlines() == [said]
    assert "short" not in said


def test_zones_may_run_as_a_service_if_no_camera_ends(machine: Machine) -> None:
    other = shutil.copy(machine.model, machine.folder / "other.tflite")
    camera = '[[camera]]\nname = "{}"\nsource = "{}"\n'
    zone = f'[[zone]]\nname = "gate"\ncamera = "a"\nmodel = "{other}"\non = ["{{}}"]\n'
    cameras = camera.format("a", "/dev/video0") + camera.format("b", "rtsp://host/1")
    machine.configure(cameras + zone.format("0") + '[[zone]]\nname = "bay"\ncamera = "b"\n')
    assert f"run {machine.model} --config" in machine.install("--dry-run", "--run-as", "root").output
    machine.configure(cameras + zone.format("zero"))
    assert "zone gate.on: its model has no label 'zero'" in machine.install("--dry-run", code=2).output
    machine.configure(camera.format("a", "/dev/video0") + camera.format("b", "film.avi"))
    assert "a source that does not end" in machine.install("--dry-run", code=2).output


def test_it_sees_the_folder_it_watches_and_its_labels(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "_TEMPORARY", ("/srv/incoming", "/srv/labels.txt"))
    machine.configure('source = "/srv/photos"\n[camera]\nwatch = true\n')
    assert "PrivateTmp=yes" in machine.install("--dry-run", "--run-as", "root").output
    monkeypatch.setattr(unit, "_TEMPORARY", ("/srv/photos",))
    assert "PrivateTmp" not in machine.install("--dry-run", "--run-as", "root").output
    labels = machine.folder / "labels.txt"
    labels.write_text("a\nb\nc\n", "utf-8")
    monkeypatch.setattr(unit, "_TEMPORARY", (str(labels),))
    assert "PrivateTmp=yes" in machine.install("--dry-run", "--run-as", "root").output
    assert "PrivateTmp" not in machine.install("--dry-run", "--run-as", "root", "--labels", str(labels)).output


@needs_root
def test_a_change_asks_no_edge_tpu_that_the_service_holds(machine: Machine, build: Build, compiled: Path) -> None:
    words = ("install", str(compiled), "--config", str(machine.config), "--run-as", "root")
    build("WORKS")
    assert "Written" in machine(*words).output
    build("NO_DEVICE")  # as with a busy one
    assert "Replaced" in machine(*words).output
    assert "[Service]" in machine(*words, "--dry-run").output
    (machine.folder / "state").write_text("LoadState=loaded\nActiveState=failed\n", "utf-8")
    assert "finds no device" in machine(*words, code=1).output


@pytest.mark.parametrize(("address", "said"), [("0.0.0.0:8080", True), ("8080", False), ("[::1]:8080", False)])
def test_a_token_that_changes_with_every_start_is_told(address: str, said: bool, machine: Machine) -> None:
    machine.configure(f'source = "/dev/video0"\n[sinks]\nweb = "{address}"\n')
    assert ("Each start generates a new token" in machine.install("--dry-run", "--run-as", "root").output) is said
    machine.configure(f'source = "/dev/video0"\n[sinks]\nweb = "{address}"\nweb_token = "a-secret-of-mine"\n')
    assert "new token" not in machine.install("--dry-run", "--run-as", "root").output


def test_printing_writes_nothing_and_needs_no_systemd(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_RUNS", machine.folder / "none")
    before = sorted(machine.folder.rglob("*"))
    assert machine.install("--dry-run").output.startswith(MARK)
    assert sorted(machine.folder.rglob("*")) == before
    assert "systemd does not run here" in machine.install(code=1).output
    assert "systemd does not run here" in machine("status", code=1).output
    assert "systemd does not run here" in machine("remove", code=1).output


def test_a_service_of_ones_own_lies_with_ones_own_files(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(machine.folder / "config"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said = machine.install("--user").output
    assert "enable-linger" in said
    assert (machine.folder / "config" / "systemd" / "user" / "edgeclf.service").is_file()
    assert "systemctl --user restart edgeclf" in machine.calls()
    machine("remove", "--user")
    assert "Only root may do that" in machine.install(code=1).output
    assert "--run-as cannot be used with --user" in machine.install("--user", "--run-as", "root", code=2).output


def test_what_cannot_start_is_not_installed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def refused(message: str, *words: str, code: int = 1) -> None:
        result = machine.install(*words, code=code)
        assert message in result.output
        assert "Traceback" not in result.output
        assert not machine.unit.exists()

    refused("No user 'nobody-here'", "--run-as", "nobody-here")
    refused("expected letters, digits", "--name", "../evil", code=2)
    machine.configure('source = "photos"\n')
    refused("a source that does not end", code=2)
    machine.configure("sinks = 3\nsorce = 1\n")
    refused("did you mean source", code=2)
    machine.configure('source = "/dev/video0"\n')
    machine.model.write_bytes(b"no model")
    refused("Not a TensorFlow Lite file")
    assert machine.calls() == []


def test_a_unit_of_somebody_else_stays(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    machine.unit.parent.mkdir()
    machine.unit.write_text("[Service]\nExecStart=/bin/true\n", "utf-8")
    machine.configure('source = "/dev/video0"\n')
    assert "not written by edgeclf service" in machine.install("--run-as", "root", code=1).output
    assert "not written by edgeclf service" in machine("remove", code=1).output
    assert machine.unit.read_text("utf-8").startswith("[Service]")


@needs_root
def test_systemds_own_words_are_handed_on(machine: Machine) -> None:
    (machine.folder / "calls.fail").touch()
    assert "systemctl restart: Job failed." in machine.install("--run-as", "root", code=1).output
    state = machine.folder / "state"
    state.write_text(state.read_text("utf-8").replace("=active", "=failed").replace("Status=0", "Status=7"), "utf-8")
    assert "exit status 7" in machine("status", code=3).output


@needs_root
def test_a_user_who_may_not_is_told_what(machine: Machine) -> None:
    machine.config.chmod(0o600)
    result = machine.install("--run-as", "daemon", code=1)
    assert "daemon may not read it; give a user who may with --run-as" in result.output
    assert not machine.unit.exists()
    assert not (machine.folder / "kept").exists()


@needs_root
def test_a_service_that_is_removed_leaves_nothing_in_the_broker(machine: Machine, broker: Broker) -> None:
    address, zone = f"mqtt://127.0.0.1:{broker.port}", ZoneName("yard", "former")
    machine.configure(f'source = "/dev/video0"\n[sinks]\nmqtt = "{address}"\n')
    machine.install("--run-as", "root", "--name", "garden")
    device = default_device("garden")
    listener = Listener(broker.port)
    for name, its_zone in ((device, NO_ZONE), (device, zone), (f"{device}2", zone)):
        (sink,) = open_sinks(SinkSettings(mqtt=address, mqtt_device=name), ("cat",), "m", zone=its_zone)
        sink.take(seen("cat"))
        listener.wait("/".join(["edgeclf", name, *filter(None, its_zone), "state"]), bool)
        sink.close()
    assert f"Removed from MQTT broker: device {device}\n" in machine("remove", "--name", "garden").output
    listener.close()
    after = Listener(broker.port)
    after.wait(f"edgeclf/{device}2/yard/former/state", bool)
    assert {topic for topic in after.seen if f"{device}2" not in topic} == set()
    after.close()


@needs_root
def test_a_service_is_removed_without_its_broker_too(machine: Machine) -> None:
    machine.configure(f'source = "/dev/video0"\n[sinks]\nmqtt = "mqtt://me:s3cret@127.0.0.1:{free_port()}"\n')
    machine.install("--run-as", "root")
    output = machine("remove").output
    assert "Stopped and removed" in output
    assert "Home Assistant may go on to show the device: mqtt 127.0.0.1" in output
    assert "refused" in output
    assert "s3cret" not in output
