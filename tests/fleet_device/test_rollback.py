"""Roll-backs, and a roll-out in batches, over a real sshd."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from tests.fleet_device.device import Device


def test_a_service_goes_back_to_the_former_model(device: Device, models: dict[str, Path]) -> None:
    assert device.deploy(models["two"]).status == 0
    process = device.health()["process"]
    check = device.fleet("rollback", "--check")
    assert check.text.startswith("box: would install one ("), check.printed
    assert device.health()["process"] == process
    ended = device.fleet("rollback")
    assert ended.text.startswith("box: serves one ("), ended.printed
    assert "previously two (" in ended.text
    process, before = device.health()["process"], device.tree()
    ended = device.fleet("rollback")
    assert (ended.status, ended.text.startswith("box: nothing to do: one (")) == (0, True), ended.printed
    assert (device.health()["process"], device.tree()) == (process, before)


def test_a_rollout_stops_and_goes_on_where_it_was_stopped(
    device: Device, models: dict[str, Path], tmp_path: Path
) -> None:
    installed = (device.root / "current" / "environment").resolve()
    hosts: dict[str, dict[str, Any]] = {}
    for number in range(10):  # each with its own root, and with the runtime installed on the device
        python = tmp_path / str(number) / "environments" / installed.name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(str(installed / "bin" / "python"))} "$@"\n', "utf-8")
        python.chmod(0o755)
        (python.parents[1] / "complete").touch()
        hosts[f"h{number}"] = {"edgeclf_root": str(tmp_path / str(number)), "edgeclf_service_manager": "none"}
    hosts["h2"]["edgeclf_latency_ms"] = 0.00001
    words = ["--batches", "1,3,100%", "--ansible", "--forks 10"]
    status, lines = device.roll_out(models["one"], hosts, *words)
    assert status == 1
    assert "an image takes" in lines["h2"]
    assert all(lines[name].startswith("holds one (") for name in ("h0", "h1", "h3")), lines
    assert all(lines[f"h{number}"].startswith("not started") for number in range(4, 10)), lines
    assert not any((tmp_path / str(number) / "current").exists() for number in (2, *range(4, 10)))

    del hosts["h2"]["edgeclf_latency_ms"]
    hosts["h2"]["edgeclf_root"] = hosts["h0"]["edgeclf_root"]  # its environment was removed after the failure
    written = {name: (tmp_path / name / "current" / "release.json").stat().st_ctime_ns for name in "013"}
    status, lines = device.roll_out(models["one"], hosts, *words)
    assert status == 0, lines
    assert all(lines[name].startswith("nothing to do: holds one (") for name in ("h0", "h1", "h2", "h3")), lines
    assert all(lines[f"h{number}"].startswith("holds one (") for number in range(4, 10)), lines
    assert written == {name: (tmp_path / name / "current" / "release.json").stat().st_ctime_ns for name in "013"}
