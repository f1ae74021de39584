"""Between frames and sinks: what a slow, failing or hanging sink may affect."""

from __future__ import annotations

import threading
import time
import urllib.request
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edgeclf_runtime.pipeline.pipeline import Pipeline
from edgeclf_runtime.sinks import Observation
from edgeclf_runtime.sinks.metrics import MetricsSink
from edgeclf_runtime.sinks.outlet import Outlet
from edgeclf_runtime.sources import SourceState
from tests.runtime.observations import seen


class _Slow:
    name = "slow"
    pictures = True

    def __init__(self, pause: float = 0.02) -> None:
        self.taken: list[Any] = []
        self.closed, self._pause = False, pause

    def take(self, item: Any) -> None:
        time.sleep(self._pause)
        if isinstance(item, SourceState) and item.name == "bad":
            raise OSError("disk on fire")
        self.taken.append(item)

    def close(self) -> None:
        self.closed = True


class _Held:
    """Holds its first item until it is released."""

    name = "held"
    pictures = True

    def __init__(self) -> None:
        self.holding, self.go_on = threading.Event(), threading.Event()

    def take(self, item: Any) -> None:
        self.holding.set()
        self.go_on.wait(30)

    def close(self) -> None:
        """Do nothing."""


def _numbers(items: list[Any]) -> list[int]:
    return [item.prediction.frame.number for item in items if isinstance(item, Observation)]


def test_a_slow_sink_stalls_nobody_and_loses_no_change() -> None:
    sink = _Slow()
    outlet = Outlet(sink, lossless=False)
    start = time.monotonic()
    for number in range(100):
        outlet.put(seen(number=number, changed=number in (3, 50)))
        if number == 60:
            outlet.put(SourceState("lost", 0.0, "pulled out"))
    assert time.monotonic() - start < 1
    outlet.end()
    assert outlet.wait(5)
    numbers = _numbers(sink.taken)
    assert {3, 50, 99} <= set(numbers)
    assert numbers == sorted(numbers)
    assert sum(isinstance(item, SourceState) for item in sink.taken) == 1
    assert outlet.dropped + len(sink.taken) == 101
    assert outlet.dropped > 50
    assert sink.closed


def test_nothing_is_lost_where_nothing_may_be_and_errors_end_nothing(caplog: pytest.LogCaptureFixture) -> None:
    sink, bad = _Slow(), SourceState("bad", 0.0)
    outlet = Outlet(sink, lossless=True)
    for number in range(12):
        outlet.put(seen(number=number, changed=False))
        if number in (4, 5):
            outlet.put(bad)
    outlet.end()
    assert outlet.wait(5)
    assert _numbers(sink.taken) == list(range(12))
    assert outlet.failed == 2
    assert caplog.text.count("disk on fire") == 1  # not again and again


def test_a_sink_that_hangs_is_given_up_in_time_and_waits_for_no_room() -> None:
    outlet = Outlet(_Slow(pause=30), lossless=True)
    putting = threading.Thread(target=lambda: [outlet.put(seen(number=number)) for number in range(50)], daemon=True)
    putting.start()
    time.sleep(0.1)
    assert putting.is_alive()
    outlet.end()
    start = time.monotonic()
    assert not outlet.wait(0.3)
    putting.join(1)
    assert not putting.is_alive()
    assert time.monotonic() - start < 2


def test_what_needs_no_image_keeps_none() -> None:
    sink = _Slow()
    sink.pictures = False
    outlet = Outlet(sink, lossless=False)
    outlet.put(seen())
    outlet.end()
    outlet.wait(5)
    assert sink.taken[0].prediction.frame.pixels.size == 0
    assert sink.taken[0].prediction.frame.number == 0


def test_what_is_dropped_is_told_once_a_while_and_to_prometheus(caplog: pytest.LogCaptureFixture) -> None:
    sink, figures = _Held(), MetricsSink(0)
    card = SimpleNamespace(threshold=0.0, has_several_labels=False)
    pipeline = Pipeline(cast(Any, SimpleNamespace(card=card, familiarity=None)), [sink, figures])
    outlet = pipeline.outlets[0]
    outlet.put(seen())
    assert sink.holding.wait(10)
    for number in range(20):
        outlet.put(seen(number=number, changed=False))
    assert outlet.dropped == 14
    with urllib.request.urlopen(f"http://127.0.0.1:{figures.port}/metrics") as answer:
        text = answer.read().decode()
    assert 'edgeclf_dropped_total{sink="held"} 14.0\n' in text
    assert f'edgeclf_dropped_total{{sink="metrics 127.0.0.1:{figures.port}"}} 0.0\n' in text
    told = [record.getMessage() for record in caplog.records]
    assert told == ["Sink held: not ready in time, 1 dropped so far."]
    sink.go_on.set()
    for each in pipeline.outlets:
        each.end()
        assert each.wait(10)
    told = [record.getMessage() for record in caplog.records]
    assert told[1:] == ["Sink held: not ready in time, 14 dropped so far."]
