"""Motion is detected in a small image; a JPEG without motion is not decoded at the size that the network needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf_runtime import Classifier, Frame, Pipeline, SourceError
from edgeclf_runtime.decision.gate import Gate, GateRule
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.sources import SourceOptions, open_source
from edgeclf_runtime.sources.live import LiveSource
from edgeclf_runtime.sources.undecoded import JpegDecoder, UndecodedJpeg
from tests.runtime.pipeline.glances import Glances
from tests.runtime.pipeline.zone_cameras import KeptItems, LiveCamera, zones_pipeline
from tests.videos import write_video

_STILL = GateRule(motion=3, linger=0, refresh=1e6)


def _scene(left: int = 0, top: int = 0, seed: int = 0) -> np.ndarray:
    """Return a noisy grey image of 640x480 with a bright object of 80 pixels, unless that is at 0, 0."""
    noise = np.random.default_rng(seed).normal(0, 1, (480, 640, 3))
    image = np.clip(100 + noise, 0, 255).astype(np.uint8)
    if left or top:
        cv2.rectangle(image, (left, top), (left + 80, top + 80), (230, 230, 230), -1)
    return image


def _jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _undecoded(image: np.ndarray) -> UndecodedJpeg:
    return UndecodedJpeg(lambda: None, _jpeg(image))


def test_a_glimpse_is_an_eighth_or_as_large_as_is_asked_for() -> None:
    frame = _undecoded(_scene())
    for size, shape in (((64, 48), (60, 80, 3)), ((100, 48), (120, 160, 3)), ((640, 1), (480, 640, 3))):
        glimpse = frame.glimpse(size)
        assert glimpse is not None
        assert glimpse.shape == shape
    assert UndecodedJpeg(lambda: None, _jpeg(_scene())[:900]).glimpse((64, 48)) is None


@pytest.mark.parametrize("view", [View(), View((0.5, 0.5, 0.5, 0.5)), View((0.0, 0.0, 0.5, 0.5), rotate=90)])
@pytest.mark.parametrize("place", [(0, 0), (100, 100), (420, 300), (100, 330)])
def test_it_opens_the_gate_as_the_whole_image_does(view: View, place: tuple[int, int]) -> None:
    looking, admitting = Gate(_STILL), Gate(_STILL)
    images = [_scene(), _scene(seed=1), _scene(*place, seed=2)]
    frames = [Frame(view.turn(image), number, number, "test", view=view) for number, image in enumerate(images)]
    looked = []
    for frame, image in zip(frames, images, strict=True):
        looked.append(looking.look(frame.time, _undecoded(image).glimpse, view, True))
        if looked[-1]:
            assert looking.admit(frame, None, has_opened=True) is not None
    assert looked == [admitting.admit(frame) is not None for frame in frames]
    assert looked[:2] == [True, False]
    assert looked[2] == (place != (0, 0) and _is_in(view, *place))


def _is_in(view: View, left: int, top: int) -> bool:
    mark = np.zeros((480, 640, 3), np.uint8)
    mark[top : top + 80, left : left + 80] = 1
    return bool(view.see(mark).any())


def test_what_only_a_decoded_frame_can_tell_is_left_open() -> None:
    gate = Gate(_STILL)
    assert gate.look(0.0, lambda size: None, View(), True) is None
    assert Gate(GateRule(max_fps=2)).look(0.0, _undecoded(_scene()).glimpse, View(), True) is None
    slow = Gate(GateRule(max_fps=2))
    assert slow.admit(Frame(_scene(), 0.0, 0, "test")) is not None
    assert slow.look(0.1, lambda size: None, View(), skips=True) is False
    assert slow.look(0.1, lambda size: None, View(), skips=False) is None


class _Camera:
    """Gives JPEGs of a still scene until the run has skipped some, then one with an object, and then is lost."""

    description = "scene"

    def __init__(self, sink: Glances) -> None:
        self._sink, self._number = sink, 0

    def read(self) -> Any:
        time.sleep(0.002)
        self._number += 1
        if self._sink.classified >= 2:
            raise SourceError("scene: lost.")
        moves = len(self._sink.glanced) >= 3
        return np.frombuffer(_jpeg(_scene(200 if moves else 0, 200 if moves else 0, self._number)), np.uint8)[None]

    def rgb(self, image: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the JPEGs that were decoded for the network."""
    data, decode = list[bytes](), JpegDecoder.decoded

    def counting(self: JpegDecoder, jpeg: bytes, rule: tuple[int, int] = (0, 0)) -> np.ndarray:
        data.append(jpeg)
        return decode(self, jpeg, rule)

    monkeypatch.setattr(JpegDecoder, "decoded", counting)
    return data


def test_a_run_decodes_the_frames_with_motion_alone(model: Path, decoded: list[bytes]) -> None:
    sink = Glances()
    source = LiveSource(lambda: _Camera(sink), SourceOptions())
    with Classifier.load(model) as classifier, pytest.raises(SourceError, match="lost"):
        Pipeline(classifier, [sink], gate=_STILL).run(source)
    assert sink.classified == len(decoded) == 2
    assert len(sink.glanced) >= 3


def test_a_video_is_looked_at_by_its_own_time(model: Path, tmp_path: Path, decoded: list[bytes]) -> None:
    images = [_scene(300 * (number >= 8), 200 * (number >= 8), number) for number in range(12)]
    write_video(tmp_path / "scene.avi", 10, iter(images))
    sink = Glances()
    with Classifier.load(model) as classifier:
        Pipeline(classifier, [sink], gate=_STILL, lossless=True).run(open_source(tmp_path / "scene.avi"))
    assert sink.classified == len(decoded) == 2
    assert len(sink.glanced) == 10


class _Zoned(LiveCamera):
    """A live camera of JPEGs with constant motion in the left half."""

    def offered(self) -> Iterator[tuple[float, Callable[[], Frame | None]]]:
        for number, (moment, decode) in enumerate(super().offered()):
            yield moment, UndecodedJpeg(decode, _jpeg(_scene(20 + 100 * (number % 2), 200, number)))


def test_zones_look_each_at_its_own_part(model: Path) -> None:
    kept, camera = KeptItems(), _Zoned()
    left, right = (GateRule((part, 0.0, 0.5, 1.0), 0, 3, 0, 1e6) for part in (0.0, 0.5))
    pipeline, _ = zones_pipeline(model, {"a": camera}, [kept], {"a": left, "a2": right})
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    kept.wait(lambda: len(kept.of("a")) >= 5 and len(kept.of("a2")) >= 1)
    pipeline.stop()
    thread.join(30)
    assert len(kept.of("a2")) == 1
