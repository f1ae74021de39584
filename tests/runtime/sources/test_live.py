"""Live sources: lost, silent and frozen ones are detected and reopened, and no frame is invented."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf_runtime import SourceError, UsageError, open_source
from edgeclf_runtime.sources import SourceOptions, SourceState
from edgeclf_runtime.sources.jpeg_stream import take_jpeg
from edgeclf_runtime.sources.live import LiveSource
from edgeclf_runtime.sources.picamera import open_picamera
from edgeclf_runtime.sources.pipe import open_pipe
from tests.videos import write_video


class _Scripted:
    """A capture that follows a script of images, pauses in seconds and errors."""

    description = "scripted"

    def __init__(self, script: list[Any]) -> None:
        self._script, self.closed = script, False

    def read(self) -> Any:
        while self._script:
            step = self._script.pop(0)
            if isinstance(step, float):
                time.sleep(step)
            elif isinstance(step, Exception):
                raise step
            else:
                time.sleep(0.02)
                return np.full((32, 32, 3), step, np.uint8)
        raise SourceError("scripted: lost.")

    def rgb(self, image: Any) -> Any:
        return image

    def close(self) -> None:
        self.closed = True


def _source(scripts: list[list[Any]], **options: Any) -> tuple[LiveSource, list[SourceState], list[_Scripted]]:
    states: list[SourceState] = []
    made: list[_Scripted] = []

    def opened() -> _Scripted:
        if not scripts:
            raise SourceError("scripted: not there.")
        made.append(_Scripted(scripts.pop(0)))
        return made[-1]

    return LiveSource(opened, SourceOptions(**options), states.append), states, made


def test_a_device_that_breaks_while_it_is_closed_is_opened_again_all_the_same() -> None:
    source, _, made = _source([[1, ValueError("of a library")], [2, 5.0]], reopen=True)
    made[0].close = lambda: (_ for _ in ()).throw(RuntimeError("stuck"))
    with source:
        levels = [int(frame.pixels[0, 0, 0]) for _, frame in zip(range(2), source, strict=False)]
    assert levels == [1, 2]


def test_a_lost_source_is_opened_again_and_says_so() -> None:
    source, states, made = _source([[1, 0.5, 2, 0.5, SourceError("pulled out")], [3, 0.5, 4, 5.0]], reopen=True)
    with source:
        levels = [int(frame.pixels[0, 0, 0]) for _, frame in zip(range(4), source, strict=False)]
    assert levels == [1, 2, 3, 4]
    assert [(state.name, state.reopened) for state in states] == [
        ("running", 0),
        ("lost", 0),
        ("running", 1),
        ("closed", 1),
    ]
    assert "pulled out" in states[1].reason
    assert states[-1].name == "closed"
    assert made[0].closed


def test_without_reopening_it_ends() -> None:
    source, states, _ = _source([[1, SourceError("pulled out")]])
    with source, pytest.raises(SourceError, match="pulled out"):
        list(source)
    assert [state.name for state in states] == ["running", "lost", "closed"]


def test_silence_is_noticed_while_the_read_hangs() -> None:
    source, states, _ = _source([[1, 1.2, 2, 5.0]], stalled_after=0.4)
    with source:
        frames = [next(iter(source)), next(iter(source))]
    assert [state.name for state in states] == ["running", "stalled", "running", "closed"]
    assert states[1].since - frames[0].time < 1.0
    assert frames[1].time - frames[0].time > 1.1


@pytest.mark.parametrize("again", [7, 6])
def test_a_frozen_image_is_not_taken_for_the_world(again: int) -> None:
    """Nor is an image that freezes again after reopening, even a different one."""
    source, states, made = _source([[7] * 60, [again] * 60, [again, again, 8, 9, 5.0]], reopen=True, frozen_after=0.3)
    with source:
        frames = list(_until(source, 9))
    levels = [int(frame.pixels[0, 0, 0]) for frame in frames]
    assert set(levels) == {7, 8, 9} or set(levels) == {7, 9}
    assert frames[levels.index(levels[-1])].number < 40  # none of the second sixty
    assert [state.name for state in states] == ["running", "frozen", "running", "closed"]
    assert "identical images" in states[1].reason
    assert len(made) == 3


def _until(source: LiveSource, level: int) -> Any:
    for frame in source:
        yield frame
        if frame.pixels[0, 0, 0] == level:
            return


def test_one_that_is_not_there_yet_is_waited_for() -> None:
    later: list[list[Any]] = []
    source, states, _ = _source(later, reopen=True, wait=True)
    threading.Timer(0.3, lambda: later.append([5, 5.0])).start()
    with source:
        assert next(iter(source)).pixels[0, 0, 0] == 5
    assert [state.name for state in states] == ["lost", "running", "closed"]
    with pytest.raises(SourceError, match="not there"):
        _source([], reopen=True)


def _jpegs() -> list[bytes]:
    return [cv2.imencode(".jpg", np.full((40, 60, 3), level, np.uint8))[1].tobytes() for level in (10, 100, 200)]


def test_jpegs_are_cut_from_a_stream_wherever_it_is_cut() -> None:
    images = _jpegs()
    thumbnail = images[1]
    head, rest = images[0][:2], images[0][2:]
    inside = head + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + rest
    whole = b"noise" + inside + images[1] + images[2]
    for size in (1, 7, 1000):
        data, found = bytearray(), []
        for start in range(0, len(whole), size):
            data += whole[start : start + size]
            while (image := take_jpeg(data)) is not None:
                found.append(image)
        assert found == [inside, images[1], images[2]]
    data = bytearray(b"\xff\xd8 no marker here" + images[0])
    with pytest.raises(SourceError, match="not a stream of JPEGs"):
        take_jpeg(data)
    assert take_jpeg(data) == images[0]


def test_standard_input_gives_its_images_and_ends() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as file, os.fdopen(writing, "wb", 0) as pipe:
        source = open_pipe(file, SourceOptions(reopen=True))
        levels = []
        for data in _jpegs():
            pipe.write(data)
            levels.append(round(float(next(iter(source)).pixels.mean()), -1))
        pipe.close()
        with source, pytest.raises(SourceError, match="ended"):
            next(iter(source))
    assert levels == [10, 100, 200]


def test_standard_input_gives_images_without_their_end_markers() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as file, os.fdopen(writing, "wb", 0) as pipe:
        source = open_pipe(file, SourceOptions(reopen=True))
        first, second, third = (data[:-2] for data in _jpegs())
        with source:
            levels = []
            for data in (
                first + second[:4],
                second[4:] + third[:4],
                third[4:],
            ):  # each is ended by the next one's start
                pipe.write(data)
                if data == third[4:]:
                    pipe.close()
                levels.append(round(float(next(iter(source)).pixels.mean()), -1))
            with pytest.raises(SourceError, match="ended"):
                next(iter(source))
    assert levels == [10, 100, 200]


def test_standard_input_goes_on_after_what_is_no_image() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as file, os.fdopen(writing, "wb", 0) as pipe:
        source = open_pipe(file, SourceOptions(reopen=True))
        endless = b"\xff\xd8\xff\xda\x00\x02" + bytes(33 << 20)  # an image without end
        feeder = threading.Thread(target=lambda: [pipe.write(data) for data in (endless, *_jpegs())])
        feeder.start()
        with source:
            assert next(iter(source)).pixels.shape == (40, 60, 3)
        feeder.join()


def test_closing_a_silent_standard_input_ends_its_thread() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as file, os.fdopen(writing, "wb", 0) as pipe:
        before = threading.enumerate()
        source = open_pipe(file, SourceOptions())
        source.close()
        assert not set(threading.enumerate()) - set(before)
        pipe.write(b"for the next reader")
        assert file.read(3) == b"for"


def test_a_watched_folder_gives_what_comes_into_it_complete(tmp_path: Path) -> None:
    first = _jpegs()[0]
    (tmp_path / "a.jpg").write_bytes(first)
    with open_source(tmp_path, SourceOptions(watch=True)) as source:
        frames = iter(source)
        assert Path(next(frames).source).name == "a.jpg"

        def copy() -> None:
            with (tmp_path / "b.jpg").open("wb", 0) as file:
                for part in range(4):
                    file.write(_jpegs()[2][part * 200 : part * 200 + 200 if part < 3 else None])
                    time.sleep(0.3)

        writer = threading.Thread(target=copy)
        writer.start()
        frame = next(frames)
        writer.join()
    assert Path(frame.source).name == "b.jpg"
    assert round(float(frame.pixels.mean()), -1) == 200


def test_a_video_at_its_own_speed(tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    write_video(path, 20, (np.full((48, 64, 3), level * 10, np.uint8) for level in range(20)))
    start = time.monotonic()
    with open_source(path, SourceOptions(realtime=True)) as source:
        slow = []
        for frame in source:
            slow.append(frame.number)
            time.sleep(0.15 if frame.number < 8 else 0)
    assert time.monotonic() - start >= 0.9
    assert slow == sorted(slow)
    assert len(slow) < 20  # late frames were skipped


def test_a_csi_camera_through_a_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """picamera2 runs only on a Raspberry Pi: a scripted module with its interface replaces it."""
    (tmp_path / "picamera2.py").write_text(
        "import numpy as np, time\n"
        "class Picamera2:\n"
        "    def __init__(self, number): self.number = number\n"
        "    def create_video_configuration(self, main, controls):\n"
        "        assert main['format'] == 'BGR888'\n"
        "        return {'main': main}\n"
        "    def configure(self, config): self.config = config\n"
        "    def camera_configuration(self): return self.config\n"
        "    def start(self): pass\n"
        "    def capture_array(self, name, wait=True):\n"
        "        assert not wait\n"
        "        return name\n"
        "    def wait(self, job, timeout):\n"
        "        assert 0 < timeout < 60\n"
        "        time.sleep(0.02)\n"
        "        width, height = self.config['main']['size']\n"
        "        picture = np.zeros((height, width + 16, 3), np.uint8)\n"
        "        picture[:, :, 0] = 255\n"
        "        return picture\n"
        "    def stop(self): pass\n"
        "    def close(self): pass\n",
        "utf-8",
    )
    with pytest.raises(SourceError, match="sudo apt install python3-picamera2"):
        open_picamera(0, SourceOptions())
    monkeypatch.syspath_prepend(str(tmp_path))
    with open_source("csi", SourceOptions(width=320, height=240)) as source:
        frame = next(iter(source))
    assert frame.pixels.shape == (240, 320, 3)
    assert frame.pixels[0, 0].tolist() == [255, 0, 0]
    assert source.description == "csi:0 320x240"
    sys.modules.pop("picamera2")


def test_senseless_options_are_one_line() -> None:
    with pytest.raises(UsageError, match="expected four letters"):
        SourceOptions(format="JPEG2000")
    with pytest.raises(UsageError, match="both sides"):
        SourceOptions(width=640)
