"""What --camera does: the same trainings with and without it, as int8 files, without a fault and under camera faults.

python -m tests.benchmarks.camera FOLDER... [--seeds 0,1,2] [--epochs 10] [--size 224]
    [--limit 0] [--method auto] [--out FOLDER]

train/ of each FOLDER (TrashNet, pets) is used for training. All choices are made on the validation part that edgeclf
takes from it; the figures are from test/. Finished cells are kept in --out, so that a stopped benchmark resumes.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from edgeclf import Run, Terminal, export, make_config, train
from edgeclf.data.pixel_file import PixelFile
from edgeclf.evaluation.camera_faults import FAULTS, REFERENCE
from edgeclf.evaluation.evaluate import images_of_source
from edgeclf.evaluation.under_faults import measure_under_faults
from edgeclf.frameworks import keras, tensorflow
from edgeclf.training.augmentation.camera import camera_like
from edgeclf.training.epoch_rows import EpochRows
from edgeclf.training.finetune import FineTuner
from edgeclf.training.starting_network import starting_network
from edgeclf_converters.distribution import Distribution
from edgeclf_runtime import Classifier
from edgeclf_runtime.system.atomic_file import write_text
from edgeclf_runtime.system.plain_text import counted
from tests.benchmarks.intervals import by_image

CELLS = [(name, level) for name in FAULTS for level in range(3)]
HELD_OUT = [cell for cell in CELLS if FAULTS[cell[0]].is_held_out]
GROUPS = {
    "mean of 13": list(REFERENCE),
    "of these, drawn by --camera": [cell for cell in REFERENCE if cell not in HELD_OUT],
    "of these, held out": [cell for cell in REFERENCE if cell in HELD_OUT],
    "all strengths, held out": HELD_OUT,
    **{f"{name}, {FAULTS[name].describe(level)}": [(name, level)] for name, level in REFERENCE},
    **{f"{name}, {FAULTS[name].describe(level)}": [(name, level)] for name, level in HELD_OUT if level == 1},
}

Hits = npt.NDArray[np.float64]


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--epochs", default=10, show_default=True)
@click.option("--size", default=224, show_default=True, help="Input height and width in pixels.")
@click.option("--limit", default=0, show_default=True, help="Maximum number of images measured of a part; 0 for all.")
@click.option("--method", default="auto", show_default=True, help="Of the int8 export.")
@click.option("--parts", default="validation,test", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/camera"), show_default=True)
def main(
    folders: tuple[Path, ...], seeds: str, epochs: int, size: int, limit: int, method: str, parts: str, out: Path
) -> None:
    """Print a table for each set and part: accuracy with and without --camera, and points gained by it."""
    out.mkdir(parents=True, exist_ok=True)
    share = share_of_step(size, out)
    click.echo(f"--camera takes {share:.1%} of a step's time without it, at {size} pixels on this machine")
    for folder in folders:
        found: dict[tuple[str, bool], list[Hits]] = {}
        for seed, camera in itertools.product(map(int, seeds.split(",")), (False, True)):
            options = {"size": size, "epochs": epochs, "seed": seed, "camera": camera}
            for part, hits in _cell(folder, options, method, limit, parts.split(","), out).items():
                found.setdefault((part, camera), []).append(np.array(hits, np.float64))
        for part in parts.split(","):
            _print(f"{folder.name}, {part}", np.stack(found[part, False]), np.stack(found[part, True]))


def _print(title: str, without: Hits, with_camera: Hits) -> None:
    """Print a table; both arrays are ``[seeds, 1 + cells, images]``, first without a fault."""
    seeds, _, images = without.shape
    click.echo(f"\n{title}: {counted(images, 'image')}, {counted(seeds, 'seed')}")
    click.echo(f"{'':<48} {'without':>8} {'--camera':>8}  points won by --camera, 95% interval by image")
    _row("no fault", without[:, 0], with_camera[:, 0])
    for name, cells in GROUPS.items():
        rows = [1 + CELLS.index(cell) for cell in cells]
        _row(name, without[:, rows].mean(axis=1), with_camera[:, rows].mean(axis=1))
        if name in list(GROUPS)[:4]:
            drops = [100 * (hits[:, 0].mean() - hits[:, rows].mean()) for hits in (without, with_camera)]
            click.echo(f"{'  points lost to the faults':<48} {drops[0]:8.1f} {drops[1]:8.1f}")


def _row(name: str, without: Hits, with_camera: Hits) -> None:
    lost, low, high = by_image(without, with_camera)
    won = f"{0 - lost:+.2f} ({0 - high:+.2f} to {0 - low:+.2f})"
    click.echo(f"{name:<48} {without.mean():8.2%} {with_camera.mean():8.2%}  {won}")


def _cell(
    folder: Path, options: dict[str, Any], method: str, limit: int, parts: list[str], out: Path
) -> dict[str, Any]:
    """Return which images of each part one training's int8 file classifies correctly: ``[1 + cells, images]``."""
    place = out / "-".join([folder.name, method, *(f"{name}{int(value)}" for name, value in options.items())])
    model, results = place / "model.tflite", {}
    for part in parts:
        file = out / f"{place.name}-{part}-{limit}.json"
        if not file.exists():
            if not model.exists():
                shutil.rmtree(place, ignore_errors=True)  # left by a stopped benchmark
                run = train(folder / "train", place, make_config(options), Terminal())
                export(run, model, "int8", Terminal(), method=method)
                keras().backend.clear_session()
            write_text(file, json.dumps(_measured(model, folder, place, part, limit)))
        results[part] = json.loads(file.read_text("utf-8"))
    return results


def _measured(model: Path, folder: Path, place: Path, part: str, limit: int) -> list[list[int]]:
    with Classifier.load(model) as classifier:
        if part == "validation":
            data = Run.open(place).read_split()
            data = data.take(data.rows(part))
        else:
            data = images_of_source(folder / part, classifier.card).data
        found = measure_under_faults(classifier, data, Terminal(), limit=limit or len(data.files))
    outcomes = [found.clean, *(found.cells[cell] for cell in CELLS)]
    return [(outcome.answers == outcome.targets).astype(int).tolist() for outcome in outcomes]


def share_of_step(size: int, out: Path, rounds: int = 5) -> float:
    """Return the time that ``--camera`` adds to a step of 32 images, as a share of the step's time without it."""
    tf, config = tensorflow(), make_config({"size": size, "train_size": size, "full_size_epochs": 0.0})
    pixels, rows, place = PixelFile(out / "pixels", (32, size, size)), np.arange(32), Distribution()
    tuner = FineTuner(
        starting_network(config, 2, place), config, pixels, EpochRows(rows, 0), rows % 2, (1.0, 1.0), place
    )
    image = tf.random.stateless_uniform([32, size, size, 3], [0, 1], 0, 255)
    times: dict[str, list[float]] = {"step": [], "camera": []}
    for number in range(rounds + 1):
        start = time.perf_counter()
        float(tuner._step(tuner._prepared((0, rows))[1], tf.constant(1e-4)))
        middle = time.perf_counter()
        float(tf.reduce_max(camera_like(image, tf.constant([number, 1]))))
        times["step"].append(middle - start)
        times["camera"].append(time.perf_counter() - middle)
    keras().backend.clear_session()
    return float(min(times["camera"]) / min(times["step"]))


if __name__ == "__main__":
    main()
