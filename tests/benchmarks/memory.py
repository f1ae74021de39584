"""Peak memory of a training with two numbers of images, which shows its growth.

python tests/benchmarks/memory.py [--counts 2000,10000] [--size 64] [--epochs 1] [--place FOLDER]

The images are small JPEG crops of scikit-learn's two photographs, all different. Peak: the kernel's VmHWM of the
training's process, including shared libraries; anonymous: the highest RssAnon, sampled 20 times a second.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import cv2
import numpy as np

CLASSES = 10
LIMIT = 3 << 20  # KiB
ALL = 100_000


@click.command()
@click.option("--counts", default="2000,10000", show_default=True, help="Two numbers of images, separated by a comma.")
@click.option("--size", default=64, show_default=True, help="Input height and width in pixels.")
@click.option("--epochs", default=1, show_default=True, help="Epochs of fine-tuning; 0 trains the head only.")
@click.option("--place", type=click.Path(path_type=Path), help="Folder for images and runs while it works.")
def main(counts: str, size: int, epochs: int, place: Path | None) -> None:
    """Print a row for each count, then the growth, and what it predicts for 100,000 images."""
    rows = []
    for count in map(int, counts.split(",")):
        with tempfile.TemporaryDirectory(dir=place) as folder:
            _images(Path(folder) / "photos", count)
            peak, anonymous, seconds = _train(Path(folder), size, epochs)
        rows.append((count, peak, anonymous))
        click.echo(f"{count} pictures: peak {peak >> 10} MiB, anonymous {anonymous >> 10} MiB, {seconds:.0f} s")
    (low, *before), (high, *after) = rows[0], rows[-1]
    if high > low:
        growth = [(b - a) / (high - low) for a, b in zip(before, after, strict=True)]
        reach = [b + g * (ALL - high) for b, g in zip(after, growth, strict=True)]
        click.echo(f"growth a picture: peak {growth[0]:.2f} KiB, anonymous {growth[1]:.2f} KiB")
        click.echo(
            f"at {ALL} pictures: peak {reach[0] / 1024:.0f} MiB of {LIMIT >> 10}, {reach[1] / 1024:.0f} anonymous"
        )


def _images(folder: Path, count: int) -> None:
    from sklearn.datasets import load_sample_images

    rng, photographs = np.random.default_rng(0), load_sample_images().images
    for label in range(CLASSES):
        (folder / str(label)).mkdir(parents=True)
    for number in range(count):
        label = number % CLASSES
        pixels = photographs[label % 2]
        side = int(rng.integers(60, 200))
        top, left = (int(rng.integers(0, extent - side)) for extent in pixels.shape[:2])
        crop = cv2.resize(np.ascontiguousarray(pixels[top : top + side, left : left + side]), (80, 80))
        tint = np.roll([1.0, 0.4 + 0.1 * (label // 2), 0.7], label)
        cv2.imwrite(str(folder / str(label) / f"{number}.jpg"), (crop * tint).astype(np.uint8))


def _train(folder: Path, size: int, epochs: int) -> tuple[int, int, float]:
    """Train; return peak and highest anonymous memory in KiB, and seconds."""
    words = ["train", folder / "photos", "--out", folder / "run", "--size", size, "--batch-size", 64]
    words += ["--epochs", epochs, "--train-size", max(32, size // 2)] if epochs else ["--tune", "head"]
    started, peak, anonymous = time.monotonic(), 0, 0
    with subprocess.Popen([sys.executable, "-m", "edgeclf_runtime", *map(str, words)]) as process:
        while process.poll() is None:
            status = _status(process.pid)
            peak, anonymous = max(peak, status.get("VmHWM", 0)), max(anonymous, status.get("RssAnon", 0))
            time.sleep(0.05)
    if process.returncode:
        sys.exit(process.returncode)
    return peak, anonymous, time.monotonic() - started


def _status(number: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{number}/status").read_text("utf-8").splitlines()
    except OSError:
        return {}
    return {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines) if "kB" in value}


if __name__ == "__main__":
    main()
