"""Several labels per image: train on collages of TrashNet, export, and evaluate float and int8 files on the test part.

python -m tests.benchmarks.collages FOLDER [--seeds 0] [--size 128] [--epochs 8] [--out RUNS]   (FOLDER: train/, test/)

A collage has two to four images in a grid of two by two, the rest of it grey; its labels are the classes in it. Images
of train/ make the collages of the training and validation parts, each image in only one of them, and those of test/ the
collages for evaluation. Collages and trainings in RUNS are reused.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import cv2
import numpy as np

from edgeclf import Run, Terminal, export, make_config, train
from edgeclf.evaluation.label_sets import SetMeasurement, label_set_images, measure_label_sets
from edgeclf_converters.parity.label_sets import compare_sets
from edgeclf_runtime import Classifier
from tests.benchmarks.photographs import require

_CELL = 192  # width and height in pixels
_VALIDATION = 0.15

Pictures = Sequence[tuple[str, Path]]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seeds", default="0", show_default=True)
@click.option("--size", default=128, show_default=True, help="Input height and width in pixels.")
@click.option("--epochs", default=8, show_default=True)
@click.option("--rounds", default=2, show_default=True, help="Collages that each image is in.")
@click.option("--method", default="auto", show_default=True, help="As of edgeclf export.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/collages"), show_default=True)
def main(folder: Path, seeds: str, size: int, epochs: int, rounds: int, method: str, out: Path) -> None:
    """Print mAP of the float and the int8 file on collages of the test part, and each label at its threshold."""
    require(folder, "train", "test")
    training, test = (out / part for part in ("train", "test"))
    if not (test / "list.csv").exists():
        _write_collages(training, _parts(_pictures(folder / "train")), rounds, 0)
        _write_collages(test, {"": _pictures(folder / "test")}, rounds, 1)
    for seed in map(int, seeds.split(",")):
        config = make_config({"several_labels": True, "size": size, "epochs": epochs, "seed": seed})
        path = out / f"{size}-{epochs}-{seed}"
        run = (
            Run.open(path)
            if (path / "report.html").exists()
            else train(training / "list.csv", path, config, Terminal())
        )
        measured = {}
        for mode in ("float32", "int8"):
            file = path / f"{mode}.tflite"
            if not file.exists():
                export(run, file, mode, Terminal(), **({"method": method} if mode == "int8" else {}))
            with Classifier.load(file, lanes=2) as classifier:
                data = label_set_images(test / "list.csv", classifier.card)[1]
                measured[mode] = measure_label_sets(classifier, data, Terminal())
        _show(seed, measured["float32"], measured["int8"])


def _show(seed: int, before: SetMeasurement, after: SetMeasurement) -> None:
    for item, other in zip(before.score.labels, after.score.labels, strict=True):
        shares = [0.0 if share is None else share for share in (other.precision, other.recall)]
        averages = [0.0 if share is None else share for share in (item.average_precision, other.average_precision)]
        click.echo(
            f"{item.label:<12} {item.support:4} collages, average precision float {averages[0]:.1%} int8 "
            f"{averages[1]:.1%}; int8 from {item.threshold:.2f}: precision {shares[0]:.1%}, recall {shares[1]:.1%}"
        )
    parity = compare_sets(before.scores, after.scores, after.presence)
    click.echo(
        f"seed {seed}, {parity.count} collages: mAP float {before.score.mean_average_precision:.2%}, int8 "
        f"{after.score.mean_average_precision:.2%}; all labels right float {before.score.exact:.1%}, int8 "
        f"{after.score.exact:.1%}; points of mAP lost {parity.drop:+.2f} ({parity.low:+.2f} to {parity.high:+.2f})"
    )


def _pictures(folder: Path) -> Pictures:
    return [(path.parent.name, path) for path in sorted(folder.glob("*/*")) if path.suffix.lower() in (".jpg", ".png")]


def _parts(pictures: Pictures) -> dict[str, Pictures]:
    order = np.random.default_rng(0).permutation(len(pictures))
    held_out = {int(row) for row in order[: round(_VALIDATION * len(pictures))]}
    parts: dict[str, list[tuple[str, Path]]] = {"train": [], "validation": []}
    for row, picture in enumerate(pictures):
        parts["validation" if row in held_out else "train"].append(picture)
    return dict(parts)


def _write_collages(folder: Path, parts: dict[str, Pictures], rounds: int, seed: int) -> None:
    """Write the collages and, last, their CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(seed), []
    for part, pictures in parts.items():
        for number, chosen in enumerate(_chosen(pictures, rounds, rng)):
            name = f"{part or 'test'}-{number}.jpg"
            cv2.imwrite(str(folder / name), _collage([path for _, path in chosen], rng), [cv2.IMWRITE_JPEG_QUALITY, 90])
            rows.append([name, "|".join(sorted({label for label, _ in chosen})), *([part] if part else [])])
    with (folder / "list.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["file", "label", "part"][: len(rows[0])], *rows])


def _chosen(pictures: Pictures, rounds: int, rng: np.random.Generator) -> Iterator[Pictures]:
    """Yield the two to four images of each collage until each image was used this many times."""
    for _ in range(rounds):
        order = [pictures[row] for row in rng.permutation(len(pictures))]
        while len(order) >= 2:
            count = int(rng.integers(2, 5))
            yield order[:count]
            order = order[count:]


def _collage(paths: Sequence[Path], rng: np.random.Generator) -> np.ndarray:
    canvas = np.full((2 * _CELL, 2 * _CELL, 3), 128, np.uint8)
    for path, place in zip(paths, rng.permutation(4), strict=False):
        top, left = _CELL * int(place // 2), _CELL * int(place % 2)
        picture = cv2.imread(str(path))
        canvas[top : top + _CELL, left : left + _CELL] = cv2.resize(
            picture, (_CELL, _CELL), interpolation=cv2.INTER_AREA
        )
    return canvas


if __name__ == "__main__":
    main()
