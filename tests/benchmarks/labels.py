"""How many decisions until a model has the stated accuracy: with the groups of edgeclf sort, one by one, and at random.

python -m tests.benchmarks.labels MODEL FOLDER [--seeds 3] [--days 12] [--decisions 15]   (FOLDER holds train/, test/)

MODEL gives the features (edgeclf export --pretrained efficientnet-lite0 -o base.tflite); the model that learns is a
logistic regression on them. A day brings photographs of train/ in its own class mix, each in a burst of one to twelve
shifted, noisy copies; from day to day it gets darker and yellower. Each day, a person takes this many decisions:

  random        one image, at random
  least sure    one image, the one with the lowest score
  groups        one group of the page, least sure first; each image of another class in it costs one more decision
  random groups the same, in random order

The model is fitted again after each day, on all labels. It is evaluated on test/, each photograph in the light of some
day. First, it prints how many images of test/ are in a group of their own class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt

from edgeclf_runtime import Classifier, read_image
from edgeclf_runtime.pictures.images import find_images
from edgeclf_runtime.pictures.likeness import thumbnail
from edgeclf_runtime.sorting.groups import FEATURES, THUMBNAILS, Vectors, grouped
from tests.benchmarks.photographs import require

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
_FIRST = 5  # number of labelled images of each class to start with
_STATED = (0.65, 0.70, 0.75)
_MIX = 0.5  # parameter of the Dirichlet distribution of a day's classes: small values give few classes
_BURST = 0.35  # parameter of the geometric distribution of a burst's images: 2.9 on average


@dataclass(frozen=True)
class Stream:
    """Images of all days: features, class and day of each."""

    features: Vectors
    targets: Rows
    days: Rows


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seeds", default=3, show_default=True)
@click.option("--days", default=12, show_default=True)
@click.option("--images", default=500, show_default=True, help="Photographs of each class in the stream, at most.")
@click.option("--decisions", default=15, show_default=True, help="Decisions of a person each day.")
def main(model: Path, folder: Path, seeds: int, days: int, images: int, decisions: int) -> None:
    """Print the number of decisions that each strategy needs."""
    require(folder, "train", "test")
    with Classifier.load(model, features=True, threads=1) as classifier:
        _tell_purity(classifier, folder / "test")
        curves: dict[str, list[list[float]]] = {name: [] for name in _WAYS}
        for seed in range(seeds):
            stream, first, test = _made(classifier, folder, days, images, seed)
            for name, way in _WAYS.items():
                curves[name].append(_learned(stream, first, test, way, decisions, seed))
    click.echo(f"\nDecisions until the accuracy on test/ is reached; mean and each of {seeds} seeds, {decisions} a day")
    for name, runs in curves.items():
        last = np.mean([run[-1] for run in runs])
        stated = "  ".join(f"{share:.0%} {_needed(runs, share, decisions)}" for share in _STATED)
        click.echo(f"{name:<14} {stated}  after {days * decisions}: {last:.1%}")


def _tell_purity(classifier: Classifier, folder: Path) -> None:
    files = find_images(folder)
    classes = np.array([path.parent.name for path in files])
    pixels = [read_image(path, min_size=224) for path in files]
    thumbs = np.stack([thumbnail(image)[0].astype(np.float32).ravel() for image in pixels])
    for name, vectors, likeness in (
        ("features", _features(classifier, pixels), FEATURES),
        ("thumbnails", thumbs, THUMBNAILS),
    ):
        groups = grouped(vectors, likeness)
        right = sum(int(np.unique(classes[rows], return_counts=True)[1].max()) for rows in groups)
        click.echo(
            f"{name:<10} {len(groups)} groups of {len(files)} images, {right / len(files):.1%} in one of their own"
        )


def _features(classifier: Classifier, pixels: list[Pixels]) -> Vectors:
    found = [classifier.classify(image).features for image in pixels]
    return np.stack([vector for vector in found if vector is not None])


def _made(classifier: Classifier, folder: Path, days: int, images: int, seed: int) -> tuple[Stream, Stream, Stream]:
    """Return the stream, the images to start with, and the test images."""
    rng = np.random.default_rng(seed)
    labels = sorted(path.name for path in (folder / "train").iterdir() if path.is_dir())
    files = [np.array(find_images(folder / "train" / label)) for label in labels]
    piles = [list(rng.permutation(paths)[: images + _FIRST]) for paths in files]
    begin = [(pile.pop(), target) for target, pile in enumerate(piles) for _ in range(_FIRST)]
    first = _seen(classifier, [(path, target, 0) for path, target in begin], days, rng)
    shown, size = [], sum(map(len, piles)) // days
    for day in range(days):
        mix = rng.dirichlet([_MIX] * len(labels))
        for target in rng.choice(len(labels), size, p=mix):
            if piles[target]:
                shown += [(piles[target].pop(), int(target), day)] * min(12, int(rng.geometric(_BURST)))
    tests = [(path, labels.index(path.parent.name), int(rng.integers(days))) for path in find_images(folder / "test")]
    return _seen(classifier, shown, days, rng), first, _seen(classifier, tests, days, rng)


def _seen(classifier: Classifier, shown: list[tuple[Path, int, int]], days: int, rng: np.random.Generator) -> Stream:
    pixels = [_in_the_light(read_image(path, min_size=224), day / max(1, days - 1), rng) for path, _, day in shown]
    targets, moments = (np.array([one[column] for one in shown], np.int64) for column in (1, 2))
    features = _features(classifier, pixels)
    return Stream(features / np.linalg.norm(features, axis=1, keepdims=True), targets, moments)


def _in_the_light(pixels: Pixels, drift: float, rng: np.random.Generator) -> Pixels:
    """Return a shifted, noisy copy, which gets darker and yellower with the drift, 0 to 1."""
    shift = rng.normal(0, 0.02, 2) * pixels.shape[:2]
    moved = cv2.warpAffine(
        pixels,
        np.array([[1, 0, shift[1]], [0, 1, shift[0]]], np.float32),
        pixels.shape[1::-1],
        borderMode=cv2.BORDER_REFLECT,
    ).astype(np.float32)
    light = np.array([1 - 0.35 * drift, 1 - 0.4 * drift, 1 - 0.6 * drift]) * (1 + rng.normal(0, 0.04))
    return np.clip(moved * light + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)


Way = Callable[[Vectors, Vectors, np.random.Generator], Iterator[list[int]]]
"""From features and scores of a day's images to what is decided on, one after another."""


