"""The cost of a frame: our frame path, a plain loop, MediaPipe, and the interpreter alone, in turns.

python tests/benchmarks/speed.py FOLDER [--out RUNS] [--rounds 15] [--plot FILE]   (FOLDER holds train/ and test/)

Each way is a separate process that waits while another runs; a round of all goes through the same 60 frames. Figures
are medians of the rounds; ratios are taken within a round. The model is a head trained on TrashNet, exported once; by
default its card says that JPEGs are decoded at reduced size, so that "ours" and "fast" do the same.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import cv2
import numpy as np
from photographs import require
from speed_agreement import agreements
from speed_plot import draw
from speed_start import starts
from speed_still import still

from edgeclf_runtime.pictures.images import find_images, read_image, swapped

_HERE = Path(__file__).parent
_MEDIAPIPE = _HERE.parents[1] / ".venv-mediapipe/bin/python"
_FRAMES = 60
_SIZES = ((640, 480), (1280, 720))
_WAYS = ("ours", "fast", "ours-two", "fast-two", "plain", "plain-linear", "mediapipe", "invoke")
Figures = dict[str, "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"]  # way: [rounds, (wall, cpu) ms per frame]


class Worker:
    """A process of ``speed_worker.py``."""

    def __init__(self, way: str, model: Path, source: Path, threads: int, sources: int = 1) -> None:
        python = _MEDIAPIPE if way == "mediapipe" else Path(sys.executable)
        command = [python, _HERE / "speed_worker.py", way, model, source, threads, sources]
        self._process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def round(self) -> tuple[float, float]:
        """Return wall and processor milliseconds per frame of one round."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        frames, wall, cpu = json.loads(self._answer())
        return wall / frames * 1e3, cpu / frames * 1e3

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True)
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="Model file (default: trains a head).")
@click.option("--rounds", default=15, show_default=True)
@click.option("--plot", type=click.Path(path_type=Path), help="Write a plot of the figures to this SVG file.")
def main(folder: Path, out: Path, model: Path | None, rounds: int, plot: Path | None) -> None:
    """Print tables of milliseconds per frame, by size, kind of source, threads, and number of sources."""
    require(folder, "train", "test")
    model = model or _model(folder, out)
    found: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as place:
        for size in _SIZES:
            for source in _sources(folder, Path(place), size):
                for threads in (1, 2):
                    name = f"{size[0]}x{size[1]} {'raw' if source.suffix == '.npy' else 'MJPEG'}, {threads} thread"
                    found[name] = _interleaved(model, source, threads, rounds)
                    _print(name, found[name])
        _print_growth(folder, Path(place), model, rounds)
    click.echo("\nA video of JPEGs with motion = 5:")
    for line in still(model, rounds):
        click.echo(f"  {line}")
    click.echo("")
    for line in starts(model, find_images(folder / "test")[0]):
        click.echo(line)
    click.echo("\nTrashNet's test part, JPEGs decoded at a part of their size:")
    for line in agreements([model], folder / "test"):
        click.echo(f"  {line}")
    if plot:
        draw(found, plot)


def _model(folder: Path, out: Path) -> Path:
    run = out / "speed"
    if not (run / "int8.tflite").exists():
        edgeclf = Path(sys.executable).parent / "edgeclf"
        if not (run / "metrics.json").exists():
            shutil.rmtree(run, ignore_errors=True)
            train = [edgeclf, "train", folder / "train", "--out", run, "--tune", "head"]
            subprocess.run(list(map(str, train)), check=True)
        export = [edgeclf, "export", run, "--int8", "--method", "ptq", "--output", run / "int8.tflite"]
        subprocess.run(list(map(str, export)), check=True)
    return run / "int8.tflite"


def _sources(folder: Path, place: Path, size: tuple[int, int]) -> list[Path]:
    """Write photographs of the test part at this size: as raw frames, and as a video of JPEGs (quality 90)."""
    files = find_images(folder / "test")
    chosen = files[:: max(1, len(files) // _FRAMES)][:_FRAMES]
    images = [cv2.resize(read_image(file), size, interpolation=cv2.INTER_CUBIC) for file in chosen]
    raw, video = place / f"{size[0]}.npy", place / f"{size[0]}.avi"
    np.save(raw, np.stack(images))
    writer = cv2.VideoWriter(str(video), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25, size)
    for image in images:
        writer.write(swapped(np.asarray(image, np.uint8)))
    writer.release()
    return [raw, video]


def _interleaved(model: Path, source: Path, threads: int, rounds: int) -> Figures:
    ways = [way for way in _WAYS if way != "mediapipe" or _MEDIAPIPE.exists()]
    workers = {way: Worker(way, model, source, threads) for way in ways}
    workers = {way: worker for way, worker in workers.items() if worker.alive}
    try:
        taken = [[worker.round() for worker in workers.values()] for _ in range(rounds)]
    finally:
        for worker in workers.values():
            worker.close()
    return {way: np.array(taken)[:, index] for index, way in enumerate(workers)}


def _print(name: str, figures: Figures) -> None:
    click.echo(f"\n{name}: ms a frame (and of a processor)   plain/this, this/invoke: median [quartiles]")
    for way, values in figures.items():
        wall, cpu = np.median(values, axis=0)
        faster = _spread(figures["plain"][:, 0] / values[:, 0])
        dearer = _spread(values[:, 0] / figures["invoke"][:, 0])
        share = _spread(values[:, 1] / figures["plain"][:, 1])
        click.echo(f"  {way:<13} {wall:6.2f} ({cpu:5.2f})   {faster}   {dearer}   processor/plain {share}")
    if "mediapipe" not in figures:
        click.echo("  mediapipe: not measured; make test-interop builds its environment, which needs libegl1 libgles2")


def _spread(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:5.2f} [{low:.2f}, {high:.2f}]"


def _print_growth(folder: Path, place: Path, model: Path, rounds: int) -> None:
    click.echo("\nFilms of JPEGs sharing two interpreters: frames a second in all, by size and number of sources")
    for size in ((320, 240), (640, 480), (1280, 720), (1920, 1080)):
        video = _sources(folder, place, size)[1]
        workers = [Worker("ours-two", model, video, 1, sources) for sources in (1, 2, 4)]
        taken = np.array([[worker.round()[0] for worker in workers] for _ in range(max(3, rounds // 3))])
        for worker in workers:
            worker.close()
        each = "  ".join(
            f"{count} source{'s' * (count > 1)} {1e3 / value:6.0f}"
            for count, value in zip((1, 2, 4), np.median(taken, axis=0), strict=True)
        )
        click.echo(f"  {size[0]}x{size[1]:<5} {each}")


if __name__ == "__main__":
    main()
