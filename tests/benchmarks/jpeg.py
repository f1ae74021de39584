"""What decoding JPEGs at reduced size gains in time and costs in accuracy, on TrashNet's photographs enlarged.

python -m tests.benchmarks.jpeg FOLDER [--seeds 0,1,2,3,4] [--out RUNS]     (FOLDER holds train/ and test/)

Networks are trained on photographs of one width, once with each rule for JPEGs, and their files evaluated on the test
photographs of all widths. What was measured before is taken from RUNS, so that a stopped benchmark goes on.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from edgeclf import Terminal, evaluate, export, make_config, train
from edgeclf_runtime import Classifier
from edgeclf_runtime.pictures.images import decode_image, find_images, read_image
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.system.atomic_file import write_text
from tests.benchmarks.intervals import points_lost
from tests.benchmarks.photographs import require

RULES = ("full", "reduced")
_QUALITY = 90
_TIMED = 40  # photographs of each width
_LARGEST = 4000  # width in pixels of a photograph of 12 megapixels


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seeds", default="0,1,2,3,4", show_default=True)
@click.option("--widths", default="960,1280,1920", show_default=True, help="Widths evaluated, in pixels.")
@click.option("--trained", default=1280, show_default=True, help="Width of the training photographs.")
@click.option("--epochs", default=None, type=int, help="Epochs (default: as edgeclf train).")
@click.option("--size", default=224, show_default=True, help="Input size of the network.")
@click.option("--times", is_flag=True, help="Measure the time of decoding alone: no training, a minute.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/bench-jpeg"), show_default=True)
def main(
    folder: Path, seeds: str, widths: str, trained: int, epochs: int | None, size: int, times: bool, out: Path
) -> None:
    """Print the time to decode a photograph, and what the rule costs in points, for each width."""
    require(folder, "train", "test")
    shown = [int(width) for width in widths.split(",")]
    for width in (*shown, _LARGEST):
        click.echo(_time_line(folder / "test", width, size))
    if times:
        return
    given = {"size": size, **({"epochs": epochs} if epochs else {})}
    cells = {
        rule: [
            _kept(folder, {"seed": int(seed), "jpeg": rule, **given}, trained, shown, out) for seed in seeds.split(",")
        ]
        for rule in RULES
    }
    for width in shown:
        hits = {rule: np.array([cell[str(width)] for cell in cells[rule]], bool) for rule in RULES}
        rates = ", ".join(f"{rule} {hits[rule].mean():.2%}" for rule in RULES)
        lost = points_lost(hits["full"], hits["reduced"])
        click.echo(f"trained at {trained}, evaluated at {width} pixels: {rates}; points that reduced loses: {lost}")


def _time_line(folder: Path, width: int, size: int) -> str:
    """Measure both ways in turn, on the same photographs."""
    contents = [_enlarged(file, width) for file in find_images(folder)[:: max(1, len(find_images(folder)) // _TIMED)]]
    sizes = {rule: Preprocessing(size, size, jpeg=rule).min_decoded_size for rule in RULES}
    spent: dict[str, list[float]] = {rule: [] for rule in RULES}
    for content in contents[:_TIMED]:
        for rule in RULES:
            start = time.perf_counter()
            decode_image(content, "photograph", min_size=sizes[rule])
            spent[rule].append(1e3 * (time.perf_counter() - start))
    full, reduced = (float(np.median(spent[rule])) for rule in RULES)
    return (
        f"{width} pixels wide: decoded in {full:.2f} ms in full, {reduced:.2f} ms reduced: {full / reduced:.2f} times"
    )


def _enlarged(file: Path, width: int) -> bytes:
    pixels = read_image(file)
    height = round(pixels.shape[0] * width / pixels.shape[1])
    large = cv2.resize(pixels[:, :, ::-1], (width, height), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])


def _photographs(folder: Path, width: int, out: Path) -> Path:
    """Return a folder of a part's photographs at this width, written once."""
    target = out / "photographs" / str(width) / folder.name
    if target.exists():
        return target
    beside = target.with_name(f".{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    for file in find_images(folder):
        name = beside / file.relative_to(folder).with_suffix(".jpg")
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(_enlarged(file, width))
    return beside.rename(target)


def _kept(folder: Path, options: dict[str, Any], trained: int, widths: list[int], out: Path) -> dict[str, list[bool]]:
    """Which test photographs of each width a network of one rule and seed has right."""
    name = "-".join([str(trained), *(f"{key}{value}" for key, value in options.items())])
    file = out / f"{name}.json"
    kept: dict[str, list[bool]] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    missing, reporter = [width for width in widths if str(width) not in kept], Terminal()
    model = out / name / "float32.tflite"
    if missing and not model.exists():
        shutil.rmtree(out / name, ignore_errors=True)
        run = train(_photographs(folder / "train", trained, out), out / name, make_config(options), reporter)
        export(run, model, "float32", reporter)
    for width in missing:
        with Classifier.load(model) as classifier:
            outcome = evaluate(classifier, _photographs(folder / "test", width, out), reporter)
        kept[str(width)] = (outcome.scores.argmax(axis=1) == outcome.targets).tolist()
        write_text(file, json.dumps(kept))
    return kept


if __name__ == "__main__":
    main()
