"""The last items that sinks get when a run is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeclf_runtime import Classifier, Frame, Pipeline
from edgeclf_runtime.sinks import Item, Observation
from edgeclf_runtime.sources import SourceState


class _Slow:
    """A camera that closes slowly, and then reports that it is closed."""

    live, is_camera, description = True, True, "slow"

    def __init__(self) -> None:
        self.pipeline: Pipeline | None = None
        self._closing = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for number in range(10**6):
            if self._closing.is_set():
                return
            yield Frame(np.full((32, 32, 3), number % 256, np.uint8), time.monotonic(), number, "slow")

    def close(self) -> None:
        if not self._closing.is_set():
            time.sleep(0.3)
            assert self.pipeline is not None
            self.pipeline.tell(SourceState("closed", time.monotonic()))
            self._closing.set()

    def __enter__(self) -> _Slow:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Last:
    """A sink that keeps what it gets."""

    name, pictures = "last", False

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.running = threading.Event()

    def take(self, item: Item) -> None:
        self.items.append(item)
        self.running.set()

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("lossless", [False, True])
def test_the_last_that_a_sink_gets_is_that_the_source_is_closed(model: Path, lossless: bool) -> None:
    source, sink = _Slow(), _Last()
    with Classifier.load(model) as classifier:
        source.pipeline = pipeline = Pipeline(classifier, [sink], lossless=lossless)
        thread = threading.Thread(target=pipeline.run, args=(source,))
        thread.start()
        assert sink.running.wait(60)
        pipeline.stop()
        thread.join(60)
    last = sink.items[-1]
    assert isinstance(last, SourceState)
    assert last.name == "closed"
    assert isinstance(sink.items[0], Observation)
