"""Export a run, or a published network, as a model file and evaluate the file."""

from __future__ import annotations

import importlib.metadata
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeclf.config.train import preprocessing
from edgeclf.data.dataset import Dataset
from edgeclf.errors import DataError
from edgeclf.exporting.camera_faults import note_camera_faults
from edgeclf.exporting.familiarity import RunFamiliarity
from edgeclf.exporting.figures import FileFigures, float_accuracy
from edgeclf.exporting.int8 import quantize
from edgeclf.exporting.label_sets import SetFigures, float_figures
from edgeclf.framework_errors import start_tensorflow
from edgeclf.frameworks import refuse_unrepeatable
from edgeclf.metrics.calibration import suggest_threshold
from edgeclf.model.backbones.imagenet import imagenet_classes
from edgeclf.model.backbones.registry import backbone
from edgeclf.model.network import (
    build_classifier,
    pretrained_classifier,
    published_preprocessing,
    set_weights,
    with_sigmoid,
    with_softmax,
)
from edgeclf.progress import Quiet, Reporter
from edgeclf.reports.label_sets import label_thresholds
from edgeclf.reports.report import note_parity, write_report
from edgeclf.runs.environment import file_origin
from edgeclf.runs.predictions import Answers, read_answers
from edgeclf.runs.run import Run
from edgeclf.training.class_weights import balanced_rows
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.errors import ConversionError
from edgeclf_converters.export import Conversion, check_target, convert_int8, export
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.golden import small
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing, resize
from edgeclf_runtime.system.native_lines import without_codec_lines
from edgeclf_runtime.system.plain_text import counted

__all__ = ["export_pretrained", "export_run", "sample_crops"]

_CALIBRATION = 200  # number of calibration images for a pretrained network
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
    """Write the model file of a run and evaluate it with the runtime on the validation part and any test part.

    The file's card has the suggested threshold of the run's report; an int8 file's figures are added to the report.

    Args:
        run: a training whose head was fitted.
        path: the file to write.
        mode: one of ``edgeclf_converters.MODES``.
        method, max_drop: for int8; see ``edgeclf_converters.convert_int8``.
        distribute: how quantization-aware training is distributed; one of ``edgeclf_converters.distribution.WAYS``.

    Returns:
        what was written; also after Ctrl-C if an int8 file was finished (see ``Conversion.interrupted``).

    Raises:
        RunError: the training was stopped before its head was fitted.
        DataError: images are missing.
        ConversionError: the network cannot be converted; see ``edgeclf_converters.export``.
    """
    trains = mode == "int8" and method != "ptq"
    refuse_unrepeatable(run.config.deterministic and trains, "quantization-aware training", "Pass --method ptq")
    start_tensorflow(reporter)
    distribution = Distribution(distribute)  # before TensorFlow computes anything, or it cannot reach the other workers
    weights, data, rule = run.read_arrays("weights"), run.read_split(), preprocessing(run.config)
    size = None if mode == "int8" else run.config.input_size
    model = build_classifier(run.config.network, size, len(data.labels), run.config.head)
    set_weights(model, weights)
    # Only the first worker computes the predictions: they are written to the run folder, which all may share.
    answers = read_answers(run, reporter) if distribution.first else {}
    distribution.agree(0)
    card = ModelCard(run.path.resolve().name, data.labels, rule, provenance=_provenance(run), view=run.config.view)
    card = _judged(card, run, answers)
    figures, familiarity = _measures(run, data, card, answers, mode, reporter)
    classifier = (with_sigmoid if run.config.several_labels else with_softmax)(model)
    golden = [small(pixels) for pixels in _read_all(data, balanced_rows(data, "validation", _GOLDEN), rule)]
    if mode != "int8":
        with reporter.bar(f"Converting to {mode}", 0):
            done = export(classifier, path, card, mode=mode, golden=golden, measure=figures, familiarity=familiarity)
        if familiarity is not None:
            familiarity.write(done.path)
        return _as_written(done)
    done = quantize(
        classifier,
        run.config,
        data,
        path,
        card,
        golden,
        figures,
        familiarity,
        reporter if distribution.first else Quiet(),
        method=method,
        max_drop=max_drop,
        distribution=distribution,
    )
    if distribution.first and (run.path / "metrics.json").exists():
        note_parity(run, done.path.with_suffix(".parity.json"))
        if familiarity is not None:
            familiarity.write(done.path)
        if not done.interrupted and isinstance(figures, FileFigures):
            note_camera_faults(run, done.path, figures.validation, answers["validation"].data, reporter)
        write_report(run, reporter)
        done = _as_written(done)
    distribution.agree(0)  # all workers finish together
    return done


def _judged(card: ModelCard, run: Run, answers: Mapping[str, Answers]) -> ModelCard:
    """Return the card with the float network's figures and the thresholds, chosen on the validation part."""
    validation = answers.get("validation")
    if run.config.several_labels:
        limits = label_thresholds(run, answers) if validation is not None else [0.5] * len(card.labels)
        return replace(card, accuracy=float_figures(answers, limits), label_thresholds=tuple(limits))
    threshold = None if validation is None else suggest_threshold(validation.scores, validation.data.targets)
    return replace(card, accuracy=float_accuracy(answers), threshold=threshold)


