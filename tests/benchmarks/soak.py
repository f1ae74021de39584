"""The whole product over many frames: camera, broker and model file are replaced, memory and age are measured.

python -m tests.benchmarks.soak [--frames 200000] [--restart 5000] [--swaps 40] [--camera rtsp|mjpeg] [--cameras 1]

A real ``edgeclf run`` reads RTSP, or Motion JPEG over HTTP, writes JSON lines, CSV, snapshots, MQTT and Prometheus
metrics, and serves its page to one viewer of images and one of the state. With several cameras, each has two zones.
Every ``--restart`` frames one camera, in turn, and mosquitto are stopped for a second, and the model file is replaced.
Exits with status 1 if memory grows steadily by more than ``--growth`` or at once by twice that, a reconnect is missing,
or a frame is older than ``--age``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import cv2
import numpy as np

from tests.benchmarks.soak_product import ADOPTED, AGE, FRAMES, REOPENED, Product
from tests.benchmarks.soak_world import Camera, Ear, Lookers, RtspCamera, known_digits, open_camera
from tests.runtime.mqtt_broker import Broker


class Record:
    """The samples of memory, age and reconnects."""

    def __init__(self) -> None:
        self.frames, self.memory, self.age = list[float](), list[int](), list[float]()

    def add(self, frames: float, memory: int, age: float) -> None:
        self.frames.append(frames)
        self.memory.append(memory)
        self.age.append(age)

    def trend(self, warm: float) -> tuple[float, float]:
        """Return the growth in MiB after a start: by the slope alone, and from first to last.

        The slope is the median of the slopes between any two samples (Theil, 1950; Sen, JASA 1968): a leak raises it, a
        heap that grows once when many buffers coincide does not.
        """
        from scipy.stats import theilslopes

        frames, memory = np.array([(f, m / 1024) for f, m in zip(self.frames, self.memory, strict=True) if f >= warm]).T
        thinned = slice(None, None, -(-len(frames) // 1000))
        slope = theilslopes(memory[thinned], frames[thinned]).slope
        tenth = max(1, len(memory) // 10)
        return float(slope * (frames[-1] - frames[0])), float(np.median(memory[-tenth:]) - np.median(memory[:tenth]))


@click.command()
@click.option("--frames", default=200_000, show_default=True)
@click.option("--restart", default=5_000, show_default=True, help="Frames between two restarts of camera and broker.")
@click.option("--swaps", default=40, show_default=True, help="Model files replaced before memory is measured.")
@click.option("--camera", "kind", type=click.Choice(["rtsp", "mjpeg"]), default="rtsp", show_default=True)
@click.option("--cameras", "count", default=1, show_default=True, help="Number of cameras.")
@click.option("--fps", default=250.0, show_default=True, help="Frames per second of each camera.")
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="Model file (default: trains one).")
@click.option("--more", default="", help="More options for edgeclf run.")
@click.option("--growth", default=4.0, show_default=True, help="Steady growth of memory allowed over the run, in MiB.")
@click.option("--age", default=1.0, show_default=True, help="Maximum age of a frame at its answer, in seconds.")
def main(
    frames: int,
    restart: int,
    swaps: int,
    kind: str,
    count: int,
    fps: float,
    model: Path | None,
    more: str,
    growth: float,
    age: float,
) -> None:
    """Print the measurements, and those that break a limit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cameras = [open_camera(kind, fps, folder / f"camera{number}") for number in range(count)]
        broker = Broker(folder, "max_packet_size 4096\n")  # less than its images need
        ear = Ear(broker.port)
        urls = [camera.url for camera in cameras]
        product = Product(folder, model or _trained(folder), urls, broker.port, more)
        lookers = Lookers(product.web)
        try:
            product.swap(swaps)
            record, restarts, missed, figures = _soak(product, cameras, broker, ear, frames, restart)
            status, seconds = product.close()
        finally:
            product.process.kill()
            lookers.close()
            ear.close()
            for camera in cameras:
                camera.stop()
            broker.stop()
    leaked, grown = record.trend(warm=frames / 5)
    reopened, adopted = figures[REOPENED], figures.get(ADOPTED, 0)
    heard = f"messages heard {ear.messages}, {ear.pictures} of them pictures"
    click.echo(f"frames {record.frames[-1]:.0f}, {heard}, restarts {restarts}")
    click.echo(f"the page: {lookers.pictures} pieces of live pictures, {lookers.states} states")
    click.echo(f"memory {record.memory[0] >> 10} MiB at first, {record.memory[-1] >> 10} at last")
    click.echo(f"growth after {frames / 5:.0f} frames: by the slope {leaked:+.2f} MiB, {growth} allowed;")
    click.echo(f"from first to last {grown:+.2f} MiB, {2 * growth} allowed")
    oldest, usual = max(record.age), float(np.percentile(record.age, 95))
    click.echo(f"age of a frame at its answer: {usual * 1e3:.1f} ms (95% of samples), {oldest * 1e3:.1f} ms at most")
    click.echo(
        f"camera reopened {reopened:.0f} times, broker or model missed {missed} times, models adopted {adopted:.0f}"
    )
    click.echo(f"after SIGTERM: exit status {status} in {seconds:.2f} s")
    wrong = [
        leaked > growth,
        grown > 2 * growth,
        oldest > age,
        reopened < restarts,
        missed > 0,
        adopted < restarts + swaps,
        status != 0,
        not ear.pictures,
        not lookers.pictures,
        not lookers.states,
    ]
    if any(wrong):
        raise click.ClickException("not as promised")


