"""Arrived images: each is taken in once, without copies or partial files, whenever it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_fleet.errors import FleetError
from edgeclf_fleet.snapshot_store import Adopted, Arrivals, SnapshotStore

SEED = 0


def _image(path: Path, scene: int, quality: int = 95) -> None:
    random = np.random.default_rng([SEED, scene])
    pixels = cv2.resize(random.integers(0, 256, (6, 8, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _name(number: int) -> str:
    return f"kitchen-20261128-1930{number:02}-000-glass-0.50-{number:06}.jpg"


def test_each_image_is_taken_in_once_and_no_copy(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path, "pi@kitchen")
    for number, scene in enumerate((1, 2, 1, 3)):
        _image(arrivals.complete(_name(number)), scene, 95 - 10 * number)
    arrivals.complete(_name(9)).write_bytes(b"no image")
    assert arrivals.known() == {_name(number) for number in (0, 1, 2, 3, 9)}
    with SnapshotStore(tmp_path) as store:
        assert store.adopt() == Adopted(new=3, copies=1, damaged=1)
        assert store.adopt() == Adopted()
    assert sorted(path.name for path in tmp_path.glob("*.jpg")) == [_name(0), _name(1), _name(3)]
    assert list(arrivals.folder.iterdir()) == []
    for path in tmp_path.glob("*.jpg"):  # sorted or discarded
        path.unlink()
    assert Arrivals(tmp_path, "pi@kitchen").known() == {_name(number) for number in (0, 1, 2, 3, 9)}
    other = Arrivals(tmp_path, "pi@yard")
    _image(other.complete(_name(20)), 2, 60)  # the scene of an image that is gone
    with SnapshotStore(tmp_path) as store:
        assert store.adopt() == Adopted(copies=1)


def test_parts_of_a_killed_command_are_removed_and_no_image(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path, "pi@kitchen")
    part = arrivals.part(_name(1))
    part.write_bytes(b"half")
    assert arrivals.known() == set()
    Arrivals(tmp_path, "pi@kitchen")
    assert not part.exists()


def test_an_image_is_taken_in_once_if_it_was_killed_in_between(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path, "pi@kitchen")
    for number in range(4):
        _image(arrivals.complete(_name(number)), number)
    killed = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom edgeclf_fleet import snapshot_store as store\n"
        "calls = []\n"
        "def move(source, target):\n"
        "    calls.append(1)\n"
        "    os.kill(os.getpid(), signal.SIGKILL) if len(calls) == 3 else os.rename(source, target)\n"
        "store.move = move\n"
        "store.SnapshotStore(Path(sys.argv[1])).adopt()\n"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("*.jpg"))) == 2
    with SnapshotStore(tmp_path) as store:
        assert store.adopt() == Adopted(new=2)
    assert len(list(tmp_path.glob("*.jpg"))) == 4


def test_two_commands_at_once_and_a_damaged_memory_are_refused(tmp_path: Path) -> None:
    with SnapshotStore(tmp_path), pytest.raises(FleetError, match="another command"):
        SnapshotStore(tmp_path)
    (tmp_path / ".pulled" / "images.db").write_bytes(os.urandom(5000))
    with pytest.raises(FleetError, match=r"images\.db.*pull to a new folder"):
        SnapshotStore(tmp_path)
