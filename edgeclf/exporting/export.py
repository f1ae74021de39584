"""From a Run, or a published network, to a model file that has been measured."""

from __future__ import annotations

import importlib.metadata
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgeclf.config.train import preprocessing
from edgeclf.data.dataset import Dataset
from edgeclf.errors import DataError
from edgeclf.exporting.figures import FileFigures, float_accuracy
from edgeclf.exporting.int8 import quantize
from edgeclf.framework_errors import start_tensorflow
from edgeclf.frameworks import refuse_unrepeatable
from edgeclf.metrics.calibration import suggest_threshold
from edgeclf.model.backbones.imagenet import imagenet_classes
from edgeclf.model.backbones.registry import backbone
from edgeclf.model.network import build_classifier, pretrained_classifier, set_weights, with_softmax
from edgeclf.progress import Quiet, Reporter
from edgeclf.reports.report import note_parity, write_report
from edgeclf.runs.predictions import read_answers
from edgeclf.runs.run import Run
from edgeclf.training.class_weights import balanced_rows
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.export import Conversion, export
from edgeclf_converters.tflite.prepared import GOLDEN_SIDE
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing, resize
from edgeclf_runtime.system.native_lines import without_codec_lines

__all__ = ["export_pretrained", "export_run"]

_CALIBRATION = 200  # pictures, for a pretrained network
_GOLDEN = 8


def export_run(
    run: Run,
    path: Path,
    mode: str,
    reporter: Reporter,
    *,
    method: str = "auto",
    max_drop: float | None = None,
    distribute: str = "none",
) -> Conversion:
    """Write the model file of a training and measure it through the runtime, on the validation and any test part.

    Its card suggests the threshold of the run's report; int8 against float is added to the report.

    Args:
        run: a training that got as far as its head.
        path: of the file.
        mode: one of ``edgeclf_converters.MODES``.
        method, max_drop: of int8; see ``edgeclf_converters.convert_int8``.
        distribute: of its training; one of ``edgeclf_converters.distribution.WAYS``.

    Returns:
        what was written; also after Ctrl-C, once an int8 file was finished (see ``Conversion.interrupted``).

    Raises:
        RunError: the training did not get that far.
        DataError: its pictures are gone.
        ConversionError: see ``edgeclf_converters.export``.
    """
    trains = mode == "int8" and method != "ptq"
    refuse_unrepeatable(run.config.deterministic and trains, "quantization-aware training", "Pass --method ptq")
    start_tensorflow(reporter)
    distribution = Distribution(distribute)  # before TensorFlow computes anything, or it cannot reach the others
    weights, data, rule = run.read_arrays("weights"), run.read_split(), preprocessing(run.config)
    size = None if mode == "int8" else run.config.input_size
    model = build_classifier(run.config.network, size, len(data.labels), run.config.head)
    set_weights(model, weights)
    # By the first alone: what is computed is kept in the run's folder, which all may share.
    answers = read_answers(run, reporter) if distribution.first else {}
    distribution.agree(0)
    validation = answers.get("validation")
    threshold = None if validation is None else suggest_threshold(validation.scores, validation.data.targets)
    accuracy, name = float_accuracy(answers), run.path.resolve().name
    card = ModelCard(name, data.labels, rule, (), accuracy, threshold, _provenance(run), run.config.view)
    figures = FileFigures(answers, mode, threshold, reporter)
    golden = [_small(pixels) for pixels in _read_all(data, balanced_rows(data, "validation", _GOLDEN))]
    if mode != "int8":
        with reporter.bar(f"Converting to {mode}", 0):
            return export(with_softmax(model), path, card, mode=mode, golden=golden, measure=figures)
    done = quantize(
        with_softmax(model),
        run.config,
        data,
        path,
        card,
        golden,
        figures,
        reporter if distribution.first else Quiet(),
        method=method,
        max_drop=max_drop,
        distribution=distribution,
    )
    if distribution.first and (run.path / "metrics.json").exists():
        note_parity(run, done.path.with_suffix(".parity.json"))
        write_report(run, reporter)
    distribution.agree(0)  # none leaves before the others
    return done


