"""``edgeclf doctor`` on simulated file systems, and ``edgeclf bench`` on a real model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclf_runtime import Classifier
from edgeclf_runtime.benchmark import time_model
from edgeclf_runtime.doctor import Machine, examine, hardware, software
from edgeclf_runtime.doctor.finding import Finding


def _machine(root: Path, files: dict[str, str]) -> Machine:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return Machine(root)


def _states(found: list[Finding]) -> list[str]:
    return [item.state for item in found]


def test_this_machine_is_examined_and_has_an_interpreter() -> None:
    found = {item.what: item for item in examine()}
    assert found["interpreter"].state == "ok"
    assert "litert" in found["interpreter"].text
    assert found["opencv"].state == "ok"
    assert found["python"].state == "ok"
    assert "could not be examined" not in " ".join(item.text for item in examine())


def test_a_coral_without_its_rule_is_named_with_the_way_out(tmp_path: Path) -> None:
    ids = {"sys/bus/usb/devices/1-1/idVendor": "1a6e\n", "sys/bus/usb/devices/1-1/idProduct": "089a\n"}
    found = list(hardware.coral(_machine(tmp_path, ids)))
    assert found[0].state == "ok"
    assert "before its firmware" in found[0].text
    assert [item.text for item in found if item.state == "problem"] == [
        "libedgetpu is not installed",
        "no udev rule gives users the USB accelerator",
    ]
    assert all(item.fix for item in found if item.state == "problem")
    rule = {"etc/udev/rules.d/99-edgetpu.rules": 'ATTRS{idVendor}=="1a6e"\nATTRS{idVendor}=="18d1"\n'}
    assert not any("udev" in item.text for item in hardware.coral(_machine(tmp_path, rule)))
    assert _states(list(hardware.coral(Machine(tmp_path / "other")))) == ["note"]


def test_cameras_are_named_with_whoever_holds_them(tmp_path: Path) -> None:
    files = {
        "sys/class/video4linux/video0/name": "HD Webcam\n",
        "sys/class/video4linux/video0/index": "0\n",
        "sys/class/video4linux/video1/name": "HD Webcam\n",
        "sys/class/video4linux/video1/index": "1\n",
        "proc/77/comm": "motion\n",
        "proc/77/fd/.keep": "",
    }
    machine = _machine(tmp_path, files)
    (found,) = hardware.cameras(machine)
    assert (found.state, found.text) == ("ok", "/dev/video0 HD Webcam")
    os.symlink("/dev/video0", tmp_path / "proc/77/fd/5")
    (found,) = hardware.cameras(machine)
    assert "in use by motion (77)" in found.text
    assert _states(list(hardware.cameras(Machine(tmp_path / "none")))) == ["note"]


def test_a_camera_is_named_as_it_is_from_boot_to_boot(tmp_path: Path) -> None:
    node = "sys/class/video4linux/video2"
    machine = _machine(tmp_path, {f"{node}/name": "HD Webcam\n", f"{node}/index": "0\n", "dev/v4l/by-id/.keep": ""})
    (tmp_path / "dev/v4l/by-id/.keep").unlink()
    os.symlink("../../video2", tmp_path / "dev/v4l/by-id/usb-046d_HD_Webcam-video-index0")
    (found,) = hardware.cameras(machine)
    assert found.text.endswith('as a source: "/dev/v4l/by-id/usb-046d_HD_Webcam-video-index0"')


def test_a_coral_on_pcie_without_its_driver_or_with_large_pages(tmp_path: Path) -> None:
    ids = {"sys/bus/pci/devices/0000:01:00.0/vendor": "0x1ac1\n", "sys/bus/pci/devices/0000:01:00.0/device": "0x089a\n"}
    (found,) = hardware.coral(_machine(tmp_path, ids))
    assert (found.state, "gasket" in found.text, "gasket" in found.fix) == ("problem", True, True)
    (found,) = hardware.coral(_machine(tmp_path, {"page_size": "16384\n"}))
    assert (found.state, "16 kB" in found.text, "kernel8.img" in found.fix) == ("problem", True, True)
    texts = [item.text for item in hardware.coral(_machine(tmp_path, {"dev/apex_0": ""}))]
    assert "16 kB" in texts[0]
    (tmp_path / "page_size").unlink()
    (tmp_path / "dev/apex_0").unlink()
    (found,) = hardware.coral(_machine(tmp_path, {"sys/module/gasket/version": "1.1"}))
    assert "/dev/apex_0" in found.text


def test_a_camera_that_may_be_opened_needs_no_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [])
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).stat().st_mode & 6 == 6)
    monkeypatch.setattr(hardware, "_exists", lambda name: True)
    assert _states(list(hardware.groups(Machine(tmp_path)))) == ["note"]
    files = {"sys/class/video4linux/video0/name": "HD", "sys/class/video4linux/video0/index": "0", "dev/video0": ""}
    machine = _machine(tmp_path, files)
    (tmp_path / "dev/video0").chmod(0o660)
    (found,) = hardware.groups(machine)
    assert (found.state, "may not open" in found.text, "usermod -aG video" in found.fix) == ("problem", True, True)
    (tmp_path / "dev/video0").chmod(0o666)
    (found,) = hardware.groups(machine)
    assert (found.state, "without being a member of video" in found.text) == ("ok", True)
    monkeypatch.setattr(os, "getgroups", lambda: [4444])
    monkeypatch.setattr(hardware, "_group", lambda number: "video")
    assert [item.text for item in hardware.groups(machine)] == ["member of video"]


@pytest.mark.parametrize(
    ("bits", "state", "words"),
    [
        ("0x0", "ok", "no under-voltage"),
        ("0x50005", "problem", "under-voltage now, throttled now"),
        ("0x50000", "note", "under-voltage since the start"),
    ],
)
def test_a_weak_power_supply_is_seen(bits: str, state: str, words: str, tmp_path: Path) -> None:
    files = {"sys/devices/platform/soc/soc:firmware/get_throttled": bits}
    (found,) = hardware.power(_machine(tmp_path, files))
    assert found.state == state
    assert words in found.text


def test_heat_and_a_read_only_card_are_problems(tmp_path: Path) -> None:
    files = {"sys/class/thermal/thermal_zone0/temp": "84000\n", "proc/mounts": "/dev/root / ext4 ro,noatime 0 0\n"}
    machine = _machine(tmp_path, files)
    (hot,) = hardware.power(machine)
    assert (hot.state, hot.text.split()[0]) == ("problem", "84")
    assert [item.text for item in hardware.disk(machine) if item.state == "problem"] == [
        "mounted read-only, as a failing card is"
    ]


def test_picamera_hidden_by_a_virtual_environment_is_explained(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/model": "Raspberry Pi 5 Model B\0",
        "usr/lib/python3/dist-packages/picamera2/__init__.py": "",
    }
    (found,) = software.picamera(_machine(tmp_path, files))
    assert found.state == "problem"
    assert "--system-site-packages" in found.fix


@pytest.mark.parametrize(
    ("content", "state", "fix"),
    [
        ("", "ok", ""),
        ("raise ValueError('numpy.dtype size changed')", "problem", "pip install 'numpy<2'"),
        ("raise OSError('no camera')", "problem", ""),
    ],
)
def test_picamera_is_imported_where_it_is_installed(
    content: str, state: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picamera2.py").write_text(content, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (found,) = software.picamera(_machine(tmp_path, {"proc/device-tree/model": "Raspberry Pi 4 Model B\0"}))
    assert (found.state, fix in found.fix) == (state, True)


def test_the_command_prints_lines_or_json() -> None:
    done = subprocess.run([sys.executable, "-m", "edgeclf_runtime", "doctor", "--json"], capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert {"what", "state", "text", "fix"} == set(found[0])
    assert done.returncode == any(item["state"] == "problem" for item in found)


def test_the_whole_way_takes_longer_than_the_network_alone(model: Path) -> None:
    for _ in range(3):  # the time of the network alone is measured after the others': other load may come then
        timings = time_model(lambda number: Classifier.load(model, threads=number), [1, 2], (640, 480), 0.2)
        found = {(timing.threads, timing.stage): timing for timing in timings}
        if all(found[number, "invoke"].median <= found[number, "frame"].median for number in (1, 2)):
            break
    assert set(found) == {(n, s) for n in (1, 2) for s in ("invoke", "frame", "resize")}
    for number in (1, 2):
        assert found[number, "invoke"].median <= found[number, "frame"].median
        assert found[number, "frame"].median <= found[number, "frame"].p90 <= found[number, "frame"].p99
    assert found[1, "invoke"].runs >= 10
