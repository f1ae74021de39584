"""Whether a camera's frames are like the training images, and which accuracy to expect of the answers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeclf_runtime import Classifier, Pipeline, Prediction, open_source
from edgeclf_runtime.decision.conditions import Conditions, ConditionsMonitor
from edgeclf_runtime.model.expectation import Expectation
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.sinks import Item, Observation
from tests.model_files import bare

SIZE = 64
LABELS = ("cat", NOTHING)
EXPECTATION = Expectation(accuracy=0.95, confidence=0.9, slope=2.0, error=0.02, reject=0.05)
RNG = np.random.default_rng(0)


def _monitor(expectation: Expectation | None = EXPECTATION) -> ConditionsMonitor:
    one = np.ones((1, SIZE), np.int8)
    return ConditionsMonitor(Familiarity(one, (0,), one, (0, 0), (1, 1), (0,), (0.5,), 1.0), expectation)


def _view() -> np.ndarray:
    """Return features that are unlike any other view's."""
    return RNG.normal(size=SIZE).astype(np.float32)


def _frame(features: np.ndarray | None, familiarity: float | None, score: float = 0.9) -> Prediction:
    return Prediction(np.array([score, 1 - score], np.float32), LABELS, familiarity=familiarity, features=features)


def _watch(monitor: ConditionsMonitor, familiarity: Iterable[float], step: float = 1.0) -> list[Conditions]:
    """Show another view for each familiarity, one every ``step`` seconds."""
    return [monitor.add(_frame(_view(), value), step * number) for number, value in enumerate(familiarity)]


def test_images_like_those_of_the_training_raise_no_alarm() -> None:
    found = _watch(_monitor(), RNG.uniform(0.001, 1, 4000))
    assert found[-1].views == 4000
    assert not any(one.is_unlike for one in found)


@pytest.mark.parametrize(("share", "views"), [(1.0, 8), (0.5, 40)])
def test_unfamiliar_images_raise_it_soon_and_familiar_ones_end_it(share: float, views: int) -> None:
    monitor = _monitor()
    _watch(monitor, RNG.uniform(0.001, 1, 300))
    strange = np.where(RNG.uniform(size=views) < share, 0.001, RNG.uniform(0.1, 1, views))
    assert _watch(monitor, strange)[-1].is_unlike
    again = _watch(monitor, RNG.uniform(0.1, 1, 60))
    assert again[0].is_unlike
    assert not again[-1].is_unlike


def test_a_view_that_stays_counts_once_unless_it_stays_unfamiliar() -> None:
    monitor, features = _monitor(), _view()
    for second in range(7200):  # somewhat unfamiliar, for two hours, with the camera's noise
        noisy = features + RNG.normal(0, 0.1, SIZE).astype(np.float32)
        assert not monitor.add(_frame(noisy, 0.2), second).is_unlike
    assert monitor.now.views == 1
    covered = [monitor.add(_frame(np.ones(SIZE, np.float32), 0.001), 7200 + second) for second in range(1200)]
    alarm = [one.is_unlike for one in covered].index(True)
    assert 300 <= alarm <= 900
    free = [monitor.add(_frame(features, 0.2), 8400 + second) for second in range(3600)]
    assert not free[-1].is_unlike


def test_the_learned_empty_scene_counts_only_to_end_an_alarm() -> None:
    monitor, scene = _monitor(), _view()
    for second in range(3600):
        monitor.add(_frame(scene, 0.0), second)
    assert monitor.now == Conditions()
    _watch(monitor, [0.001] * 10)
    assert monitor.now.is_unlike
    for second in range(3600):
        monitor.add(_frame(scene, 0.0), 4000 + second)
    assert not monitor.now.is_unlike
    assert monitor.now.accuracy is None  # the empty scene has no correct answer


def test_expected_accuracy_follows_the_scores_of_familiar_views() -> None:
    monitor = _monitor()
    for number in range(40):
        monitor.add(_frame(_view(), 0.01, score=0.51), number)  # unfamiliar, so refused and not among the answers
        monitor.add(_frame(_view(), 0.5, score=0.2), number)  # its best label is the class of nothing
        found = monitor.add(_frame(_view(), 0.5, score=0.8), number)
        assert (found.accuracy is None) == (number < 29)
    assert found.accuracy == pytest.approx(0.95 - 2 * 0.1)
    assert found.error == 0.02
    assert _watch(_monitor(None), [0.5] * 50)[-1].accuracy is None


def test_frames_without_features_or_numbers_change_nothing() -> None:
    monitor = _monitor()
    for frame in (_frame(None, 0.5), _frame(_view(), None), _frame(_view(), 0.5, score=float("nan"))):
        assert monitor.add(frame, 0.0) == Conditions()


class _Kept:
    """A sink that keeps the conditions."""

    name, pictures = "kept", False

    def __init__(self) -> None:
        self.conditions: list[Conditions | None] = []

    def take(self, item: Item) -> None:
        self.conditions += [item.conditions] if isinstance(item, Observation) else []

    def close(self) -> None:
        """Do nothing."""


def test_a_run_says_so_when_its_images_become_unlike_those_of_the_training(
    model: Path, digits: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = sorted((digits / "0").iterdir())[:4]
    for number, path in enumerate(known):
        (tmp_path / f"a{number}.png").write_bytes(path.read_bytes())
    for number in range(30):  # stripes, blots and colour gradients
        noise = np.random.default_rng(number).uniform(0, 255, (2 + number % 7, 2 + number % 5, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"b{number:02}.png"), cv2.resize(noise, (64, 64), interpolation=number % 3))
    sink = _Kept()
    with Classifier.load(model) as classifier, caplog.at_level(logging.WARNING):
        Pipeline(classifier, [sink], lossless=True).run(open_source(str(tmp_path)))
    found = [one for one in sink.conditions if one is not None]
    assert len(found) == 34
    assert not found[3].is_unlike
    assert found[-1].is_unlike
    assert [line for line in caplog.messages if "unlike those of the training" in line]


def test_a_model_without_familiarity_has_no_conditions(model: Path, digits: Path, tmp_path: Path) -> None:
    plain, sink = tmp_path / "bare.tflite", _Kept()
    plain.write_bytes(bare(model))
    with Classifier.load(plain, labels=("0", "1", "2"), mean=127, std=128) as classifier:
        Pipeline(classifier, [sink], lossless=True).run(open_source(str(digits / "0")), max_frames=2)
    assert sink.conditions == [None, None]
