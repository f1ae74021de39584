"""The effect of decoding JPEGs at the smallest size that fills the input, on enlarged photographs.

python tests/benchmarks/jpeg_rule.py FOLDER [--seeds 0,1,2,3,4] [--widths 960,1280,1920] [--out RUNS]

FOLDER holds train/ and test/. All photographs are enlarged with INTER_CUBIC and saved at JPEG quality 90: every second
one of each class in train/ to the first of the widths, all of test/ to each of the widths. One network is trained with
`jpeg` full and one with reduced, with the same seed; each is evaluated with its own rule on test/. Results found in
RUNS are reused, so that a stopped benchmark resumes.

With MODEL... nothing is trained: each file is evaluated with both rules, whatever it was trained with. Before that, it
prints the time to decode and resize a photograph of 4000x3000 pixels with either rule.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import numpy.typing as npt
from intervals import points_lost
from photographs import require

from edgeclf import Quiet, evaluate, export, make_config, train
from edgeclf_runtime import Classifier
from edgeclf_runtime.backends.opening import open_backend
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.pictures.images import decode_image, find_images, read_image, swapped
from edgeclf_runtime.pictures.preprocess import Preprocessing, resize
from edgeclf_runtime.system.atomic_file import write_text

RULES = ("full", "reduced")
_QUALITY = 90
_PHOTOGRAPH = (4000, 3000)
_ROUNDS = 9

Hits = dict[str, list[bool]]
"""Which test pictures are right, by width; "own" are the pictures as they are."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("models", type=click.Path(path_type=Path, exists=True), nargs=-1)
@click.option("--seeds", default="0,1,2,3,4", show_default=True)
@click.option("--widths", default="960,1280,1920", show_default=True)
@click.option("--size", default=None, type=int, help="Input size (default: the network's own).")
@click.option("--epochs", default=None, type=int, help="Epochs (default: as edgeclf train).")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True)
def main(
    folder: Path, models: Sequence[Path], seeds: str, widths: str, size: int | None, epochs: int | None, out: Path
) -> None:
    """Print the times, then a line for each width of the test images."""
    require(folder, "train", "test")
    for line in times(next(iter(find_images(folder / "test"))), size or 224):
        click.echo(line)
    chosen = [int(width) for width in widths.split(",")]
    given = {name: value for name, value in (("epochs", epochs), ("size", size)) if value}
    with tempfile.TemporaryDirectory() as work:
        if models:
            found = [
                {rule: _measured(_with_rule(model, rule), folder, chosen, Path(work)) for rule in RULES}
                for model in models
            ]
        else:
            options = [[{"seed": int(seed), "jpeg": rule, **given} for rule in RULES] for seed in seeds.split(",")]
            found = [{one["jpeg"]: _kept(folder, chosen, one, out, Path(work)) for one in pair} for pair in options]
    for line in table(found):
        click.echo(line)


def times(file: Path, size: int) -> Iterator[str]:
    """Yield a line for each rule: milliseconds to decode and to resize, medians of alternating rounds, one thread."""
    cv2.setNumThreads(1)
    data = _jpeg(np.asarray(cv2.resize(read_image(file), _PHOTOGRAPH, interpolation=cv2.INTER_CUBIC), np.uint8))
    spent: dict[str, list[tuple[float, float]]] = {rule: [] for rule in RULES}
    for _ in range(_ROUNDS):
        for rule in RULES:
            preprocessing, start = Preprocessing(size, size, jpeg=rule), time.process_time()
            pixels = decode_image(data, "photograph", min_size=preprocessing.min_decoded_size)
            decoded = time.process_time()
            resize(pixels, preprocessing)
            spent[rule].append(((decoded - start) * 1e3, (time.process_time() - decoded) * 1e3))
    whole = float(np.median(np.sum(spent["full"], axis=1)))
    for rule in RULES:
        decoding, resizing = np.median(spent[rule], axis=0)
        share = float(np.median(np.sum(spent[rule], axis=1))) / whole
        yield f"{rule}: decoding 4000x3000 {decoding:.1f} ms, resizing {resizing:.1f} ms; {share:.2f} of the time"


def table(found: Sequence[dict[str, Hits]]) -> Iterator[str]:
    """Yield a line for each width: accuracy by either rule and the points lost, by image."""
    for width in found[0]["full"]:
        full, reduced = (np.array([hits[rule][width] for hits in found], np.bool_) for rule in RULES)
        yield (
            f"{width:>5}: in full {full.mean():.2%}, reduced {reduced.mean():.2%}, "
            f"points lost {points_lost(full, reduced)} ({len(found)} networks, {full.shape[1]} pictures)"
        )


def _kept(folder: Path, widths: Sequence[int], options: dict[str, Any], out: Path, work: Path) -> Hits:
    """Return which images a network classifies correctly; train it if it is not in ``out``."""
    more = [f"{name}{value}" for name, value in options.items() if name not in ("seed", "jpeg")]
    path = out / "-".join(["jpeg", options["jpeg"], *more, *map(str, widths), str(options["seed"])])
    file = path.with_name(f"{path.name}.json")
    if not file.exists():
        photographs = work / "train"
        if not photographs.exists():
            _enlarge(folder / "train", photographs, widths[0], every=2)
        shutil.rmtree(path, ignore_errors=True)
        run = train(photographs, path, make_config(options), Quiet())
        model = export(run, path / "model.tflite", "float32", Quiet()).path
        with Classifier.load(model) as classifier:
            hits = _measured(classifier, folder, widths, work)
        write_text(file, json.dumps(hits))
        click.echo(f"{path.name}: done", err=True)
    kept: Hits = json.loads(file.read_text("utf-8"))
    return kept


def _with_rule(path: Path, rule: str) -> Classifier:
    model = read_model(path)
    card = replace(model.card, preprocessing=replace(model.card.preprocessing, jpeg=rule))
    return Classifier(replace(model, card=card, familiarity=None), open_backend("auto", model.content, None, 1))


def _measured(classifier: Classifier, folder: Path, widths: Sequence[int], work: Path) -> Hits:
    hits: Hits = {}
    for width in (0, *widths):
        photographs = work / f"test-{width}" if width else folder / "test"
        if not photographs.exists():
            _enlarge(folder / "test", photographs, width)
        done = evaluate(classifier, photographs, Quiet())
        hits[str(width) if width else "own"] = (done.scores.argmax(axis=1) == done.targets).tolist()
    return hits


def _enlarge(source: Path, target: Path, width: int, every: int = 1) -> None:
    """Copy a folder of classes, with every n-th photograph of each class enlarged to a width."""
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        (target / folder.name).mkdir(parents=True)
        for number, file in enumerate(find_images(folder)):
            pixels, copy = read_image(file), target / folder.name / f"{file.stem}.jpg"
            if number % every:
                shutil.copy(file, copy.with_suffix(file.suffix))
                continue
            size = (width, round(width * pixels.shape[0] / pixels.shape[1]))
            copy.write_bytes(_jpeg(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8)))


def _jpeg(pixels: npt.NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", swapped(pixels), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


if __name__ == "__main__":
    main()