def _soak(
    product: Product, cameras: Sequence[Camera | RtspCamera], broker: Broker, ear: Ear, frames: int, restart: int
) -> tuple[Record, int, int, dict[str, float]]:
    """Return all samples, the number of restarts, the number of missing reconnects or models, and the last figures."""
    record, restarts, missed, figures = Record(), 0, 0, dict[str, float]()
    first = product.figures().get(FRAMES, 0)
    while figures.get(FRAMES, 0) - first < frames:
        if product.process.poll() is not None:
            raise click.ClickException(f"it ended with exit status {product.process.returncode}")
        time.sleep(0.5)
        figures = product.figures() or figures
        done = figures.get(FRAMES, first) - first
        if done <= 0:
            continue
        memory, threads = product.memory()
        record.add(done, memory, figures[AGE])
        if done >= (restarts + 1) * restart and done < frames - restart / 2:
            missed += not _restarted(product, cameras[restarts % len(cameras)], broker, ear)
            restarts += 1
            click.echo(f"{done:.0f} frames: {memory >> 10} MiB, {threads} threads", err=True)
    return record, restarts, missed, figures


def _restarted(product: Product, camera: Camera | RtspCamera, broker: Broker, ear: Ear) -> bool:
    """Return whether edgeclf adopts the new model file and publishes to the new broker."""
    adopted = product.figures().get(ADOPTED, 0)
    product.replace_model()
    camera.stop()
    broker.stop()
    time.sleep(1)
    ear.online.clear()
    broker.start()
    camera.start()
    return ear.online.wait(60) and product.adopts(adopted, 60)


def _trained(folder: Path) -> Path:
    """Train a small int8 model of three digits."""
    from edgeclf import Quiet, export, make_config, train

    for digit, images in known_digits().items():
        (folder / "digits" / str(digit)).mkdir(parents=True)
        for number, image in enumerate(images):
            cv2.imwrite(str(folder / "digits" / str(digit) / f"{number}.png"), image)
    chosen: dict[str, object] = {"size": 64, "train_size": 64, "epochs": 1, "batch_size": 16, "flip": False}
    run = train(folder / "digits", folder / "run", make_config(chosen), Quiet())
    export(run, folder / "small.tflite", "int8", Quiet())
    return folder / "small.tflite"


if __name__ == "__main__":
    main()
