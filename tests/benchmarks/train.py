"""Training on TrashNet: full, batch norm alone, head alone, from scratch, hand-crafted features; and time to 90%.

python tests/benchmarks/train.py FOLDER [--backbone NAME] [--seeds 0,1,2,3,4] [--out RUNS] [--more RUNS ...]

FOLDER holds train/ and test/. With --more, the means include what other machines stored in such folders.

Choices are made on a validation part cut from train/; the figures are of test/. Results found in RUNS are reused, so
that a stopped benchmark resumes. The times to 90% are of the first two seeds, ours and plain Keras's, until the first
evaluation on the test part (after the head, after each epoch) that reaches 90%, where both stop.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from photographs import require
from plain_keras import plain_keras
from train_table import Rows, table, times

from edgeclf import Run, Terminal, make_config, train
from edgeclf.comparison.hog_svm import describe, fit_handcrafted
from edgeclf.comparison.methods import HANDCRAFTED_RULE, measure_cell
from edgeclf.config.train import TrainConfig, preprocessing
from edgeclf.data.division import split
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.folders import scan
from edgeclf.data.image_cache import decode
from edgeclf.data.sources import read_source
from edgeclf.frameworks import seed_everything
from edgeclf.metrics.calibration import reliability
from edgeclf.metrics.scoring import softmax
from edgeclf.model.network import build_classifier, set_weights
from edgeclf.runs.split import divide
from edgeclf.training.starting_network import starting_network
from edgeclf.training.trainer import Training
from edgeclf_converters import Labelled
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.parity.scores import network_scores
from edgeclf_runtime.system.atomic_file import write_text

WAYS: dict[str, dict[str, Any]] = {
    "full": {},
    "thorough": {"epochs": 15, "rotate90": True},
    "thorough-batch-norm": {"tune": "batch-norm", "epochs": 15, "rotate90": True},
    "statistics": {"batch_norm": "train"},
    "batch-norm": {"tune": "batch-norm"},
    "head": {"tune": "head"},
    "scratch": {"init": "scratch"},
}
_HANDCRAFTED = "HOG + colours + SVM"
_GRADIENTS = "HOG + SVM"  # the same without its 128 bins of colour
_COLOURS = 128
_AIM = 0.90
_PLAIN_EPOCHS = 15
_PLAIN_SEEDS = 2


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--backbone", default="efficientnet-lite0", show_default=True)
@click.option("--seeds", default="0,1,2,3,4", show_default=True)
@click.option("--ways", default=",".join([*WAYS, _HANDCRAFTED, _GRADIENTS, "time"]), show_default=True)
@click.option("--epochs", default=None, type=int, help="Epochs of every training (default: their own).")
@click.option("--size", default=None, type=int, help="Input size (default: the network's own).")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True)
@click.option(
    "--more",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="OUT of another machine, to add.",
)
def main(
    folder: Path,
    backbone: str,
    seeds: str,
    ways: str,
    epochs: int | None,
    size: int | None,
    out: Path,
    more: tuple[Path, ...],
) -> None:
    """Print a table of test accuracies with their spread over the seeds, and times to 90%.

    Points lost to the first way have their 95% interval by image, and by seed (Student's t), over the runs of both.

    "ECE" is the mean distance between score and accuracy on the test part.

    "busy" is the share of this machine's cores that a training used.
    """
    require(folder, "train", "test")
    out.mkdir(parents=True, exist_ok=True)
    given = {name: value for name, value in (("epochs", epochs), ("size", size)) if value}
    bench, chosen = _Bench(folder, backbone, out, given), ways.split(",")
    numbers = [int(seed) for seed in seeds.split(",")]
    with tempfile.TemporaryDirectory() as place:
        test = _images(folder / "test", bench.config(0), Path(place))
        for seed in numbers:
            for way in chosen:
                if way in WAYS:
                    bench.keep(way, seed, lambda way=way, seed=seed: _trained(bench, way, seed, test))
                elif way == _HANDCRAFTED:
                    bench.keep("handcrafted", seed, lambda seed=seed: _handcrafted(folder, seed))
                elif way == _GRADIENTS:
                    bench.keep("gradients", seed, lambda seed=seed: _gradients(folder, seed))
        if "time" in chosen:
            for seed in numbers[:_PLAIN_SEEDS]:
                config = bench.config(seed)
                bench.keep("time ours", seed, lambda config=config: _times(_ours(folder, config, test)))
                bench.keep("time plain", seed, lambda config=config: _times(_plain(folder, config, test, epochs)))
    _print([bench, *(replace(bench, out=other) for other in more)], chosen, numbers)


@dataclass(frozen=True)
class _Bench:
    """The images, the network, and the folder of results."""

    folder: Path
    backbone: str
    out: Path
    given: dict[str, Any]

    def config(self, seed: int, way: str = "full") -> TrainConfig:
        return make_config({"backbone": self.backbone, "seed": seed, **WAYS[way], **self._given(way)})

    def _given(self, way: str) -> dict[str, Any]:
        """Return the options of a way to train; a head alone has no epochs."""
        without = ("epochs",) if WAYS[way].get("tune") == "head" else ()
        return {name: value for name, value in self.given.items() if name not in without}

    @property
    def _network(self) -> list[str]:
        return [self.backbone, *(f"{name}{value}" for name, value in self.given.items())]

    def run(self, way: str, seed: int) -> Path:
        return self.out / "-".join([*self._network, *([] if way == "full" else [way]), str(seed)])

    def found(self, way: str, seed: int) -> dict[str, Any] | None:
        file = self._file(way, seed)
        return json.loads(file.read_text("utf-8")) if file.exists() else None

    def keep(self, way: str, seed: int, make: Callable[[], dict[str, Any]]) -> None:
        if self.found(way, seed) is None:
            text = json.dumps(make())
            write_text(self._file(way, seed), text)
            click.echo(f"{way}, seed {seed}: {text[:200]}", err=True)

    def _file(self, way: str, seed: int) -> Path:
        return self.out / f"train-{'-'.join(self._network)}-{way.replace(' ', '-')}-{seed}.json"


def _images(folder: Path, config: TrainConfig, place: Path) -> Labelled:
    listed = scan(folder)[0]
    images, _ = decode(listed, preprocessing(config), 0, place, Terminal())
    return Labelled(np.asarray(images.inputs), listed.targets)


def _trained(bench: _Bench, way: str, seed: int, test: Labelled) -> dict[str, Any]:
    path, config = bench.run(way, seed), bench.config(seed, way)
    done, begun, worked = (path / "metrics.json").exists(), time.monotonic(), time.process_time()
    run = Run.open(path) if done else train(bench.folder / "train", path, config, Terminal())
    busy = (time.process_time() - worked) / (time.monotonic() - begun) / len(os.sched_getaffinity(0))
    model = build_classifier(run.config.network, None, len(run.read_json("labels")), run.config.head)
    set_weights(model, run.read_arrays("weights"))
    scores = softmax(network_scores(model, test.pixels, preprocessing(run.config)))
    metrics = run.read_json("metrics")
    share = metrics["trained_parameters"] / metrics["parameters"] if "parameters" in metrics else 1.0
    hits, apart = scores.argmax(axis=1) == test.targets, reliability(scores, test.targets).error
    found = {"accuracy": float(hits.mean()), "ece": apart, "seconds": metrics["seconds"], "share": share}
    found["hits"] = hits.tolist()
    return found if done else {**found, "busy": busy}


def _handcrafted(folder: Path, seed: int) -> dict[str, Any]:
    """Measure hand-crafted features on the same split; their parameters are chosen on the validation part, too."""
    data, config = split(scan(folder)[0], 0.15, 0.0, seed), make_config({"seed": seed})
    with tempfile.TemporaryDirectory() as place:
        cell = measure_cell(data, Path(place) / "work", "hog-svm", 100, config, Terminal())
    return {"accuracy": cell.accuracy, "seconds": cell.seconds, "share": 1.0}


def _gradients(folder: Path, seed: int) -> dict[str, Any]:
    """Measure only the features of the classical pedestrian detector."""
    data, started = split(scan(folder)[0], 0.15, 0.0, seed), time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        images, _ = decode(data, HANDCRAFTED_RULE, 0, Path(place), Terminal())
        features = describe(images.inputs.mapped())[:, :-_COLOURS]
    known = {part: (features[data.rows(part)], data.targets[data.rows(part)]) for part in ("train", "validation")}
    fitted = fit_handcrafted(known["train"], known["validation"], Terminal())
    seconds, rows = time.monotonic() - started, data.rows("test")
    hits = fitted.predict(features[rows]) == data.targets[rows]
    return {"accuracy": float(hits.mean()), "seconds": seconds, "share": 1.0, "hits": hits.tolist()}


class _Reached(Exception):
    """Raised when the target accuracy is reached."""


class _Watched(Training):
    """Evaluates the test part after the head and each epoch, with the clock stopped, until the target is reached."""

    def watch(self, test: Labelled) -> None:
        self.seen: list[tuple[float, float]] = []
        note = self._history.note

        def measured(epoch: int, figures: dict[str, float], *rest: Any) -> bool:
            pause = time.monotonic()
            accuracy = float((self._logits(test.pixels).argmax(axis=1) == test.targets).mean())
            self.seen.append((figures["seconds"], accuracy))
            self._started += time.monotonic() - pause
            if accuracy >= _AIM:
                raise _Reached
            return note(epoch, figures, *rest)

        self._history.note = measured


def _ours(folder: Path, config: TrainConfig, test: Labelled) -> list[tuple[float, float]]:
    with tempfile.TemporaryDirectory() as place:
        started = time.monotonic()
        run = Run.create(Path(place) / "run", config, folder / "train")
        seed_everything(config.seed)
        listed, skipped = read_source(folder / "train")
        model = starting_network(config, len(listed.labels), Distribution())
        fingerprints, rule = Fingerprints.of(len(listed.files)), preprocessing(config)
        images, unread = decode(listed, rule, 8 / 7, Path(place) / "pictures", Terminal(), fingerprints)
        data = divide(run, listed, skipped, unread, fingerprints, Terminal())
        training = _Watched(run, model, data, images, Terminal(), started, Distribution())
        training.watch(test)
        with suppress(_Reached):
            training.complete()
        return training.seen


def _plain(folder: Path, config: TrainConfig, test: Labelled, epochs: int | None) -> list[tuple[float, float]]:
    seen, whole = [], epochs or _PLAIN_EPOCHS
    for seconds, accuracy in plain_keras(folder / "train", test, config, whole):
        click.echo(f"plain Keras after {seconds:.0f} s: {accuracy:.2%}", err=True)
        seen.append((seconds, accuracy))
        if accuracy >= _AIM:
            break
    return seen


def _times(seen: list[tuple[float, float]]) -> dict[str, Any]:
    reached = [seconds for seconds, accuracy in seen if accuracy >= _AIM]
    return {"seconds": reached[0] if reached else None, "seen": seen}


def _print(machines: list[_Bench], ways: list[str], seeds: list[int]) -> None:
    """Print results of this machine and of others."""

    def found(way: str) -> Rows:
        name = {_HANDCRAFTED: "handcrafted", _GRADIENTS: "gradients"}.get(way, way)
        rows = {(bench.out, seed): bench.found(name, seed) for bench in machines for seed in seeds}
        return {key: row for key, row in rows.items() if row}

    for line in table({way: found(way) for way in ways if way != "time"}):
        click.echo(line)
    for way in ("time ours", "time plain"):
        if rows := found(way):
            click.echo(f"{way} to {_AIM:.0%} of test: {times(rows)}")


if __name__ == "__main__":
    main()
