"""Trainings on a few images per class, with today's moving average and with that of versions up to 0.1.

python -m tests.benchmarks.small_sets FOLDER... [--counts 5,10,20] [--seeds 0,1,2] [--size 128] [--out FOLDER]

From each FOLDER's training part (TrashNet, pets), this many images per class are the user's photographs, which edgeclf
splits and trains on; accuracy is measured on 100 others of each class, also from the training part. Finished cells are
kept in --out, so that a stopped benchmark resumes.
"""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from unittest import mock

import click
import numpy as np
import numpy.typing as npt

from edgeclf import Quiet, make_config, train
from edgeclf.config.train import preprocessing
from edgeclf.data.folders import scan
from edgeclf.frameworks import keras
from edgeclf.model.network import build_classifier, set_weights
from edgeclf.runs.run import Run
from edgeclf.training import trainer
from edgeclf_converters.parity.scores import NetworkScores
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.preprocess import resize
from tests.benchmarks.intervals import by_image

RULES = {"before": 1.0, "now": 0.01}  # of trainer._BIAS; with 1 the corrected average is never used, as until 0.1
_JUDGED = 100  # number of images per class

Hits = npt.NDArray[np.bool_]


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--counts", default="5,10,20", show_default=True, help="Images of each class.")
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--tunes", default="full,batch-norm", show_default=True, help="What is trained.")
@click.option("--size", default=128, show_default=True, help="Input height and width in pixels.")
@click.option("--epochs", default=10, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/small"), show_default=True)
def main(folders: tuple[Path, ...], counts: str, seeds: str, tunes: str, size: int, epochs: int, out: Path) -> None:
    """Print a row for each set, number of images and kind of training: accuracy before, now, and the difference."""
    out.mkdir(parents=True, exist_ok=True)
    numbers, chosen = [int(count) for count in counts.split(",")], [int(seed) for seed in seeds.split(",")]
    click.echo(f"{'set':<10} {'a class':>7} {'tuned':<10} {'before':>7} {'now':>7}  points won, 95% interval by image")
    for folder, count, tune in itertools.product(folders, numbers, tunes.split(",")):
        found: dict[str, list[Hits]] = {name: [] for name in RULES}
        for seed, rule in itertools.product(chosen, RULES):
            options = {"tune": tune, "size": size, "epochs": epochs, "seed": seed}
            found[rule].append(_cell(folder, count, rule, options, out))
        before, now = (np.stack(found[name]) for name in RULES)
        lost, low, high = by_image(before, now)
        won = f"{-lost:+.2f} ({-high:+.2f} to {-low:+.2f})"
        click.echo(f"{folder.name:<10} {count:7} {tune:<10} {before.mean():7.2%} {now.mean():7.2%}  {won}")


def _cell(folder: Path, count: int, rule: str, options: dict[str, object], out: Path) -> Hits:
    """Return which of the evaluation images the network of one training classifies correctly."""
    name = f"{folder.name}-{count}-{rule}-" + "-".join(map(str, options.values()))
    file = out / f"{name}.json"
    if not file.exists():
        place = out / name
        shutil.rmtree(place, ignore_errors=True)  # left by a stopped benchmark
        known, others = _divided(folder / "train", count, int(str(options["seed"])), place / "photos")
        with mock.patch.object(trainer, "_BIAS", RULES[rule]):
            run = train(known, place / "run", make_config(options), Quiet())
        file.write_text(json.dumps(_hits(run, others).tolist()), "utf-8")
        shutil.rmtree(place)
        keras().backend.clear_session()
    return np.array(json.loads(file.read_text("utf-8")), np.bool_)


def _divided(folder: Path, count: int, seed: int, place: Path) -> tuple[Path, list[tuple[Path, int]]]:
    """Return a folder with this many images per class, and further images with their class."""
    data = scan(folder)[0]
    others: list[tuple[Path, int]] = []
    for target, label in enumerate(data.labels):
        rows = np.random.default_rng([7, target]).permutation(np.flatnonzero(data.targets == target))
        judged, rest = rows[: min(_JUDGED, len(rows) // 2)], rows[min(_JUDGED, len(rows) // 2) :]
        others += [(folder / data.files[row], target) for row in judged]
        (place / label).mkdir(parents=True)
        for row in np.random.default_rng([seed, target]).permutation(rest)[:count]:
            source = folder / data.files[row]
            shutil.copy(source, place / label / source.name)
    return place, others


def _hits(run: Run, others: list[tuple[Path, int]]) -> Hits:
    labels = run.read_split().labels
    model, rule = build_classifier(run.config.network, run.config.input_size, len(labels)), preprocessing(run.config)
    set_weights(model, run.read_arrays("weights"))
    pixels = np.stack([resize(read_image(file), rule) for file, _ in others])
    targets = np.array([target for _, target in others])
    return np.asarray(NetworkScores(model, rule)(pixels).argmax(axis=1) == targets, np.bool_)


if __name__ == "__main__":
    main()
