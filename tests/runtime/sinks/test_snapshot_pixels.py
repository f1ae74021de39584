"""What is stored of a frame: the part that the network saw, and the whole frame on request."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime import Frame
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.sinks.jpeg import jpeg
from edgeclf_runtime.sinks.snapshots.name import FOLDERS, own_snapshots
from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink
from edgeclf_runtime.web.unsorted import Unsorted
from tests.runtime.observations import LABELS, seen, snapshot_names


@pytest.mark.parametrize("came_as", ["pixels", "JPEG decoded at a part of its size"])
def test_what_the_network_saw_is_kept_and_on_demand_the_whole(came_as: str, tmp_path: Path) -> None:
    """A camera mounted on its side: the lower right quarter of the rotated image is red."""
    pixels = np.full((96, 128, 3), 60, np.uint8)
    pixels[:48, 64:] = (220, 30, 30)  # upper right, before it is rotated clockwise
    frame = Frame(pixels, time.monotonic(), 0, "/dev/video0")
    if came_as != "pixels":
        frame = replace(frame, pixels=pixels[::2, ::2].copy(), jpeg=jpeg(pixels))
    item = seen("cat", 0.4)
    item = replace(
        item,
        prediction=replace(item.prediction, frame=frame.viewed(View((0.5, 0.5, 0.5, 0.5), rotate=90))),
    )
    sink = SnapshotSink(tmp_path, every=0, whole=True)
    sink.take(item)
    (name,) = snapshot_names(tmp_path / "__unsorted")
    seen_part, whole = (read_image(tmp_path / folder / name) for folder in ("__unsorted", "__whole"))
    assert (seen_part.shape, whole.shape) == ((64, 48, 3), (128, 96, 3))
    assert np.abs(seen_part.astype(int) - (220, 30, 30)).mean() < 6
    assert np.abs(whole[:60, :40].astype(int) - 60).mean() < 6
    SnapshotSink(tmp_path / "plain", every=0).take(item)
    assert snapshot_names(tmp_path / "plain") == ["__unsorted"]


def test_the_whole_ones_go_with_their_parts(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path, every=0, limit=3, whole=True)
    for number in range(8):
        item = seen("cat", 0.5, number=number)
        assert item.prediction.frame is not None
        frame = item.prediction.frame.viewed(View((0.0, 0.0, 1.0, 0.9)))
        sink.take(replace(item, prediction=replace(item.prediction, frame=frame)))
    unsorted = snapshot_names(tmp_path / "__unsorted")
    assert len(unsorted) == 3
    assert snapshot_names(tmp_path / "__whole") == unsorted
    page = Unsorted(tmp_path, LABELS)
    page.sort(unsorted[0], "cat")
    page.sort(unsorted[1], "dog")
    page.discard(unsorted[2:])
    assert snapshot_names(tmp_path / "__whole") == unsorted
    assert set(snapshot_names(tmp_path)) - FOLDERS == {"cat", "dog"}


def test_a_run_keeps_what_its_file_says(model: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "in"
    pictures.mkdir()
    chance = np.random.default_rng(0)
    for number in range(6):
        blocks = chance.integers(0, 256, (6, 8, 3), np.uint8)
        cv2.imwrite(str(pictures / f"{number}.jpg"), np.repeat(np.repeat(blocks, 16, 0), 16, 1))
    (tmp_path / "run.toml").write_text(
        'source = "in"\n[gate]\nregion = [0.5, 0.0, 0.5, 1.0]\n[decision]\nthreshold = 0\n[sinks]\nsnapshots = "kept"\n'
        'snapshot_labels = ["*"]\nsnapshot_every = 0\nsnapshot_limit = 4\nsnapshot_whole = true\n'
        "snapshot_bytes_per_day = 1000000\nsnapshot_free_bytes = 0\n",
        "utf-8",
    )
    words = [sys.executable, "-m", "edgeclf_runtime", "run", str(model), "--config", "run.toml", "--every-frame"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 6), done.stderr
    kept = dict(own_snapshots(tmp_path / "kept"))
    assert len(kept) == 4
    assert {read_image(path).shape for path in kept.values()} == {(96, 64, 3)}
    wholes = [tmp_path / "kept" / "__whole" / path.name for path in kept.values()]
    assert {read_image(path).shape for path in wholes} == {(96, 128, 3)}
    assert len(snapshot_names(tmp_path / "kept" / "__whole")) == 4
    originals = {path.read_bytes() for path in pictures.iterdir()}
    assert {path.read_bytes() for path in wholes} <= originals  # unchanged
