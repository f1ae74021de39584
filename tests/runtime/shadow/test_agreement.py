"""How two models' answers are counted, and how much of the processor the new one takes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edgeclf_runtime.shadow.agreement import Agreement
from edgeclf_runtime.shadow.frames import Answer
from edgeclf_runtime.shadow.pace import Pace
from edgeclf_runtime.sinks.sink import NO_ZONE


def _said(label: str, milliseconds: float = 1.0) -> Answer:
    return Answer(label, 0.9, label == "unknown", milliseconds)


def test_frames_of_ten_seconds_count_as_one_for_the_interval() -> None:
    fast, slow = Agreement(), Agreement()
    for number in range(600):
        pair = (_said("cat", 2.0), _said("dog" if number % 10 == 0 else "cat", 3.0))
        fast.add(NO_ZONE, number / 60, *pair)
        slow.add(NO_ZONE, number * 10.0, *pair)
    assert fast.as_dict()["agreement"] == slow.as_dict()["agreement"] == 0.9
    low, high = slow.as_dict()["interval"]
    assert 0.87 < low < 0.9 < high < 0.93
    assert fast.as_dict()["interval"][0] < 0.3  # ten seconds prove little
    assert fast.as_dict()["milliseconds"] == {"before": 2.0, "new": 3.0}


def test_unknown_and_each_label_are_counted() -> None:
    agreement = Agreement()
    for before, new in (("cat", "cat"), ("cat", "unknown"), ("unknown", "unknown"), ("dog", "cat")):
        agreement.add(NO_ZONE, 0.0, _said(before), _said(new))
    report = agreement.as_dict()
    assert report["unknown"] == {"before": 0.25, "new": 0.5}
    assert report["labels"] == [
        {"label": "cat", "frames": 2, "same": 1, "instead": {"unknown": 1}},
        {"label": "dog", "frames": 1, "same": 0, "instead": {"cat": 1}},
        {"label": "unknown", "frames": 1, "same": 1, "instead": {}},
    ]


def test_frames_are_left_out_while_the_service_is_slower_than_usual() -> None:
    pace = Pace(usual=10.0)
    for number in range(50):
        pace.note(number, number / 10)
    assert (pace.rest, pace.rate) == (0.0, pytest.approx(10.0))
    for number in range(50):
        pace.note(50 + number, 5 + number / 5)  # five per second
    assert pace.rest > 0
    assert Pace(usual=0.0).rest == 0.0


def test_the_process_gives_way_to_the_service() -> None:
    code = "import os; from edgeclf_runtime.shadow.pace import give_way; give_way(); os._exit(os.nice(0))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == os.nice(0) + 10
