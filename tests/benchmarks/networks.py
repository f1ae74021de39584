"""The backbones whose weights the user provides: int8 against float, latency, size, and what an Edge TPU would map.

python -m tests.benchmarks.networks FOLDER [--backbones ...] [--size 128] [--tune head] [--images 0] [--weights DIR]
    [--out RUNS]   (FOLDER: train/, test/)

Without --weights the networks have random weights, with batch norm statistics of the images, and by default only their
head is trained: their accuracy says nothing about the published networks; only what int8 loses on the test part is
judged. DIR holds NAME/model.safetensors of each, as ``hf download`` stores them. Latency is the processor time of the
int8 file on one thread at the backbone's own size, all files taking turns. Trainings in RUNS are reused.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgeclf import Run, Terminal, evaluate, export, make_config, train
from edgeclf.model.backbones.registry import BACKBONES, backbone
from edgeclf.model.network import build_classifier, published_preprocessing, with_softmax
from edgeclf.searching.latency import plain_picture
from edgeclf_converters.edgetpu.check import check_edgetpu
from edgeclf_converters.tflite.convert import convert
from edgeclf_converters.work_folder import work_folder
from edgeclf_runtime import Classifier
from edgeclf_runtime.backends.opening import open_backend
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import resize
from edgeclf_runtime.system.atomic_file import write_text, written_beside
from tests.benchmarks.intervals import points_lost
from tests.benchmarks.photographs import require
from tests.random_weights import write_random_weights

PUBLISHED = {"efficientnet-lite0": 75.1, "efficientnet-es": 78.1, "mobilenetv4-conv-small": 73.8, "hgnetv2-b0": 77.4}
"""ImageNet top-1 in percent, as stated by those who published the weights."""
_METHODS = ("ptq", "qat")
_ROUNDS = 40
_STATISTICS = 64  # number of images for the batch norms of random weights


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--backbones", default=",".join(PUBLISHED), show_default=True)
@click.option("--size", default=128, show_default=True, help="Input height and width in pixels of the trainings.")
@click.option("--tune", default="head", show_default=True, help="As of edgeclf train.")
@click.option("--images", default=0, show_default=True, help="Training images of each class; 0 for all.")
@click.option("--seed", default=0, show_default=True)
@click.option("--weights", type=click.Path(path_type=Path), help="Folder with NAME/model.safetensors.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/networks"), show_default=True)
def main(
    folder: Path, backbones: str, size: int, tune: str, images: int, seed: int, weights: Path | None, out: Path
) -> None:
    """Print a row for each network and each way to quantize it."""
    require(folder, "train", "test")
    names = backbones.split(",")
    _show_files(names)
    source = _some(folder / "train", images, out) if images else folder / "train"
    for name in names:
        options: dict[str, Any] = {"backbone": name, "size": size, "tune": tune, "seed": seed}
        if BACKBONES[name].repository:
            options["weights"] = weights / name / "model.safetensors" if weights else _random(name, source, out)
        place = out / f"{name}-{size}-{tune}-{images}-{seed}{'-published' if weights else ''}"
        hits = {mode: np.array([found]) for mode, found in _kept(source, folder / "test", options, place).items()}
        for method in _METHODS:
            before, after = hits["float32"], hits[method]
            figures = f"float {before.mean():.2%}, int8 by {method} {after.mean():.2%}"
            click.echo(f"{name:<24} {figures}, points lost {points_lost(before, after)}")


def _show_files(names: Sequence[str]) -> None:
    """Print what does not depend on the weights' values."""
    files = {name: _untrained(name) for name in names}
    for (name, content), spent in zip(files.items(), _milliseconds(files), strict=True):
        click.echo(
            f"{name:<24} ImageNet {PUBLISHED.get(name, float('nan'))}% as published, {spent:.2f} ms, "
            f"{len(content) / 1e6:.2f} MB, {check_edgetpu(content)}"
        )


def _milliseconds(files: dict[str, bytes]) -> list[float]:
    """Return the median processor time of each file's interpreter, on one thread: other programs do not lengthen it."""
    with ExitStack() as stack:
        backends = [open_backend("auto", content, threads=1) for content in files.values()]
        for backend in backends:
            stack.callback(backend.close)
        spent: list[list[float]] = [[] for _ in backends]
        for _ in range(_ROUNDS):
            for times, backend, name in zip(spent, backends, files, strict=True):
                picture = np.zeros((1, *[backbone(name).size] * 2, 3), np.uint8)
                started = time.thread_time()
                backend.invoke(picture)
                times.append(time.thread_time() - started)
    return [1e3 * float(np.median(times[3:])) for times in spent]


def _untrained(name: str) -> bytes:
    network = backbone(name)
    rule = published_preprocessing(network)
    model = with_softmax(build_classifier(network, network.size, 1000))
    return convert(model, "int8", [plain_picture(network.size)], rule)


def _random(name: str, source: Path, out: Path) -> Path:
    file = out / f"{name}.safetensors"
    if not file.exists():
        out.mkdir(parents=True, exist_ok=True)
        files = sorted(find_images(source))
        chosen = [files[row] for row in np.random.default_rng(0).permutation(len(files))[:_STATISTICS]]
        rule = published_preprocessing(backbone(name))
        with written_beside(file) as hidden:
            write_random_weights(name, np.stack([resize(read_image(path), rule) for path in chosen]), hidden)
    return file


def _some(folder: Path, images: int, out: Path) -> Path:
    """Return a folder with copies of some images of each class, always the same ones."""
    target = out / f"{images}-images"
    out.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        with work_folder(target) as beside:
            for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
                files = sorted(kind.iterdir())
                (beside / kind.name).mkdir()
                for row in np.random.default_rng(0).permutation(len(files))[:images]:
                    shutil.copy(files[row], beside / kind.name)
            beside.rename(target)
    return target


def _kept(source: Path, test: Path, options: dict[str, Any], place: Path) -> dict[str, list[bool]]:
    """Return which test images the float file and each int8 file classify correctly; train it if it is not in RUNS."""
    file = place.with_name(f"{place.name}.json")
    if not file.exists():
        write_text(file, json.dumps(_measured(source, test, options, place)))
    found: dict[str, list[bool]] = json.loads(file.read_text("utf-8"))
    return found


def _measured(source: Path, test: Path, options: dict[str, Any], place: Path) -> dict[str, list[bool]]:
    finished = (place / "report.html").exists()
    run = Run.open(place) if finished else train(source, place, make_config(options), Terminal())
    hits = {}
    for name in ("float32", *_METHODS):
        path = place / f"{name}.tflite"
        if not path.exists():
            mode = "int8" if name in _METHODS else name
            export(run, path, mode, Terminal(), **({"method": name} if mode == "int8" else {}))
        with Classifier.load(path, lanes=2) as classifier:
            found = evaluate(classifier, test, Terminal())
        hits[name] = [bool(hit) for hit in found.scores.argmax(axis=1) == found.targets]
    return hits


if __name__ == "__main__":
    main()