def _random(features: Vectors, scores: Vectors, rng: np.random.Generator) -> Iterator[list[int]]:
    yield from ([int(row)] for row in rng.permutation(len(features)))


def _least_sure(features: Vectors, scores: Vectors, rng: np.random.Generator) -> Iterator[list[int]]:
    yield from ([int(row)] for row in scores.max(axis=1).argsort(kind="stable"))


def _groups(features: Vectors, scores: Vectors, rng: np.random.Generator) -> Iterator[list[int]]:
    groups = grouped(features, FEATURES, [str(best) for best in scores.argmax(axis=1)])
    yield from sorted(groups, key=lambda rows: float(scores[rows].max(axis=1).mean()))


def _random_groups(features: Vectors, scores: Vectors, rng: np.random.Generator) -> Iterator[list[int]]:
    groups = list(_groups(features, scores, rng))
    yield from (groups[row] for row in rng.permutation(len(groups)))


_WAYS: dict[str, Way] = {
    "random": _random,
    "least sure": _least_sure,
    "groups": _groups,
    "random groups": _random_groups,
}


def _learned(stream: Stream, first: Stream, test: Stream, way: Way, decisions: int, seed: int) -> list[float]:
    """Return the accuracy on the test images before the first day and after each day."""
    rng = np.random.default_rng([seed, 1])
    features, targets = [first.features], [first.targets]
    accuracies = []
    for day in range(int(stream.days.max()) + 1):
        model = _fitted(np.concatenate(features), np.concatenate(targets))
        accuracies.append(float((model(test.features).argmax(axis=1) == test.targets).mean()))
        rows = np.flatnonzero(stream.days == day)
        labelled = _decided(
            stream.targets[rows], way(stream.features[rows], model(stream.features[rows]), rng), decisions
        )
        features.append(stream.features[rows[labelled]])
        targets.append(stream.targets[rows[labelled]])
    model = _fitted(np.concatenate(features), np.concatenate(targets))
    return [*accuracies, float((model(test.features).argmax(axis=1) == test.targets).mean())]


def _decided(targets: Rows, proposed: Iterator[list[int]], decisions: int) -> Rows:
    """Return the rows that a person labels with this many decisions; from a group, those of its most frequent class."""
    labelled: list[int] = []
    for rows in proposed:
        classes, counts = np.unique(targets[rows], return_counts=True)
        kept = [row for row in rows if targets[row] == classes[counts.argmax()]]
        decisions -= 1 + len(rows) - len(kept)
        if decisions < 0:
            break
        labelled += kept
    return np.array(labelled, np.int64)


def _fitted(features: Vectors, targets: Rows) -> Callable[[Vectors], Vectors]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=300).fit(features, targets)
    return lambda rows: np.asarray(model.predict_proba(rows), np.float32)


def _needed(runs: list[list[float]], share: float, decisions: int) -> str:
    """Return the number of decisions after which a share is reached and kept to the end."""
    needed = []
    for run in runs:
        below = [day for day, accuracy in enumerate(run) if accuracy < share]
        needed.append((max(below, default=-1) + 1) * decisions if run[-1] >= share else None)
    each = ", ".join("-" if count is None else str(count) for count in needed)
    known = [count for count in needed if count is not None]
    return f"{np.mean(known):.0f} ({each})" if len(known) == len(runs) else f"- ({each})"


if __name__ == "__main__":
    main()
