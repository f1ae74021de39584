"""Our int8 file used as Frigate does and as we do, compared with a file trained by a recipe like Frigate's own.

python -m tests.benchmarks.frigate FOLDER [--model FILE] [--seeds 0,1,2] [--out OUT]

FOLDER holds train/ and test/. The recipe: a frozen pretrained network, a layer of 128 features with dropout and a dense
layer trained for 50 epochs by Adam at 1e-3, no augmentation, the first fifth of each class unused, and min-max
calibration on the first 300 images in the order of the folders. Frigate's network is MobileNetV2 0.35; here it is ours,
so that only the training differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import numpy.typing as npt

from edgeclf import Terminal, export, make_config, train
from edgeclf.data.folders import scan
from edgeclf.exporting.frigate import write_for_frigate
from edgeclf.model.backbones.registry import backbone
from edgeclf.model.network import build_classifier
from edgeclf_converters.frameworks import keras, tensorflow
from edgeclf_runtime import Classifier
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.system.atomic_file import write_text, written_beside
from tests.benchmarks.intervals import points_lost
from tests.benchmarks.photographs import require
from tests.interop.frigate_labels import frigate_labels

_CALIBRATION = 300
_UNUSED = 0.2


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), help="Our int8 file (default: trained with seed 0).")
@click.option("--seeds", default="0,1,2", show_default=True, help="Of the recipe's head.")
@click.option("--epochs", default=50, show_default=True, help="Of the recipe's head.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/frigate"), show_default=True)
def main(folder: Path, model: Path | None, seeds: str, epochs: int, out: Path) -> None:
    """Print the accuracy of each on the test part, and the points lost against our own use of our file."""
    require(folder, "train", "test")
    out.mkdir(parents=True, exist_ok=True)
    test = scan(folder / "test")[0]
    images, names = [test.root / file for file in test.files], np.array(test.labels)[test.targets]
    file = model or _ours(folder / "train", out)
    card = read_model(file).card
    place, size = write_for_frigate(file, replace(card, name="ours"), out), card.preprocessing.height
    with Classifier.load(file) as classifier:
        ours = np.array([classifier.classify(image).label for image in images]) == names
    click.echo(f"our file, our way        {ours.mean():7.2%}")
    theirs = _by_frigates_way(place, images, size) == names
    click.echo(f"our file, Frigate's way  {theirs.mean():7.2%}  {points_lost(ours[np.newaxis], theirs[np.newaxis])}")
    recipe = _Recipe(folder / "train", size)
    rows = []
    for seed in map(int, seeds.split(",")):
        recipe.write(out / f"recipe-{seed}", seed, epochs)
        rows.append(_by_frigates_way(out / f"recipe-{seed}", images, size) == names)
        click.echo(f"its recipe, seed {seed}       {rows[-1].mean():7.2%}")
    hits = np.stack(rows)
    click.echo(f"its recipe               {hits.mean():7.2%}  {points_lost(np.stack([ours] * len(rows)), hits)}")


def _ours(photographs: Path, out: Path) -> Path:
    run = train(photographs, out / "run", make_config({}), Terminal())
    return export(run, out / "ours.tflite", "int8", Terminal()).path


def _by_frigates_way(place: Path, images: list[Path], size: int) -> npt.NDArray[np.str_]:
    return np.array([label for label, _ in frigate_labels(place, images, size)])


class _Recipe:
    """The frozen network and its features of the training images, which never change without augmentation."""

    def __init__(self, photographs: Path, size: int) -> None:
        data = scan(photographs)[0]
        self._images, self._labels = [data.root / file for file in data.files], data.labels
        network = backbone("efficientnet-lite0")
        whole = build_classifier(network, size, 1)
        network.load(whole, network.name, None)
        self._frozen = keras().Model(whole.input, whole.layers[-1].input)
        self._size, self._mean, self._std = size, network.mean, network.std
        used = [_used(data.targets, target) for target in range(len(data.labels))]
        self._rows = np.concatenate(used)
        self._targets = data.targets[self._rows]
        batches = (np.stack(batch) for batch in _batches([self._images[row] for row in self._rows], size))
        self._features = np.concatenate([self._frozen(self._normalized(batch)).numpy() for batch in batches])

    def _normalized(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.asarray((pixels.astype(np.float32) - self._mean) / self._std, np.float32)

    def write(self, place: Path, seed: int, epochs: int) -> None:
        """Train a head, and write its network's file and labels as Frigate does."""
        keras().utils.set_random_seed(seed)
        layers = keras().layers
        features = keras().Input(self._features.shape[1:])
        hidden = layers.Dropout(0.3)(layers.Dense(128, activation="relu")(features))
        head = keras().Model(features, layers.Dense(len(self._labels), activation="softmax")(hidden))
        head.compile(keras().optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
        head.fit(self._features, self._targets, batch_size=16, epochs=epochs, verbose=0)
        place.mkdir(exist_ok=True)
        source = keras().Input((self._size, self._size, 3), batch_size=1)
        content = self._converted(keras().Model(source, head(self._frozen(source), training=False)))
        with written_beside(place / "model.tflite") as hidden_file:
            hidden_file.write_bytes(content)
        write_text(place / "labelmap.txt", "".join(f"{label}\n" for label in self._labels))

    def _converted(self, model: Any) -> bytes:
        tf = tensorflow()
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = self._calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        return bytes(converter.convert())

    def _calibration(self) -> Iterator[list[npt.NDArray[np.float32]]]:
        for path in self._images[:_CALIBRATION]:
            yield [self._normalized(_pixels(path, self._size)[np.newaxis])]


def _used(targets: npt.NDArray[np.int64], target: int) -> npt.NDArray[np.int64]:
    rows = np.flatnonzero(targets == target)
    return rows[int(_UNUSED * len(rows)) :]


def _batches(images: list[Path], size: int) -> Iterator[list[npt.NDArray[np.uint8]]]:
    for start in range(0, len(images), 32):
        yield [_pixels(path, size) for path in images[start : start + 32]]


def _pixels(path: Path, size: int) -> npt.NDArray[np.uint8]:
    """Read an image and resize it, as Frigate does."""
    rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.resize(rgb, (size, size)), np.uint8)


if __name__ == "__main__":
    main()