def _measures(
    run: Run, data: Dataset, card: ModelCard, answers: Mapping[str, Answers], mode: str, reporter: Reporter
) -> tuple[FileFigures | SetFigures, RunFamiliarity | None]:
    """Return what evaluates the file, and what fits its familiarity, which needs one label per image."""
    if run.config.several_labels:
        reporter.say("Without familiarity: it needs images with one label each.")
        return SetFigures(answers, mode, reporter), None
    figures = FileFigures(answers, mode, card.threshold, reporter)
    return figures, RunFamiliarity(data, figures, reporter)


def _as_written(done: Conversion) -> Conversion:
    """Return the conversion with the size of the complete file: examples and more were added to it."""
    return replace(done, bytes=done.path.stat().st_size)


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
        name: name of the backbone.
        path, mode: see ``export_run``.
        weights: a weights file to use instead of the installed package's.
        photographs: a folder of photographs to calibrate int8 on; None quantizes without images, by the batch norms.

    Raises:
        ConfigError, WeightsError, ConversionError: the network or its weights cannot be used or converted.
        DataError: the folder has no photographs.
    """
    check_target(path)
    start_tensorflow(reporter)
    network = backbone(name)
    model = pretrained_classifier(network, weights)
    rule = published_preprocessing(network)
    ids, labels = imagenet_classes()
    provenance = {
        "backbone": name,
        **({"weights": "ImageNet, as published"} if weights is None else file_origin(weights)),
        "edgeclf": importlib.metadata.version("edgeclf"),
    }
    card = ModelCard(f"{name} ImageNet", labels, rule, label_ids=ids, provenance=provenance)
    pictures = _photographs(photographs) if photographs else iter(sample_crops(network.size, _GOLDEN))
    golden: list[Pixels] = []
    calibration: list[Pixels] = []
    for pixels in itertools.islice(pictures, _CALIBRATION if mode == "int8" else _GOLDEN):
        golden += [small(pixels)] if len(golden) < _GOLDEN else []
        calibration.append(resize(pixels, rule))  # resized at once: 200 full-size photographs take gigabytes
    if mode == "int8" and photographs:
        count = counted(len(calibration), "image")
        reporter.say(f"Converting to int8 on {count} of {photographs}, judged by the float network's answers to them.")
        return convert_int8(with_softmax(model), calibration, path, card, golden=golden, method="ptq", say=reporter.say)
    reporter.say(f"Converting to {mode}{', by the statistics of its batch norms' if mode == 'int8' else ''}.")
    try:
        with reporter.bar(f"Converting to {mode}", 0):
            return export(with_softmax(model), path, card, mode=mode, golden=golden)
    except ConversionError as error:
        raise ConversionError(f"{name}: {error}{' Pass --calibration DIR.' if mode == 'int8' else ''}") from error


def _provenance(run: Run) -> dict[str, str]:
    environment, config = run.read_json("environment"), run.config
    return {
        "backbone": config.backbone,
        **environment.get("weights", {}),
        "seed": str(config.seed),
        "command": str(environment["command"]),
        **_run_before(run),
        **{name: str(version) for name, version in environment["packages"].items()},
    }


def _run_before(run: Run) -> dict[str, str]:
    """Return the run that the training started from and the hash of its weights; nothing if there was none."""
    if run.config.from_run is None:
        return {}
    before = run.read_json("before")
    return {"from": Path(before["run"]).name, "from_weights": str(before["weights_sha256"])}


def _read_all(data: Dataset, rows: Sequence[int], rule: Preprocessing) -> list[Pixels]:
    try:
        with without_codec_lines():
            return [data.picture(data.files[row], rule) for row in rows]
    except ImageError as error:
        raise DataError(f"{error} The model was trained with it; restore the file, or train again.") from None


def _photographs(folder: Path) -> Iterator[Pixels]:
    """Yield the folder's photographs, shuffled with a fixed seed."""
    try:
        files = find_images(folder)
        if not files:
            raise DataError(f"{folder}: contains no images.")
        for row in np.random.default_rng(0).permutation(len(files)):
            yield read_image(files[row])
    except ImageError as error:
        raise DataError(str(error)) from None


def sample_crops(size: int, count: int) -> list[Pixels]:
    """Crop two real photographs, a building and a flower, at many places and scales."""
    from sklearn.datasets import load_sample_images

    rng, pictures = np.random.default_rng(0), []
    for number in range(count):
        pixels = load_sample_images().images[number % 2]
        height, width = pixels.shape[:2]
        side = int(rng.integers(size // 2, min(height, width)))
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        pictures.append(np.ascontiguousarray(pixels[top : top + side, left : left + side], np.uint8))
    return pictures