def export_pretrained(
    name: str,
    path: Path,
    mode: str,
    reporter: Reporter,
    *,
    weights: Path | None = None,
    photographs: Path | None = None,
) -> Conversion:
    """Write the model file of a backbone's published 1,000-class ImageNet classifier.

    Args:
        name: of the backbone.
        path, mode: see ``export_run``.
        weights: in place of the installed package's.
        photographs: a folder of photographs to calibrate int8 on; by default crops of the two that scikit-learn has.

    Raises:
        ConfigError, WeightsError, ConversionError: see their texts.
        DataError: no photographs in the folder.
    """
    start_tensorflow(reporter)
    network = backbone(name)
    model = pretrained_classifier(network, weights)
    mean, std = (network.mean,) * 3, (network.std,) * 3
    rule = Preprocessing(network.size, network.size, resize="crop", crop=network.crop, mean=mean, std=std)
    ids, labels = imagenet_classes()
    provenance = {
        "backbone": name,
        "weights": "ImageNet, as published",
        "edgeclf": importlib.metadata.version("edgeclf"),
    }
    card = ModelCard(f"{name} ImageNet", labels, rule, label_ids=ids, provenance=provenance)
    pictures = _photographs(photographs) if photographs else iter(_crops(network.size))
    golden: list[Pixels] = []
    calibration: list[Pixels] = []
    for pixels in itertools.islice(pictures, _CALIBRATION if mode == "int8" else _GOLDEN):
        golden += [_small(pixels)] if len(golden) < _GOLDEN else []
        calibration.append(resize(pixels, rule))  # at once: 200 whole photographs are gigabytes
    reporter.say(
        f"Converting to {mode}; pictures for calibration and checks: {photographs or 'those of scikit-learn'}."
    )
    chosen = calibration if mode == "int8" else ()
    with reporter.bar(f"Converting to {mode}", 0):
        return export(with_softmax(model), path, card, mode=mode, calibration=chosen, golden=golden)


def _provenance(run: Run) -> dict[str, str]:
    environment, config = run.read_json("environment"), run.config
    return {
        "backbone": config.backbone,
        "seed": str(config.seed),
        "command": str(environment["command"]),
        **{name: str(version) for name, version in environment["packages"].items()},
    }


def _read_all(data: Dataset, rows: Sequence[int]) -> list[Pixels]:
    try:
        with without_codec_lines():
            return [data.picture(data.files[row]) for row in rows]
    except ImageError as error:
        raise DataError(f"{error} It was there when the model was trained; put it back, or train anew.") from None


def _photographs(folder: Path) -> Iterator[Pixels]:
    """Read one by one, in the order of a seed."""
    try:
        files = find_images(folder)
        if not files:
            raise DataError(f"{folder}: no pictures in it.")
        for row in np.random.default_rng(0).permutation(len(files)):
            yield read_image(files[row])
    except ImageError as error:
        raise DataError(str(error)) from None


def _crops(size: int) -> list[Pixels]:
    """Crops of many places and scales of two real photographs, a building and a flower."""
    from sklearn.datasets import load_sample_images

    rng, pictures = np.random.default_rng(0), []
    for turn in range(_CALIBRATION // 2):
        pixels = load_sample_images().images[turn % 2]
        height, width = pixels.shape[:2]
        side = int(rng.integers(size // 2, min(height, width)))
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        pictures.append(np.ascontiguousarray(pixels[top : top + side, left : left + side], np.uint8))
    return pictures


def _small(pixels: Pixels) -> Pixels:
    """At most the size of a golden picture, in its own proportions."""
    height, width = pixels.shape[:2]
    scale = min(1.0, GOLDEN_SIDE / max(height, width))
    return resize(pixels, Preprocessing(max(1, round(width * scale)), max(1, round(height * scale))))
