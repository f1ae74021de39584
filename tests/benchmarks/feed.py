"""How many images per second training can feed to a network that takes no time: one dense layer on pooled pixels.

python -m tests.benchmarks.feed [--images 960] [--size 224] [--batch 32] [--rounds 3]

A GPU waits for whatever is slower than itself; this is what it would wait for with this machine's cores. The images
are noise, decoded beforehand as in training. Prints the median of the rounds and the processor time per image.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from edgeclf import Quiet, make_config
from edgeclf.config.train import preprocessing
from edgeclf.data.pixel_file import PixelFile
from edgeclf.exporting.int8 import qat_augment
from edgeclf.frameworks import keras
from edgeclf.model.network import HEAD
from edgeclf.training.epoch_rows import EpochRows
from edgeclf.training.finetune import FineTuner
from edgeclf.training.linear_probe import features
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import flatten
from edgeclf_converters.parity.scores import Labelled
from edgeclf_converters.quantize.qat import QatConfig, train_epochs
from edgeclf_converters.quantize.ranges import estimate, observe

CLASSES = 6
MARGIN = 8 / 7  # size of decoded images, as a multiple of a step's


@click.command()
@click.option("--images", default=960, show_default=True, help="Images in an epoch.")
@click.option("--size", default=224, show_default=True, help="Height and width of the network's input in pixels.")
@click.option("--batch", default=32, show_default=True, help="Images in a step.")
@click.option("--rounds", default=3, show_default=True, help="Epochs of each kind that are measured.")
def main(images: int, size: int, batch: int, rounds: int) -> None:
    """Print images per second for each kind of training."""
    options = {"size": size, "train_size": size, "batch_size": batch, "epochs": rounds + 1, "patience": rounds + 1}
    with tempfile.TemporaryDirectory() as folder:
        pixels = _noise(Path(folder) / "pixels", images, round(size * MARGIN))
        kinds: dict[str, Callable[[], Any]] = {
            "default": lambda: _fine_tuning(pixels, options),
            "--rand-augment 9": lambda: _fine_tuning(pixels, {**options, "rand_augment": 9.0}),
            "--camera": lambda: _fine_tuning(pixels, {**options, "camera": True}),
            "quantization-aware": lambda: _quantization_aware(pixels, options),
            "features": lambda: _features(pixels),
        }
        click.echo(f"{images} images of {pixels[0].shape[0]} pixels, {size} in a step, batches of {batch}")
        for name, begin in kinds.items():
            epoch = begin()
            epoch(0)  # traces the step
            measured = [_timed(epoch, number) for number in range(1, rounds + 1)]
            seconds, busy = np.median(measured, axis=0) / images
            click.echo(f"{name:<20} {1 / seconds:6.0f} images/s   {busy * 1e3:5.2f} ms of processor time an image")


def _timed(epoch: Callable[[int], None], number: int) -> tuple[float, float]:
    wall, busy = time.perf_counter(), time.process_time()
    epoch(number)
    return time.perf_counter() - wall, time.process_time() - busy


def _noise(path: Path, images: int, size: int) -> PixelFile:
    pixels, rng = PixelFile(path, (images, size, size)), np.random.default_rng(0)
    for row in range(images):
        pixels.write(row, rng.integers(0, 256, (size, size, 3), np.uint8))
    return pixels


def _network(size: int | None) -> Any:
    """Return a network of one dense layer, on the mean of each channel."""
    layers = keras().layers
    pooled = layers.GlobalAveragePooling2D()(image := layers.Input((size, size, 3)))
    return keras().Model(image, layers.Dense(CLASSES, name=HEAD)(pooled))


def _targets(pixels: PixelFile) -> npt.NDArray[np.int64]:
    return np.arange(len(pixels)) % CLASSES


def _fine_tuning(pixels: PixelFile, options: dict[str, object]) -> Callable[[int], None]:
    config, rows = make_config(options), np.arange(len(pixels))
    tuner = FineTuner(
        _network(None), config, pixels, EpochRows(rows, 0), _targets(pixels), (1.0,) * CLASSES, Distribution()
    )

    def epoch(number: int) -> None:
        for _, loss in tuner.epoch(number):
            last = loss
        float(last)

    return epoch


def _quantization_aware(pixels: PixelFile, options: dict[str, object]) -> Callable[[int], None]:
    config = make_config(options)
    nodes, rule = fold(flatten(_network(config.input_size))), preprocessing(config)
    sample = [image[: config.input_size, : config.input_size] for image in pixels[:8]]
    ranges = estimate(observe(nodes, sample, rule), "minmax", rule, nodes[0].name)
    data, steps = Labelled(pixels[:], _targets(pixels)), QatConfig(epochs=config.epochs, batch_size=config.batch_size)
    epochs = train_epochs(nodes, nodes, ranges, lambda after: ranges, data, rule, steps, qat_augment(config))
    return lambda number: next(epochs) and None


def _features(pixels: PixelFile) -> Callable[[int], None]:
    network, backbone, rows = _network(None), make_config({}).network, np.arange(len(pixels))
    return lambda number: features(network, pixels, rows, backbone, Distribution(), Quiet()) is None


if __name__ == "__main__":
    main()
