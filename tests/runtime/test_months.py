"""What happens to a run sooner or later: folders that vanish and return, files renamed by others, failing cables."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.sinks.lines import CsvSink, JsonLinesSink
from edgeclf_runtime.sinks.snapshots.sink import SnapshotSink
from edgeclf_runtime.sources import SourceOptions, SourceState
from edgeclf_runtime.sources.folder.source import PictureSource
from edgeclf_runtime.sources.live import LiveSource
from tests.runtime.observations import seen


def test_a_watched_folder_that_goes_and_comes_gives_no_image_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, away = tmp_path / "in", tmp_path / "away"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), np.zeros((8, 8, 3), np.uint8))
    source = PictureSource(folder, watch=True)
    frames = iter(source)
    names = [Path(next(frames).source).name for _ in range(2)]

    def go_and_come() -> None:
        folder.rename(away)
        time.sleep(2)
        away.rename(folder)
        time.sleep(1)
        cv2.imwrite(str(folder / "c.png"), np.zeros((8, 8, 3), np.uint8))

    with caplog.at_level(logging.WARNING):
        threading.Thread(target=go_and_come).start()
        names.append(Path(next(frames).source).name)
    source.close()
    assert names == ["a.png", "b.png", "c.png"]
    assert len([record for record in caplog.records if "no such folder" in record.getMessage()]) == 1


@pytest.mark.parametrize("kind", [JsonLinesSink, CsvSink])
@pytest.mark.parametrize("way", ["renamed", "removed"])
def test_lines_go_on_in_a_new_file_when_somebody_takes_theirs(kind: Any, way: str, tmp_path: Path) -> None:
    path = tmp_path / "seen.log"
    sink = kind(path)
    sink.take(seen("cat"))
    if way == "renamed":
        path.rename(tmp_path / "seen.log.old")
    else:
        path.unlink()
    for label in ("dog", "cat"):
        sink.take(seen(label))
    sink.close()
    lines = [line for line in path.read_text("utf-8").splitlines() if "time,frame" not in line]
    assert len(lines) == 2
    assert "dog" in lines[0]
    assert way == "removed" or "cat" in (tmp_path / "seen.log.old").read_text("utf-8")


def test_snapshots_go_on_when_their_folder_is_removed(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path / "kept", labels=("*",), every=0)
    sink.take(seen("cat", 0.9))
    (image,) = (tmp_path / "kept").rglob("*.jpg")
    image.unlink()
    image.parent.rmdir()
    (tmp_path / "kept").rmdir()
    sink.take(seen("cat", 0.9))
    assert len(list((tmp_path / "kept" / "cat").iterdir())) == 1


class _BadCable:
    """Intact JPEGs, then JPEGs damaged in two ways, in turn."""

    description = "camera"

    def __init__(self, good: int) -> None:
        image = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))[1].tobytes()
        no_frame = image.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x11")
        self._kinds, self._left, self._turn = (image[: len(image) // 2], no_frame), good, 0
        self._whole = image

    def read(self) -> Any:
        time.sleep(0.02)
        self._turn += 1
        data = self._whole if self._turn <= self._left else self._kinds[self._turn % 2]
        return np.frombuffer(data + bytes([self._turn % 256]), np.uint8)[None]  # each differs from the last

    def rgb(self, image: Any) -> Any:
        raise AssertionError("JPEGs are decoded by the source")

    def close(self) -> None:
        """Do nothing."""


def test_a_cable_that_damages_all_images_is_one_state() -> None:
    states: list[SourceState] = []
    source = LiveSource(lambda: _BadCable(3), SourceOptions(stalled_after=1.0), states.append)
    threading.Timer(4.0, source.close).start()
    frames = list(source)
    assert frames
    assert [state.name for state in states] == ["running", "stalled", "closed"]
    assert states[1].reason == "All images are damaged: camera: received a damaged or truncated image."


def test_one_that_is_opened_again_with_the_same_cable_says_so() -> None:
    states: list[SourceState] = []
    pulled = threading.Event()

    class Pulled(_BadCable):
        def read(self) -> Any:
            if pulled.is_set() and self._turn < 1000:
                pulled.clear()
                raise SourceError("camera: unplugged")
            return super().read()

    source = LiveSource(lambda: Pulled(3), SourceOptions(stalled_after=1.0, reopen=True), states.append)
    threading.Timer(2.0, pulled.set).start()
    threading.Timer(6.0, source.close).start()
    list(source)
    names = [state.name for state in states]
    assert names == ["running", "stalled", "lost", "running", "stalled", "closed"]


def test_what_a_library_raises_at_the_first_opening_is_waited_for_or_one_line() -> None:
    states: list[SourceState] = []
    tries: list[int] = []

    def opened() -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("numpy.dtype size changed")
        return _BadCable(10)

    with LiveSource(opened, SourceOptions(wait=True, reopen=True), states.append) as source:
        assert next(iter(source)).pixels.shape == (64, 64, 3)
    assert (states[0].name, states[0].reason) == ("lost", "Cannot be opened: numpy.dtype size changed.")
    tries.clear()
    with pytest.raises(SourceError, match=r"Cannot be opened: numpy\.dtype size changed"):
        LiveSource(opened, SourceOptions(reopen=True))


def test_standard_input_that_is_closed_is_one_line(model: Path) -> None:
    words = [sys.executable, "-m", "edgeclf_runtime", "run", str(model), "--source", "-"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *words], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Error: -: standard input is closed."
    assert "Traceback" not in done.stderr
