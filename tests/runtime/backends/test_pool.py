"""Several interpreters of one model: the same answers in the same order; an invalid number gives one line."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_runtime import Classifier, UsageError
from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.pictures.images import find_images, read_image

KEPT = ("frame", "source", "answer", "label", "scores", "familiarity", "reason")


def _seen(output: str) -> list[dict[str, Any]]:
    return [{name: line[name] for name in KEPT} for line in map(json.loads, output.splitlines())]


def _run(model: Path, source: Path, count: int) -> subprocess.CompletedProcess[str]:
    words = ["run", str(model), "--source", str(source), "--json", "--interpreters", str(count)]
    command = [sys.executable, "-m", "edgeclf_runtime", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_folder_is_classified_by_several_as_by_one(model: Path, digits: Path) -> None:
    one, three = (_run(model, digits, count) for count in (1, 3))
    assert one.returncode == three.returncode == 0, one.stderr + three.stderr
    assert "backend 3 x " in three.stderr
    assert "backend 3 x " not in one.stderr
    assert len(_seen(one.stdout)) > 20
    assert _seen(three.stdout) == _seen(one.stdout)


def test_a_stream_of_several_is_that_of_one(model: Path, digits: Path) -> None:
    pictures = [read_image(file) for file in find_images(digits)[:12]]
    with Classifier.load(model) as one, Classifier.load(model, lanes=2) as two:
        assert two.backend.lanes == 2
        seen = [prediction.scores for prediction in two.stream(str(digits))]
        assert len(seen) >= len(pictures)
        assert all(np.array_equal(one.classify(image).scores, seen[at]) for at, image in enumerate(pictures))


def test_none_is_too_few(model: Path) -> None:
    with pytest.raises(UsageError, match="Interpreters 0: expected at least 1"):
        Classifier.load(model, lanes=0)


def test_results_keep_the_order_and_do_not_wait_for_the_next_item() -> None:
    given: list[int] = []
    more = threading.Event()

    def items() -> Iterator[int]:
        for number in range(5):
            given.append(number)
            yield number
        assert more.wait(20)  # a camera whose next frame takes long
        yield 5

    def slow(number: int) -> int:
        time.sleep(0.01 * (5 - number))
        return number * number

    results = in_order(slow, items(), 3)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    more.set()
    assert list(results) == [25]


def test_an_error_comes_in_its_place_and_ends_the_threads() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("camera gone")

    results = in_order(lambda number: number, items(), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="camera gone"):
        next(results)
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda number: 1 // number, iter([1, 0, 1]), 2))
    deadline = time.monotonic() + 10
    while any(thread.name.startswith("lane") for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lane")]
