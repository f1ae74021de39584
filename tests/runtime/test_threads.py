"""A camera gets the number of threads that answers soonest, which is measured once and stored."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf_runtime import Classifier, threads
from edgeclf_runtime.threads import CameraOpener, ThreadChoice, choose_threads, fewest_worth, keep_choice, kept_choice

_TWO = ThreadChoice(2, {1: 9.0, 2: 5.0})


@pytest.fixture
def copied(model: Path, tmp_path: Path) -> Path:
    return shutil.copy(model, tmp_path / "model.tflite")


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 4)


def test_any_number_of_threads_gives_the_same_answers_bit_for_bit(model: Path) -> None:
    rng = np.random.default_rng(0)
    with Classifier.load(model, threads=1) as one:
        batches = [rng.integers(0, 256, one.backend.input.shape).astype(one.backend.input.dtype) for _ in range(8)]
        expected = [one.backend.invoke(batch) for batch in batches]
    for number in (2, 3, 4):
        with Classifier.load(model, threads=number) as several:
            found = [several.backend.invoke(batch) for batch in batches]
        assert np.array_equal(found, expected), number


def test_more_threads_are_used_only_if_they_save_a_tenth() -> None:
    assert fewest_worth({1: 10.0}) == 1
    assert fewest_worth({1: 10.0, 2: 9.5}) == 1
    assert fewest_worth({1: 10.0, 2: 6.0, 4: 5.8}) == 2
    assert fewest_worth({1: 10.0, 2: 6.0, 4: 3.0}) == 4


def test_a_measurement_tries_at_most_the_cores_that_there_are(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    choice = choose_threads(lambda number: Classifier.load(model, threads=number))
    assert set(choice.milliseconds) == {1, 2}
    assert choice.threads == fewest_worth(choice.milliseconds)


def test_it_is_kept_for_this_content_and_machine_alone(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept_choice(copied) is None
    kept = keep_choice(_TWO, copied)
    assert kept_choice(copied) == _TWO
    assert kept_choice(copied, backend="litert") is None
    with monkeypatch.context() as other:
        other.setattr(threads, "usable_cores", lambda: 3)
        assert kept_choice(copied) is None
    assert kept is not None
    content = kept.read_text("utf-8")
    for wrong in ("{", "[]", content.replace('"threads": 2', '"threads": 64'), json.dumps({"for": 1, "threads": 2})):
        kept.write_text(wrong, "utf-8")
        assert kept_choice(copied) is None
    kept.write_text(content, "utf-8")
    copied.write_bytes(copied.read_bytes() + b"changed")
    assert kept_choice(copied) is None


def test_where_nothing_can_be_kept_nothing_is(model: Path, tmp_path: Path) -> None:
    assert keep_choice(_TWO, tmp_path / "missing" / "model.tflite", model) is None


class _Loads:
    """Opens model files, and records how."""

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []

    def __call__(self, path: Path, **options: Any) -> Classifier:
        self.options.append(options)
        return Classifier.load(path, **options)


def test_the_first_start_measures_and_the_next_does_not(copied: Path) -> None:
    loads = _Loads()
    opener = CameraOpener(loads, copied)
    opener(copied, lanes=1).close()
    assert opener.choice is not None
    tried = [{"lanes": 1, "threads": number} for number in opener.choice.milliseconds]
    assert loads.options == [*tried, {"lanes": 1, "threads": opener.choice.threads}]
    keep_choice(_TWO, copied)
    loads.options.clear()
    again = CameraOpener(loads, copied)
    again(copied).close()
    assert loads.options == [{"threads": 2}]
    copied.write_bytes(copied.read_bytes() + b"a new model in its place")
    again(copied).close()
    assert loads.options == [{"threads": 2}] * 2


def test_nothing_is_measured_for_an_edge_tpu_or_on_one_core(
    copied: Path, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not threads.runs_on_cores(copied, "edgetpu:0")
    assert not threads.runs_on_cores(compiled, "auto")
    assert not threads.runs_on_cores(copied.with_name("none.tflite"), "auto")
    monkeypatch.setattr(threads, "usable_cores", lambda: 1)
    loads = _Loads()
    CameraOpener(loads, copied)(copied).close()
    assert loads.options == [{}]
