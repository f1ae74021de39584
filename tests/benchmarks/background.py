"""False alarms of an empty scene before and after `edgeclf background`, and which objects in it are still answered.

python -m tests.benchmarks.background MODEL DATA [--scenes 4] [--minutes 1]

Each scene is drawn: half of them a wall above a table with things on it, half the plain ground of one of DATA's own
images, which a model knows. The videos have camera noise, and light that varies by 10%. The model learns the scene from
one video and is evaluated on another, with the steady answer of `edgeclf run`. Objects are images of DATA, pasted in at
80% and 50% of the height.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import cv2
import numpy as np

from edgeclf_runtime import Classifier, DecisionRule
from edgeclf_runtime.decision.decision import Decider
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.learning.background import learn_background
from edgeclf_runtime.model.rewrite import with_files
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import Pixels

FPS, HEIGHT, WIDTH = 5, 360, 480
OBJECTS = 60
SIZES = (0.8, 0.5)


def table_scene(rng: np.random.Generator) -> Pixels:
    """Draw a wall above a table, with boxes on it."""
    image = np.full((HEIGHT, WIDTH, 3), rng.uniform(90, 200, 3))
    image[int(0.55 * HEIGHT) :] = rng.uniform(40, 160, 3)
    for _ in range(6):
        left, top = int(rng.integers(0, WIDTH - 60)), int(rng.integers(0, HEIGHT - 60))
        size = rng.integers(10, 90, 2)
        image[top : top + int(size[0]), left : left + int(size[1])] = rng.uniform(30, 220, 3)
    return np.asarray(cv2.GaussianBlur(image, (5, 5), 0), np.uint8)


def plain_scene(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Continue the colour at the edges of an image over the whole scene, in uneven light."""
    edges = np.concatenate([image[:10].reshape(-1, 3), image[-10:].reshape(-1, 3)])
    shade = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 90)
    light = 1 + 0.12 * shade / np.abs(shade).max()
    return np.asarray(np.clip(np.median(edges, axis=0) * light[..., None], 0, 255), np.uint8)


def video(scene: Pixels, minutes: float, seed: int) -> Iterator[Frame]:
    """Yield the frames of the scene."""
    rng = np.random.default_rng(seed)
    for number in range(int(minutes * 60 * FPS)):
        light = 1 + 0.1 * np.sin(number / FPS / 7 + seed)
        pixels = np.clip(scene * light + rng.normal(0, 4, scene.shape), 0, 255).astype(np.uint8)
        yield Frame(pixels, number / FPS, number, "scene")


def pasted(scene: Pixels, image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """Return the scene with an image in it, at a share of the height."""
    height = int(share * HEIGHT)
    width = min(WIDTH, int(height * image.shape[1] / image.shape[0]))
    top, left = int(rng.integers(HEIGHT - height + 1)), int(rng.integers(WIDTH - width + 1))
    whole = scene.copy()
    whole[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return whole


def false_alarms(classifier: Classifier, frames: Iterator[Frame], rule: DecisionRule) -> tuple[int, float]:
    """Return how often the steady answer became a label, and the share of frames with one."""
    decider, alarms, answered, count = Decider(rule, classifier.card.threshold), 0, 0, 0
    for frame in frames:
        decision = decider.decide(classifier.classify(frame), frame.moment)
        alarms += decision.changed and not decision.refused
        answered += not decision.refused
        count += 1
    return alarms, answered / count


def accepted(classifier: Classifier, scene: Pixels, images: list[Pixels], share: float, reject: float) -> float:
    """Return the share of objects in the scene that are not refused as unfamiliar."""
    rng = np.random.default_rng(1)
    found = [classifier.classify(pasted(scene, image, share, rng)).familiarity for image in images]
    return float(np.mean([value is None or value >= reject for value in found]))


def share_of_time(classifier: Classifier) -> float:
    """Return the time that familiarity takes, as a share of the network's: medians of one run."""
    fitted = classifier.fit(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    features = classifier.score(fitted).features
    assert features is not None
    assert classifier.familiarity is not None
    return _median(lambda: classifier.familiarity.of(features)) / _median(
        lambda: classifier.backend.invoke(fitted.batch)
    )


def _median(call: Callable[[], object]) -> float:
    """Return the median time of a call in seconds."""
    times = []
    for _ in range(200):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--scenes", default=4, show_default=True, help="Number of scenes.")
@click.option("--minutes", default=1.0, show_default=True, help="Length of each video.")
def main(model: Path, data: Path, scenes: int, minutes: float) -> None:
    """Measure false alarms per hour on empty scenes, and which objects in them are still answered."""
    files = find_images(data)
    images = [read_image(files[int(row)]) for row in np.random.default_rng(0).permutation(len(files))[:OBJECTS]]
    sizes = "  ".join(f"objects at {share:.0%}" for share in SIZES)
    with Classifier.load(model, threads=1) as classifier:
        click.echo(f"familiarity takes {share_of_time(classifier):.1%} of the time of the network")
    click.echo(f"{'scene':>8}  {'way':<28}  alarms/h  answered  {sizes}")
    for number in range(scenes):
        rng = np.random.default_rng(number)
        scene = plain_scene(images[number], rng) if number % 2 else table_scene(rng)
        with tempfile.TemporaryDirectory() as folder, Classifier.load(model) as classifier:
            learned, _ = learn_background(classifier, video(scene, minutes, 1), lambda seconds: None)
            (path := Path(folder) / "model.tflite").write_bytes(with_files(model.read_bytes(), learned.to_files()))
            with Classifier.load(path) as taught:
                ways = (
                    ("threshold alone", classifier, DecisionRule(reject=0.0), 0.0),
                    ("familiarity", classifier, DecisionRule(), classifier.card.reject or 0.0),
                    ("familiarity and background", taught, DecisionRule(), classifier.card.reject or 0.0),
                )
                for name, used, rule, reject in ways:
                    alarms, answered = false_alarms(used, video(scene, minutes, 2), rule)
                    kept = "  ".join(f"{accepted(used, scene, images, share, reject):14.0%}" for share in SIZES)
                    kind = f"{number} {'plain' if number % 2 else 'table'}"
                    click.echo(f"{kind:>8}  {name:<28}  {alarms * 60 / minutes:8.0f}  {answered:8.0%}  {kept}")


if __name__ == "__main__":
    main()
