"""Frames of a camera that ``max_fps`` skips are not decoded unless they are accessed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeclf_runtime import Classifier, Frame, Pipeline, SourceError
from edgeclf_runtime.decision.gate import Gate, GateRule
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.frame import FrameOnDemand
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.pipeline.due import due_frames
from edgeclf_runtime.sources import SourceOptions
from edgeclf_runtime.sources.live import LiveSource
from edgeclf_runtime.sources.undecoded import JpegDecoder
from edgeclf_runtime.web.broadcast import Picture
from tests.runtime.pipeline.glances import Glances


def _jpeg(level: int) -> bytes:
    return cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))[1].tobytes()


class _Offering:
    """A camera whose frames have these times; those in ``damaged`` cannot be decoded."""

    live = True

    def __init__(self, moments: list[float], damaged: tuple[float, ...] = ()) -> None:
        self._moments, self._damaged = moments, damaged
        self.decoded: list[float] = []

    def offered(self) -> Iterator[tuple[float, Callable[[], Frame | None]]]:
        for moment in self._moments:
            yield moment, lambda moment=moment: self._decode(moment)

    def _decode(self, moment: float) -> Frame | None:
        self.decoded.append(moment)
        return None if moment in self._damaged else Frame(np.zeros((8, 8, 3), np.uint8), moment, 0, "test")


def _taken(source: _Offering, rule: GateRule) -> tuple[list[tuple[float, bool]], list[FrameOnDemand]]:
    """Return time and gap of the frames that are classified, and the frames that are not decoded."""
    gate, glanced = Gate(rule), list[FrameOnDemand]()
    found = []
    for frame, follows_gap, has_opened in due_frames(source, gate, View, glanced.append, lambda decode: decode()):
        if gate.admit(frame, None, has_opened) is not None:
            found.append((frame.time, follows_gap))
    return found, glanced


def test_only_the_frames_that_are_classified_are_decoded() -> None:
    source = _Offering([number / 30 for number in range(90)])
    found, glanced = _taken(source, GateRule(max_fps=2))
    assert source.decoded == [moment for moment, _ in found]
    assert len(found) == 6
    assert len(glanced) == 84
    assert not any(follows_gap for _, follows_gap in found)


def test_without_max_fps_all_are_and_a_damaged_one_is_followed_by_the_next() -> None:
    every = _Offering([0.0, 0.1, 0.2], damaged=(0.1,))
    assert [moment for moment, _ in _taken(every, GateRule())[0]] == [0.0, 0.2]
    due = _Offering([0.0, 1.0, 1.1], damaged=(1.0,))
    assert [moment for moment, _ in _taken(due, GateRule(max_fps=2))[0]] == [0.0, 1.1]


def test_a_gap_is_seen_and_long_pauses_of_a_slow_gate_are_none() -> None:
    moments = [*(number / 10 for number in range(100)), *(30 + number / 10 for number in range(100))]
    found, _ = _taken(_Offering(moments), GateRule(max_fps=0.2))
    assert found == [(0.0, False), (4.8, False), (9.6, False), (30.0, True), (34.8, False), (39.6, False)]


class _Camera:
    """A capture of grey JPEGs, all different, until the run has skipped some."""

    description = "grey"

    def __init__(self, sink: Glances) -> None:
        self._sink, self._number = sink, 0

    def read(self) -> Any:
        if len(self._sink.glanced) >= 3:
            raise SourceError("grey: lost.")
        time.sleep(0.002)
        self._number += 1
        return np.frombuffer(_jpeg(self._number % 256), np.uint8)[np.newaxis]

    def rgb(self, image: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Do nothing."""


def test_a_run_decodes_a_skipped_jpeg_when_it_is_looked_at(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, decode = list[bytes](), JpegDecoder.decoded

    def counting(self: JpegDecoder, data: bytes, rule: tuple[int, int] = (0, 0)) -> np.ndarray:
        decoded.append(data)
        return decode(self, data, rule)

    monkeypatch.setattr(JpegDecoder, "decoded", counting)
    sink = Glances()
    source = LiveSource(lambda: _Camera(sink), SourceOptions(rotate=90))
    with Classifier.load(model) as classifier, pytest.raises(SourceError, match="lost"):
        Pipeline(classifier, [sink], gate=GateRule(max_fps=0.01)).run(source)
    assert sink.classified == len(decoded) == 1
    assert len(sink.glanced) >= 3
    skipped = sink.glanced[-1]
    assert skipped.whole().shape == (64, 48, 3)  # rotated, as the network would see it
    assert skipped.pixels.shape[2] == 3
    assert len(decoded) == 2


def test_the_page_keeps_the_last_image_when_a_skipped_one_is_damaged() -> None:
    image, whole = Picture(), Frame(np.full((8, 8, 3), 200, np.uint8), 1.0, 0, "test")
    image.put(FrameOnDemand(1.0, lambda: whole), 1.0)
    number, content = image.jpeg()
    assert (number, content[:2]) == (1, b"\xff\xd8")
    image.put(FrameOnDemand(2.0, lambda: None), 2.0)
    image._when = -1.0  # as if the minimum time between two images had passed
    assert image.jpeg() == (number, content)
    with pytest.raises(ImageError):
        FrameOnDemand(2.0, lambda: None).whole()
