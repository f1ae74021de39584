"""The videos that ``video`` writes: their content after starts, kills and cuts, and their length."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.sinks import Observation
from edgeclf_runtime.sinks.jpeg import jpeg
from edgeclf_runtime.sinks.video.matroska_video import MatroskaVideo, mend
from edgeclf_runtime.sinks.video.sink import VideoSink
from tests.runtime.observations import seen
from tests.videos import write_video

COMMAND = [sys.executable, "-m", "edgeclf_runtime", "run"]
GSTREAMER = Path(__file__).parents[1] / "gstreamer_frames.py"
PACKAGES = "python3-gi gir1.2-gstreamer-1.0 gstreamer1.0-plugins-good"


def at(moment: float, number: int = 0, pixels: np.ndarray | None = None) -> Observation:
    """Return an observation of an image at this moment, in seconds."""
    item = seen(number=number, level=number % 256)
    assert item.prediction.frame is not None
    frame = replace(item.prediction.frame, time=moment)
    frame = frame if pixels is None else replace(frame, pixels=pixels)
    return replace(item, prediction=replace(item.prediction, frame=frame), time=1_700_000_000 + moment)


def times(video: Path) -> list[int]:
    """Return the times of its images, in ms, as OpenCV reads them."""
    capture, found = cv2.VideoCapture(str(video)), []
    while capture.read()[0]:
        found.append(round(capture.get(cv2.CAP_PROP_POS_MSEC)))
    return found


def duration(video: Path) -> float:
    """Return the duration in seconds that OpenCV states before it has read anything."""
    capture = cv2.VideoCapture(str(video))
    return float(capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS))


def gstreamer(video: Path) -> tuple[list[int], float]:
    """Return the frame times and the duration that GStreamer reads, in ms."""
    asked = "import gi; gi.require_version('Gst', '1.0')"
    if subprocess.run(["/usr/bin/python3", "-c", asked], capture_output=True, check=False).returncode:
        pytest.skip(f"no GStreamer for /usr/bin/python3: apt install {PACKAGES}")
    done = subprocess.run(["/usr/bin/python3", GSTREAMER, video], capture_output=True, text=True, check=True)
    found, length = json.loads(done.stdout)
    return found, length


def wait_for(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


def images(count: int) -> list[np.ndarray]:
    return [np.full((48, 64, 3), 8 * number % 256, np.uint8) for number in range(count)]


def test_nothing_is_overwritten(model: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "video.avi", 10, images(5))
    (tmp_path / "out.mp4").write_text("of somebody's own", "utf-8")
    for _ in range(2):
        words = [str(model), "--source", "video.avi", "--video", "out.mp4"]
        done = subprocess.run([*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "Videos: out-*.mkv\n" in done.stderr
    videos = sorted(tmp_path.glob("out-*.mkv"))
    assert [video.name[:10] for video in videos] == ["out-000001", "out-000002"]
    assert [times(video) for video in videos] == [[0, 100, 200, 300, 400]] * 2
    assert (tmp_path / "out.mp4").read_text("utf-8") == "of somebody's own"


@pytest.mark.parametrize("fps", [3, 12])
def test_a_video_lasts_as_long_as_what_it_shows(fps: int, model: Path, tmp_path: Path) -> None:
    count = 10 * fps
    write_video(tmp_path / "video.avi", fps, images(count))
    (tmp_path / "run.toml").write_text(f'[sinks]\nvideo = "{tmp_path}/videos"\nvideo_segment = 4\n', "utf-8")
    words = [str(model), "--source", str(tmp_path / "video.avi"), "--config", str(tmp_path / "run.toml")]
    subprocess.run([*COMMAND, *words], capture_output=True, check=True)
    videos = sorted((tmp_path / "videos").iterdir())
    assert [duration(video) for video in videos] == pytest.approx([4, 4, 2], abs=0.01)
    assert [len(times(video)) for video in videos] == [4 * fps, 4 * fps, 2 * fps]
    for video in videos:
        read, length = gstreamer(video)
        assert read == times(video) == [round(1000 * number / fps) for number in range(len(read))]
        assert length == pytest.approx(1000 * len(read) / fps, abs=1)


def test_a_video_is_playable_whenever_its_process_is_killed(model: Path, tmp_path: Path) -> None:
    words = [str(model), "--source", "-", "--video", str(tmp_path / "videos")]
    image = jpeg(np.full((48, 64, 3), 90, np.uint8))
    for count in (1, 7):
        with subprocess.Popen([*COMMAND, *words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            before = set((tmp_path / "videos").glob("*"))
            for _ in range(count):
                process.stdin.write(image)
                process.stdin.flush()
            wait_for(lambda known=before: bool(set((tmp_path / "videos").glob("*")) - known))
            (video,) = set((tmp_path / "videos").glob("*")) - before
            wait_for(lambda video=video, count=count: len(times(video)) == count)
            process.send_signal(signal.SIGKILL)
        read = times(video)
        assert len(read) == count
        assert gstreamer(video) == (read, pytest.approx(read[-1] + 100, abs=100))
    left = video.read_bytes()
    VideoSink(tmp_path / "videos").close()
    assert video.stat().st_size > len(left)  # mended at the next start
    assert times(video) == read == gstreamer(video)[0]


def test_a_torn_end_is_cut_off(tmp_path: Path) -> None:
    video = MatroskaVideo(tmp_path / "whole.mkv", 64, 48, 0.0)
    ends = []
    for number in range(5):
        video.add(jpeg(np.full((48, 64, 3), 50 * number, np.uint8)), 500 * number, 500 * number + 500)
        ends.append((tmp_path / "whole.mkv").stat().st_size)
    killed = (tmp_path / "whole.mkv").read_bytes()
    video.close(2500)
    closed = (tmp_path / "whole.mkv").read_bytes()
    assert not mend(tmp_path / "whole.mkv")
    torn = tmp_path / "torn.mkv"
    for cut in (ends[4], ends[4] - 1, ends[4] - 30, ends[3] + 1, ends[3] + 23, ends[3] - 1, ends[0] + 40):
        torn.write_bytes(killed[:cut])
        assert times(torn) == [500 * number for number in range(5) if ends[number] <= cut]  # unchanged
        assert mend(torn)
        assert not mend(torn)
        read, length = gstreamer(torn)
        assert (read, duration(torn)) == (times(torn), length / 1000)
        assert length == (500 * len(read) if len(read) > 1 else 100)
    torn.write_bytes(killed)
    mend(torn)
    assert torn.read_bytes() == closed
    for noise in (closed[:-40], killed + bytes(9000), killed[:-1500] + bytes(1500)):  # as after a power cut
        torn.write_bytes(noise)
        assert mend(torn)
        assert times(torn) == gstreamer(torn)[0]


def test_what_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    one, other = VideoSink(tmp_path), VideoSink(tmp_path)
    one.take(at(0))
    third = VideoSink(tmp_path)
    for sink in (one, other, third):
        sink.take(at(1))
        sink.close()
    assert [times(video) for video in sorted(tmp_path.iterdir())] == [[0, 1000], [0], [0]]


def test_gaps_are_held_and_a_clock_set_back_changes_nothing(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path, segment=60)
    for moment in (0, 0.5, 1, 9, 9.5, 300, 300.5, 5, 5.5):  # the last ones from another video
        item = at(moment)
        sink.take(replace(item, time=item.time - 1e9) if moment >= 300 else item)
    sink.close()
    videos = sorted(tmp_path.iterdir())
    assert [times(video) for video in videos] == [[0, 500, 1000, 9000, 9500], [0, 500], [0, 500]]
    assert [duration(video) for video in videos] == pytest.approx([60, 1, 1], abs=0.01)


def test_bytes_are_bounded_and_nobody_elses_file_goes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    others = [tmp_path / name for name in ("edgeclf-000000-20200101-000000.mkv", "mine.mkv", "edgeclf-000001.mkv")]
    for other in others:
        other.write_bytes(bytes(300_000))
    largest = 0
    for start in range(3):
        sink = VideoSink(tmp_path, 5, 400_000)
        for number in range(60):
            sink.take(at(number, pixels=noise.integers(0, 256, (96, 128, 3), np.uint8)))
            largest = max(largest, sum(f.stat().st_size for f in tmp_path.iterdir() if f not in others))
        sink.close()
        videos = sorted(set(tmp_path.iterdir()) - set(others))
        assert sum(video.stat().st_size for video in videos) <= 400_000
        assert all(times(video) for video in videos), start
    assert 300_000 < largest <= 400_000
    assert all(other.stat().st_size == 300_000 for other in others)
    numbers = [int(video.name[8:14]) for video in videos]
    assert numbers == list(range(numbers[0], numbers[0] + len(videos)))
    assert numbers[0] > 20


def test_an_image_larger_than_the_bound_is_said(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path, 60, 100_000)
    large = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    with pytest.raises(SinkError, match="exceeds video_bytes"):
        sink.take(at(0, pixels=large))
    sink.close()
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_folders_place_is_left_and_said(tmp_path: Path) -> None:
    (tmp_path / "videos").write_text("mine", "utf-8")
    for name in ("videos", "videos/out.mp4", "videos/more"):
        with pytest.raises(SinkError, match="not a folder; video takes a folder, or a file name such as"):
            VideoSink(tmp_path / name)
    assert (tmp_path / "videos").read_text("utf-8") == "mine"
