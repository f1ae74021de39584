"""``edgeclf fleet pull`` over a real sshd: two devices, repeated, limited, killed, cut off, and a hostile one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.fleet_device.device import Device, kill_all
from tests.fleet_device.placed import NO_SERVICE, place

SEED = 0


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Path]) -> Iterator[Device]:
    """One sshd with two roots: "kitchen", deployed, and "yard", whose folder of snapshots is named."""
    device = Device(tmp_path_factory.mktemp("pull"))
    place(device, models["one"], 'source = "0"\n[sinks]\nsnapshots = "snapshots"\n')
    yield device
    device.close()


@pytest.fixture
def hosts(machine: Device, tmp_path: Path) -> dict[str, dict[str, Any]]:
    for folder in (machine.root / "data/snapshots", machine.folder / "yard"):
        if folder.exists():
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        (folder / "__unsorted").mkdir(parents=True, exist_ok=True)
    yard = {"edgeclf_root": str(machine.folder / "none"), "edgeclf_python": "/usr/bin/python3"}
    return {"kitchen": NO_SERVICE, "yard": {**NO_SERVICE, **yard, "edgeclf_snapshots": str(machine.folder / "yard")}}


def _kitchen(machine: Device) -> Path:
    return machine.root / "data/snapshots/__unsorted"


def _yard(machine: Device) -> Path:
    return machine.folder / "yard/__unsorted"


def _store(folder: Path, *numbers: int, score: float = 0.5) -> None:
    """Store a snapshot of the scene of each number."""
    for number in numbers:
        pixels = np.random.default_rng([SEED, number]).integers(0, 256, (6, 8, 3), np.uint8)
        enlarged = cv2.resize(pixels, (640, 480), interpolation=cv2.INTER_CUBIC)
        name = f"20261128-1930{number % 60:02}-000-glass-{score:.2f}-{number:06}.jpg"
        cv2.imwrite(str(folder / name), enlarged)


def _images(folder: Path) -> list[str]:
    """Return device and number of each image."""
    return sorted(f"{path.name.split('-')[0]} {int(path.stem[-6:])}" for path in folder.glob("*.jpg"))


def test_only_new_images_come_and_no_copies(machine: Device, hosts: dict[str, Any], tmp_path: Path) -> None:
    new = tmp_path / "new"
    _store(_kitchen(machine), 1, 2, 3)
    _store(_yard(machine), 4, 5)
    (_yard(machine) / "link.jpg").symlink_to("/etc/passwd")
    _store(_yard(machine).parent, 6)  # sorted there, or not a snapshot
    ended = machine.fleet_of(hosts, "pull", "-o", new)
    assert ended.status == 0, ended.printed
    assert "kitchen: 3 new images, " in ended.text
    assert "yard: 2 new images, " in ended.text
    assert ended.text.splitlines()[-2:] == [f"{new}: 5 new images", f"Next: edgeclf sort {new} --into photos"]
    assert _images(new) == ["kitchen 1", "kitchen 2", "kitchen 3", "yard 4", "yard 5"]
    for path in new.glob("*.jpg"):  # sorted
        path.unlink()
    _store(_kitchen(machine), 7)
    seen_before = (_kitchen(machine) / "20261128-193007-000-glass-0.50-000007.jpg").read_bytes()
    (_yard(machine) / "20261128-200000-000-glass-0.50-000008.jpg").write_bytes(seen_before)
    ended = machine.fleet_of(hosts, "pull", "-o", new)
    assert f"{new}: 1 new image; 1 left out as near-duplicates" in ended.text
    assert len(_images(new)) == 1
    assert "yard: 0 new images" in machine.fleet_of(hosts, "pull", "-o", new).text


def test_bounds_hold_and_the_least_sure_come_first(machine: Device, hosts: dict[str, Any], tmp_path: Path) -> None:
    new = tmp_path / "new"
    _store(_kitchen(machine), 1, 2, score=0.9)
    _store(_kitchen(machine), 3, 4, score=0.3)
    ended = machine.fleet_of({"kitchen": hosts["kitchen"]}, "pull", "-o", new, "--max-images", 2)
    assert "2 left for the next time" in ended.text
    assert _images(new) == ["kitchen 3", "kitchen 4"]
    ended = machine.fleet_of({"kitchen": hosts["kitchen"]}, "pull", "-o", new, "--max-mb", 0.00001)
    assert "kitchen: 0 new images, 0.0 MB; 2 left for the next time" in ended.text
    machine.fleet_of({"kitchen": hosts["kitchen"]}, "pull", "-o", new)
    assert len(_images(new)) == 4


@pytest.mark.parametrize("end", ["killed", "connection lost"])
def test_what_is_cut_off_leaves_nothing_half_and_goes_on(
    end: str, machine: Device, hosts: dict[str, Any], tmp_path: Path
) -> None:
    new, arrivals = tmp_path / "new", tmp_path / "new" / ".pulled"
    _store(_kitchen(machine), *range(40))
    with machine.begin_fleet({"kitchen": hosts["kitchen"]}, "pull", "-o", new) as process:
        machine.wait(lambda: len(list(arrivals.glob("*/*.jpg"))) > 3)
        if end == "killed":
            kill_all(process.pid)
        else:
            machine.wait(lambda: machine.cut_off() or process.poll() is not None)
        _, errors = process.communicate(timeout=120)
    if end == "connection lost":
        assert process.returncode == 1
        assert "Run the same command to continue." in errors or "not reached" in errors, errors
    for path in [*new.glob("*.jpg"), *arrivals.glob("*/*.jpg")]:
        assert cv2.imread(str(path)) is not None
    brought = len(_images(new)) + len(list(arrivals.glob("*/*.jpg")))
    assert 3 < brought < 40
    ended = machine.fleet_of({"kitchen": hosts["kitchen"]}, "pull", "-o", new)
    assert ended.status == 0, ended.printed
    assert f"kitchen: {40 - brought} new images" in ended.text
    assert len(_images(new)) == 40
    assert [path for path in arrivals.glob("*/*") if path.name != "images.db"] == []


def test_a_hostile_device_reaches_no_file_here(machine: Device, hosts: dict[str, Any], tmp_path: Path) -> None:
    new, evil = tmp_path / "new", tmp_path / "evil.py"
    snapshot = "20261128-193000-000-glass-0.50-000001.jpg"
    other = snapshot.replace("000001", "000002")
    (_yard(machine) / snapshot).touch()
    os.truncate(_yard(machine) / snapshot, 1 << 30)  # larger than reported
    (_yard(machine) / other).symlink_to("/dev/zero")
    _store(_yard(machine), 3)
    good = next(_yard(machine).glob("*3.jpg"))
    lines = f"x\n!touch {tmp_path}/ran\n/{snapshot}"
    files = [[f"../../{snapshot}", 10], [lines, 10], [snapshot, 1000], [other, 1000], [good.name, good.stat().st_size]]
    evil.write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    (tmp_path / "said").write_text(f"EDGECLF {json.dumps({'folder': str(good.parent), 'files': files})}\n")
    evil.chmod(0o755)
    ended = machine.fleet_of({"yard": {**hosts["yard"], "edgeclf_python": str(evil)}}, "pull", "-o", new)
    assert "yard: 1 new image, " in ended.text
    assert "2 files skipped" in ended.text
    assert "2 images could not be copied" in ended.text
    assert not (tmp_path / "ran").exists()
    left = [path for path in new.rglob("*") if path.is_file() and path.name not in ("images.db", "lock")]
    assert [path.name for path in left] == [f"yard-{good.name}"]


def test_a_device_without_snapshots_says_so(machine: Device, hosts: dict[str, Any], tmp_path: Path) -> None:
    lost = {"ansible_host": "nameless.invalid"}
    bare = {**hosts["kitchen"], "edgeclf_root": str(tmp_path)}
    ended = machine.fleet_of({"bare": bare, "lost": lost}, "pull", "-o", tmp_path / "new")
    assert ended.status == 1
    assert "bare: the runtime on the device cannot be used" in ended.printed
    assert "lost: not reached: no host has this name." in ended.printed
