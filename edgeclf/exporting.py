"""From a Run, or a published network, to a model file that has been measured."""

from __future__ import annotations

import importlib.metadata
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgeclf.answers import read_answers
from edgeclf.backbones.registry import backbone
from edgeclf.balance import balanced_rows
from edgeclf.confidence import acceptance, suggest_threshold
from edgeclf.config import preprocessing
from edgeclf.dataset import Dataset
from edgeclf.errors import DataError
from edgeclf.measuring import Measurement, measure
from edgeclf.network import build_classifier, pretrained_classifier, set_weights, with_softmax
from edgeclf.quantizing import quantize
from edgeclf.report import note_parity, write_report
from edgeclf.reporter import Quiet, Reporter
from edgeclf.run import Run
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.export import Conversion, export
from edgeclf_converters.prepared import GOLDEN_SIDE
from edgeclf_runtime.card import ModelCard, Preprocessing
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.images import find_images, read_image
from edgeclf_runtime.preprocess import Pixels, resize

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
    """Write the model file of a training and measure it on the validation part, through the runtime.

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
    place = Distribution(distribute)  # before TensorFlow computes anything, or it cannot reach the others
    weights, data, rule = run.read_arrays("weights"), run.read_split(), preprocessing(run.config)
    size = None if mode == "int8" else run.config.input_size
    model = build_classifier(run.config.network, size, len(data.labels), run.config.head)
    set_weights(model, weights)
    # By the first alone: what is computed is kept in the run's folder, which all may share.
    share, threshold = _judged(run, reporter) if place.first else (0.0, None)
    accuracy, name = {"validation_float": place.agree(share)}, run.path.resolve().name
    card = ModelCard(name, data.labels, rule, accuracy=accuracy, threshold=threshold, provenance=_provenance(run))
    rows = data.rows("validation")
    files, targets = [Path(data.files[i]) for i in rows], [int(data.targets[i]) for i in rows]

    def figures(classifier: Classifier) -> dict[str, float]:
        outcome = measure(classifier, files, targets, reporter, lambda file: data.picture(file.as_posix()))
        if outcome.skipped:
            reason = f"{outcome.skipped[0].reason} It was there when the network was trained"
            raise DataError(f"{reason}; {len(outcome.skipped)} of {len(files)} are gone.")
        _say_threshold(outcome, threshold, reporter)
        return {f"validation_{mode}": outcome.score.accuracy}

    golden = [_small(pixels) for pixels in _read_all(data, balanced_rows(data, "validation", _GOLDEN))]
    reporter.say(f"Converting to {mode}.")
    if mode != "int8":
        return export(with_softmax(model), path, card, mode=mode, golden=golden, measure=figures)
    done = quantize(
        with_softmax(model),
        run.config,
        data,
        path,
        card,
        golden,
        figures,
        reporter if place.first else Quiet(),
        method=method,
        max_drop=max_drop,
        distribution=place,
    )
    if place.first and (run.path / "metrics.json").exists():
        note_parity(run, done.path.with_suffix(".parity.json"))
        write_report(run, reporter)
    place.agree(0)  # none leaves before the others
    return done


def _judged(run: Run, reporter: Reporter) -> tuple[float, float | None]:
    """Accuracy on the validation part, and the score below which to answer "unknown", where one can be suggested."""
    known = read_answers(run, reporter)["validation"]
    accuracy = float((known.chosen == known.data.targets).mean())
    return accuracy, suggest_threshold(known.scores, known.data.targets)


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
    network = backbone(name)
    model = pretrained_classifier(network, weights)
    mean, std = (network.mean,) * 3, (network.std,) * 3
    rule = Preprocessing(network.size, network.size, resize="crop", crop=network.crop, mean=mean, std=std)
    ids, labels = _imagenet()
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
    return export(
        with_softmax(model),
        path,
        card,
        mode=mode,
        calibration=calibration if mode == "int8" else (),
        golden=golden,
    )


def _say_threshold(outcome: Measurement, threshold: float | None, reporter: Reporter) -> None:
    """What the threshold, chosen on the float network's scores, does to the file's."""
    if threshold is None:
        return
    kept = acceptance(outcome.scores, outcome.targets, threshold)
    refused = f'"unknown" below {threshold:.2f} refuses {kept.count - kept.accepted} of {kept.count}'
    reporter.say(f"Suggested threshold: {refused}; of the others {kept.right} of {kept.accepted} are right.")


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


def _imagenet() -> tuple[tuple[str, ...], tuple[str, ...]]:
    lines = (Path(__file__).parent / "backbones" / "imagenet_classes.txt").read_text("utf-8").splitlines()
    ids, labels = zip(*(line.split("\t") for line in lines), strict=True)
    return ids, labels
