"""A new model next to a run's, on the same frames: its answers are compared, and nothing waits for it."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeclf_runtime import Classifier, DecisionRule, Frame, Pipeline, read_image
from edgeclf_runtime.config.settings import RunSettings, settings
from edgeclf_runtime.errors import ServiceError, UsageError
from edgeclf_runtime.shadow import trial
from edgeclf_runtime.shadow.frames import Frames
from edgeclf_runtime.shadow.lines import report_lines
from edgeclf_runtime.sinks import ModelState
from edgeclf_runtime.sinks.frame_tap import SOCKET, FrameTap
from edgeclf_runtime.sinks.health_file import HealthFile
from edgeclf_runtime.sinks.metrics import Figures
from edgeclf_runtime.sinks.snapshots.name import UNSORTED, read_name
from edgeclf_runtime.system.local_socket import connected
from tests.model_files import variant

KEPT = Path(__file__).parents[2] / "kept" / "0.1"
MODEL = KEPT / "model.tflite"
IMAGES = [next((KEPT / "photos" / name).iterdir()) for name in ("0", "1")]
SURE = DecisionRule(threshold=0.0)
FOUND = {"frames": 5.0, "same": 4.0, "agreement": 0.8, "seconds": 1.0, "milliseconds": 2.5}


class _Camera:
    """A live camera that alternates between two images until it is closed."""

    live, description = True, "test"

    def __init__(self) -> None:
        self._closing = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        pixels = [read_image(path) for path in IMAGES]
        for number in itertools.count():
            if self._closing.wait(0.002):
                return
            yield Frame(pixels[number % 2], time.monotonic(), number, "test")

    def close(self) -> None:
        self._closing.set()

    def __enter__(self) -> _Camera:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Run:
    """A run whose frames are available in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tap = folder, FrameTap(folder / SOCKET)
        self.health = HealthFile(folder / "health.json", 1.0)
        self._classifier = Classifier.load(MODEL)
        self.pipeline = Pipeline(self._classifier, [self.tap, self.health], SURE)
        self.health.follow(self.pipeline.outlets)
        self._thread = threading.Thread(target=self.pipeline.run, args=(_Camera(),))
        self._thread.start()

    def answers(self, more: int) -> None:
        """Wait for this many more answers."""
        wanted = self.pipeline.frames + more
        until(lambda: self.pipeline.frames >= wanted)

    def close(self) -> None:
        self.pipeline.stop()
        self._thread.join(60)
        self._classifier.close()


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[_Run]:
    run = _Run(tmp_path)
    run.answers(2)
    yield run
    run.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the trial's time advance with each reading, so that it takes as many frames on any machine."""
    times = itertools.count(step=0.02)
    monkeypatch.setattr(trial, "time", SimpleNamespace(monotonic=lambda: next(times), sleep=time.sleep))


def _compared(run: _Run, model: Path, chosen: RunSettings | None = None) -> dict[str, object]:
    with Classifier.load(model) as classifier:
        chosen = chosen or RunSettings(decision=SURE)
        return trial.compare(classifier, chosen, run.folder, 3.0, run.folder / "differ")


@pytest.mark.usefixtures("clock")
def test_the_same_model_says_the_same_and_another_is_seen_to_differ(run: _Run, tmp_path: Path) -> None:
    same = _compared(run, MODEL)
    assert (same["agreement"], same["images"]) == (1.0, [])
    assert same["frames"] == same["same"]
    (answer, *_) = [row["label"] for row in same["labels"] if row["frames"]]
    new = variant(MODEL, tmp_path / "new", labels=lambda text: text.replace(f"{answer}\n", "another\n", 1))
    report = _compared(run, new)
    (row,) = [row for row in report["labels"] if row["label"] == answer]
    assert (row["same"], row["instead"]) == (0, {"another": row["frames"]})
    assert 0 <= report["agreement"] < 1
    low, high = report["interval"]
    assert low <= report["agreement"] <= high
    (kept, *_) = report["images"]
    snapshot = read_name(kept["file"])
    assert (kept["before"], kept["new"], snapshot and snapshot.answer) == (answer, "another", "another")
    assert [path.name for path in (tmp_path / "differ" / UNSORTED).iterdir()] == [kept["file"]]  # one in five seconds
    text = "\n".join(report_lines(report))
    assert f"{answer}: 0 of {row['frames']} the same, otherwise another {row['frames']}" in text
    assert f"1 image with different answers: {tmp_path / 'differ'}" in text
    run.answers(1)


def test_the_service_tells_what_was_found_while_it_lasts(run: _Run) -> None:
    figures = Figures()
    figures.follow(run.pipeline.outlets)

    def health() -> object:
        return json.loads((run.folder / "health.json").read_text())["shadow"]

    with Frames(run.folder) as frames:
        assert frames.rate > 0
        for _ in range(2):
            seen = frames.next(FOUND, 60)
            assert seen is not None
            assert seen.frame.pixels.shape == read_image(IMAGES[0]).shape
        assert b"edgeclf_shadow_agreement 0.8" in figures.text()
        until(lambda: health() == FOUND)
    until(lambda: b"edgeclf_shadow" not in figures.text())
    until(lambda: health() is None)


def test_a_client_that_hangs_delays_nothing_and_another_comes_after_it(run: _Run) -> None:
    hanging = connected(run.folder / SOCKET)
    hanging.sendall(b"{}\n" * 50)  # and does not read
    until(lambda: run.tap._has_client)
    run.answers(100)
    assert not run.pipeline.outlets[0].dropped
    hanging.close()
    with Frames(run.folder) as frames:
        assert frames.next({}, 60) is not None


def _all_left(frames: Frames) -> None:
    while frames.next({}, 60) is not None:
        pass


def test_it_ends_with_the_model_or_the_run(run: _Run) -> None:
    for end in (lambda: run.tap.take(ModelState("adopted", "m", ("0",))), run.close):
        with Frames(run.folder) as frames:
            assert frames.next({}, 60) is not None
            end()
            with pytest.raises(ServiceError, match="the service ended or switched to another model after"):
                _all_left(frames)
    with pytest.raises(ServiceError, match="no service runs there, or its version is too old"):
        Frames(run.folder)


@pytest.mark.usefixtures("clock")
def test_zones_are_compared_by_name(run: _Run) -> None:
    zoned = '[[zone]]\nname = "gate"\n'
    import tomllib

    chosen = settings(tomllib.loads(zoned), {}, "run.toml", MODEL)
    with pytest.raises(ServiceError, match="only 0 frames came in 3 s"):  # this run has no zone of this name
        _compared(run, MODEL, chosen)
    chosen = settings(tomllib.loads(f'{zoned}model = "{MODEL}"\n'), {}, "run.toml", MODEL)
    with pytest.raises(UsageError, match="each zone has a model file of its own"):
        _compared(run, MODEL, chosen)
