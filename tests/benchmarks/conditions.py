"""What a device knows about its camera without labels: the error of the expected accuracy, and how soon it sees faults.

python -m tests.benchmarks.conditions MODEL DATA [--images 200] [--streams 20]

MODEL is an int8 file of ``edgeclf export``, DATA a folder of labelled images that it was not trained on, a sub-folder
for each class. Each image is classified without a fault and under each fault of ``evaluate --camera-faults`` at three
strengths. Expected accuracy is compared with true accuracy, over images that are not refused as unfamiliar; the file
was fitted to none of the faults called "other". Streams draw images at random; the fault begins after 200 images
without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from edgeclf.evaluation.camera_faults import FAULTS, camera_frame, with_fault
from edgeclf_runtime import Classifier, Prediction
from edgeclf_runtime.classifier import Fitted
from edgeclf_runtime.decision.conditions import ConditionsMonitor
from edgeclf_runtime.pictures.images import find_images, read_image

CLEAN = ("no fault", 0)
STRENGTHS, REJECT = ("weak", "middle", "strong"), 0.05
BEFORE, LIMIT = 200, 1000  # number of views before the fault, and maximum number under it
CLEAN_VIEWS = 10_000  # number of views without a fault, where all alarms are false
Cell = tuple[str, int]


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--images", default=200, show_default=True, help="Drawn with seed 0.")
@click.option("--streams", default=20, show_default=True, help="Of each fault.")
def main(model: Path, data: Path, images: int, streams: int) -> None:
    """Print a row for each fault and strength, and the means."""
    with Classifier.load(model) as classifier:
        if classifier.familiarity is None:
            raise click.ClickException(f"{model}: has no familiarity; export it with this version.")
        cells, targets = _classified(classifier, data, images)
    measured = {cell: _measured(classifier, answers, targets) for cell, answers in cells.items()}
    click.echo(f"{'':<24} {'right':>6} {'expected':>8} {'alarm after':>12} (median of {streams} streams, in views)")
    for cell in sorted(cells, key=lambda cell: measured[cell].right):
        views = _delay(classifier, cells[CLEAN], cells[cell], streams)
        delay, row = "never" if views > LIMIT else f"{views:.0f}", measured[cell]
        click.echo(f"{cell[0]:<16} {STRENGTHS[cell[1]]:<7} {row.right:6.1%} {row.expected:8.1%} {delay:>12}")
    for title, held_out in (("the file was fitted to", False), ("other", True)):
        rows = [row for (name, _), row in measured.items() if name in FAULTS and FAULTS[name].is_held_out == held_out]
        expected, score = (_error(rows, values) for values in ("expected", "score"))
        click.echo(f"Mean error in points, faults {title}: {expected}; of the mean score itself: {score}")
    click.echo(f"False alarms in {CLEAN_VIEWS} views without a fault: {_false_alarms(classifier, cells[CLEAN])}")


def _classified(classifier: Classifier, data: Path, count: int) -> tuple[dict[Cell, list[Prediction]], list[int]]:
    labels = classifier.card.labels
    every = [(file, index) for index, label in enumerate(labels) for file in find_images(data / label)]
    chosen = [every[row] for row in sorted(np.random.default_rng(0).permutation(len(every))[:count])]
    rule, names = classifier.card.preprocessing, [CLEAN, *((name, level) for name in FAULTS for level in range(3))]

    def drawn(file: Path) -> list[Fitted]:
        frame = camera_frame(read_image(file, min_size=rule.min_decoded_size), rule)
        return [classifier.fit(frame if cell == CLEAN else with_fault(frame, *cell)) for cell in names]

    cells: dict[Cell, list[Prediction]] = {cell: [] for cell in names}
    with ThreadPoolExecutor(2) as pool:
        for fitted in pool.map(drawn, [file for file, _ in chosen]):
            for cell, image in zip(names, fitted, strict=True):
                cells[cell].append(classifier.score(image))
    return cells, [target for _, target in chosen]


class _Measured(NamedTuple):
    """For images not refused as unfamiliar: share correct, accuracy expected by the file, mean best score.

    The expected accuracy is NaN if the file has none.
    """

    right: float
    expected: float
    score: float


def _measured(classifier: Classifier, answers: Sequence[Prediction], targets: Sequence[int]) -> _Measured:
    kept = [
        (answer.index == target, answer.score)
        for answer, target in zip(answers, targets, strict=True)
        if (answer.familiarity or 0) >= REJECT
    ]
    right, score = np.mean(kept, axis=0) if kept else (np.nan, np.nan)
    expected = np.nan if classifier.expectation is None else classifier.expectation.of(float(score))
    return _Measured(float(right), expected, float(score))


def _error(rows: Sequence[_Measured], name: str) -> str:
    errors = [100 * abs(getattr(row, name) - row.right) for row in rows]
    return f"{np.mean(errors):.1f} (largest {np.max(errors):.1f})"


def _delay(classifier: Classifier, before: list[Prediction], under: list[Prediction], streams: int) -> float:
    """Return the median number of views from a fault to the alarm; more than ``LIMIT`` without one."""
    return float(np.median([_alarm(classifier, before, under, seed) for seed in range(streams)]))


def _alarm(classifier: Classifier, before: list[Prediction], under: list[Prediction], seed: int) -> int:
    rng, monitor = np.random.default_rng(seed), _Views(classifier)
    for row in rng.integers(len(before), size=BEFORE):
        monitor.show(before[row])
    for count, row in enumerate(rng.integers(len(under), size=LIMIT), 1):
        if monitor.show(under[row]):
            return count
    return LIMIT + 1


def _false_alarms(classifier: Classifier, clean: list[Prediction]) -> int:
    monitor, alarms, was = _Views(classifier), 0, False
    for row in np.random.default_rng(0).integers(len(clean), size=CLEAN_VIEWS):
        is_unlike = monitor.show(clean[row])
        alarms += is_unlike and not was
        was = is_unlike
    return alarms


class _Views:
    """A monitor that takes each image as a new view, even if it was drawn before."""

    def __init__(self, classifier: Classifier) -> None:
        assert classifier.familiarity is not None
        self._monitor = ConditionsMonitor(classifier.familiarity, classifier.expectation)
        self._rng, self._size = np.random.default_rng(0), classifier.familiarity.size

    def show(self, prediction: Prediction) -> bool:
        """Return whether there is an alarm after this image."""
        another = self._rng.normal(size=self._size).astype(np.float32)
        return self._monitor.add(replace(prediction, features=another), 0.0).is_unlike


if __name__ == "__main__":
    main()
