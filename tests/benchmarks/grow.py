"""Adding a class to a finished training with ``train --from``, compared with training on all: time and accuracy.

python -m tests.benchmarks.grow FOLDER [--seeds 0,1,2] [--size 224] [--epochs 10] [--out FOLDER]

FOLDER holds train/ and test/ (TrashNet). With seed 0 the first class is added, with seed 1 the second, and so on.
Accuracy is that of the float network on the test part. Finished cells are kept in --out, so that a stopped benchmark
resumes.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from edgeclf import Quiet, Run, make_config, train
from edgeclf.config.train import preprocessing
from edgeclf.data.folders import scan
from edgeclf.frameworks import keras
from edgeclf.model.network import build_classifier, set_weights
from edgeclf_converters.parity.scores import NetworkScores
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.preprocess import resize
from edgeclf_runtime.system.atomic_file import write_text
from tests.benchmarks.intervals import points_lost
from tests.benchmarks.photographs import require

Cell = dict[str, Any]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--size", default=224, show_default=True, help="Input height and width in pixels.")
@click.option("--epochs", default=10, show_default=True, help="Of the training anew and of the one before.")
@click.option("--grown-epochs", default=None, type=int, help="Of the training that begins from it (default: its own).")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/grow"), show_default=True)
def main(folder: Path, seeds: str, size: int, epochs: int, grown_epochs: int | None, out: Path) -> None:
    """Print a row for each seed, and the cost of growing in points and time."""
    require(folder, "train", "test")
    out.mkdir(parents=True, exist_ok=True)
    grown, anew = list[Cell](), list[Cell]()
    for seed in map(int, seeds.split(",")):
        options: dict[str, object] = {"seed": seed, "size": size, "epochs": epochs}
        one, other = _grown(folder, options, grown_epochs, out), _anew(folder, options, out)
        grown, anew = [*grown, one], [*anew, other]
        click.echo(f"seed {seed}, {one['added']} added: from a run {_shown(one)}; anew {_shown(other)}")
    lost = points_lost(_hits_of(anew), _hits_of(grown))
    share = sum(cell["seconds"] for cell in grown) / sum(cell["seconds"] for cell in anew)
    work = sum(cell["work"] for cell in grown) / sum(cell["work"] for cell in anew)
    click.echo(f"points lost by beginning from a run, 95% interval by image: {lost}")
    click.echo(f"time {share:.0%} of training anew; processor time {work:.0%}")


def _shown(cell: Cell) -> str:
    return f"{np.mean(cell['hits']):.2%} in {cell['seconds']:.0f} s"


def _hits_of(cells: list[Cell]) -> npt.NDArray[np.bool_]:
    return np.array([cell["hits"] for cell in cells], np.bool_)


def _anew(folder: Path, options: dict[str, object], out: Path) -> Cell:
    return _cell(out, "anew-" + _named(options), folder, [folder / "train"], options)


def _grown(folder: Path, options: dict[str, object], epochs: int | None, out: Path) -> Cell:
    name = "grown-" + _named(options) + (f"-{epochs}" if epochs else "")
    labels = scan(folder / "train")[0].labels
    added = labels[int(str(options["seed"])) % len(labels)]
    if not (out / f"{name}.json").exists():
        before = _before(folder, added, options, out)
        more = {"epochs": epochs} if epochs else {}
        sources = [out / ("photos-" + _named(options)), out / ("added-" + _named(options))]
        _cell(out, name, folder, sources, {"from_run": before, "seed": options["seed"], **more})
        for place in (before, *sources):
            shutil.rmtree(place)
    cell: Cell = json.loads((out / f"{name}.json").read_text("utf-8"))
    return {**cell, "added": added}


def _before(folder: Path, added: str, options: dict[str, object], out: Path) -> Path:
    """Return a finished training on all classes but one; the two sets of photographs get their own folders."""
    place = out / ("before-" + _named(options))
    if place.exists() and Run.open(place).is_finished:
        return place
    photos, more = out / ("photos-" + _named(options)), out / ("added-" + _named(options))
    for left in (place, photos, more):
        shutil.rmtree(left, ignore_errors=True)  # left by a stopped benchmark
    shutil.copytree(folder / "train", photos)
    more.mkdir()
    (photos / added).rename(more / added)
    train(photos, place, make_config(options), Quiet())
    keras().backend.clear_session()
    return place


def _cell(out: Path, name: str, folder: Path, sources: list[Path], options: dict[str, object]) -> Cell:
    """Return the seconds of a training, and which test images its network classifies correctly."""
    file = out / f"{name}.json"
    if not file.exists():
        shutil.rmtree(out / name, ignore_errors=True)
        started, work = time.monotonic(), time.process_time()
        run = train(sources, out / name, make_config(options), Quiet())
        took = {"seconds": time.monotonic() - started, "work": time.process_time() - work}
        write_text(file, json.dumps({**took, "hits": _hits(run, folder / "test")}))
        shutil.rmtree(out / name)
        keras().backend.clear_session()
    cell: Cell = json.loads(file.read_text("utf-8"))
    return cell


def _hits(run: Run, folder: Path) -> list[bool]:
    labels, data, rule = run.read_split().labels, scan(folder)[0], preprocessing(run.config)
    model = build_classifier(run.config.network, run.config.input_size, len(labels), run.config.head)
    set_weights(model, run.read_arrays("weights"))
    pixels = np.stack([resize(read_image(folder / file), rule) for file in data.files])
    answers = NetworkScores(model, rule)(pixels).argmax(axis=1)
    return [labels[answer] == data.labels[target] for answer, target in zip(answers, data.targets, strict=True)]


def _named(options: dict[str, object]) -> str:
    return "-".join(map(str, options.values()))


if __name__ == "__main__":
    main()
