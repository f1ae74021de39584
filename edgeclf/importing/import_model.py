"""Import a classifier from an ONNX file: convert it, quantize it to int8 and compare the file with the original."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.errors import DataError
from edgeclf.exporting.page import write_parity
from edgeclf.framework_errors import start_tensorflow
from edgeclf.importing.converter import OnnxConverter
from edgeclf.importing.file_measures import FileMeasures
from edgeclf.importing.images import ImportImages, found_images, read_images
from edgeclf.metrics.calibration import suggest_threshold
from edgeclf.model.network import with_softmax
from edgeclf.progress import Reporter
from edgeclf_converters.edgetpu.check import EdgeTpuCheck, check_edgetpu
from edgeclf_converters.export import Conversion, check_target, convert_int8
from edgeclf_converters.graph.float_network import float_network
from edgeclf_converters.parity.scores import Labelled, network_scores
from edgeclf_converters.quantize.int8 import FLOAT_ANSWERS
from edgeclf_converters.report import parity_report
from edgeclf_converters.work_folder import work_folder
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.system.plain_text import counted

__all__ = ["Imported", "InputRule", "check_agreement", "import_onnx", "with_scores", "write_int8"]

_AGREE = 0.01  # as a share of the scores' standard deviation; rounding gives about 0.0003


@dataclass(frozen=True)
class InputRule:
    """The preprocessing that the network was trained with.

    Attributes:
        mean, std: for pixels in 0..255, one value or one per channel; the input is ``(pixel - mean) / std``.
        crop: share of the largest centre crop to keep; None for the whole image, stretched.
        size: height and width if the file leaves them open, else None.

    Raises:
        ModelError: invalid value.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: float | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        side = 1 if self.size is None else self.size
        self.preprocessing(side, side)  # refuses invalid values before anything is read

    def preprocessing(self, height: int, width: int) -> Preprocessing:
        """Return the preprocessing for an input of this size."""
        mean, std = (values * 3 if len(values) == 1 else values for values in (self.mean, self.std))
        resize = "stretch" if self.crop is None else "crop"
        return Preprocessing(
            width,
            height,
            resize=resize,
            crop=self.crop or 1.0,
            mean=(mean[0], mean[1], mean[2]),
            std=(std[0], std[1], std[2]),
        )


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        conversion: what was written, with the comparison of float and int8.
        edgetpu: which operators would run on a Coral Edge TPU.
    """

    conversion: Conversion
    edgetpu: EdgeTpuCheck


def import_onnx(
    model: Path,
    path: Path,
    labels: Sequence[str],
    rule: InputRule,
    images: Path,
    environment: Path,
    reporter: Reporter,
    *,
    max_drop: float | None = None,
) -> Imported:
    """Write the int8 model file of an ONNX classifier and the page that compares it with the float network.

    Args:
        model: the ONNX file, with one image as input and one score per label as output.
        path: the file to write.
        labels: the labels in the order of the network's outputs.
        images: a folder of photographs like those that the model will see; if all are in folders named after labels,
            these are their labels.
        environment: see ``OnnxConverter``.
        max_drop: see ``edgeclf_converters.convert_int8``.

    Raises:
        DataError: the file or the images cannot be used; the error names a layer that cannot be converted.
        ConfigError: the converter is not installed.
        ConversionError: the network cannot be quantized.
    """
    check_target(path)
    photographs = found_images(images)
    with work_folder(path, "import") as folder:
        converter = OnnxConverter(model, environment, folder)
        with reporter.bar("Reading the network", 0):
            found = converter.look(None if rule.size is None else (rule.size, rule.size))
        if found["classes"] not in (None, len(labels)):
            outputs = counted(int(found["classes"]), "output")
            raise DataError(f"{model}: has {outputs}, but there are {counted(len(labels), 'label')}.")
        preprocessing = rule.preprocessing(*found["size"])
        given = read_images(images, photographs, preprocessing, labels, reporter)
        with reporter.bar("Converting", 0):
            content, wanted, made_by = converter.convert(_normalized(given, preprocessing))
    start_tensorflow(reporter)
    network = float_network(content)
    difference = check_agreement(network, wanted, given, preprocessing)
    reporter.say(
        f"Converted by {made_by}. On {counted(len(wanted), 'image')}, the scores differ from ONNX Runtime by at most "
        f"{difference:.1e} of their standard deviation."
    )
    provenance = {
        "imported from": model.name,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "converter": made_by,
        "edgeclf": importlib.metadata.version("edgeclf"),
    }
    card = ModelCard(model.stem, tuple(labels), preprocessing, provenance=provenance)
    return write_int8(with_scores(network), path, card, given, reporter, max_drop)


def _normalized(given: ImportImages, rule: Preprocessing) -> npt.NDArray[np.float32]:
    mean, std = np.array(rule.mean, np.float32), np.array(rule.std, np.float32)
    return (given.judged[:64].astype(np.float32) - mean) / std


def check_agreement(network: Any, wanted: npt.NDArray[np.float32], given: ImportImages, rule: Preprocessing) -> float:
    """Compare the network with ONNX Runtime's scores of the first judged images.

    Returns:
        the largest difference, as a share of the scores' standard deviation.

    Raises:
        DataError: they differ by more than rounding explains.
    """
    scores = network_scores(network, given.judged[: len(wanted)], rule)
    difference = float(np.abs(scores - wanted).max() / max(float(wanted.std()), 1e-9))
    if not difference <= _AGREE:  # also true for NaN
        raise DataError(
            f"The scores of the converted network differ from ONNX Runtime by {difference:.2g} of their standard "
            "deviation, more than rounding explains: the conversion is wrong. Nothing was written."
        )
    return difference


def with_scores(network: Any) -> Any:
    """Return the network with a softmax at its end.

    Raises:
        DataError: it ends in a sigmoid, or does not give one score per label.
    """
    last = network.get_layer(network.output_names[0])
    if len(network.output_shape) != 2:
        raise DataError(f"The network's output is {list(network.output_shape)}, expected a score for each label.")
    if getattr(getattr(last, "activation", None), "__name__", "") == "sigmoid":
        raise DataError(
            f"Layer {last.name!r}: the network ends in a sigmoid, for images with several labels; only networks for "
            "one label per image are imported."
        )
    return network if type(last).__name__ == "Softmax" else with_softmax(network)


def write_int8(
    network: Any, path: Path, card: ModelCard, given: ImportImages, reporter: Reporter, max_drop: float | None
) -> Imported:
    """Quantize a network, write its model file and, next to it, the page that compares the two.

    Args:
        network: a tf_keras network that ends in probabilities.
        card: the card of the file, without accuracies.
        given: the images as the network sees them.
    """
    scores = network_scores(network, given.judged, card.preprocessing)
    validation = Labelled(given.judged, scores.argmax(axis=1), source=FLOAT_ANSWERS)
    if given.targets is not None:
        validation = Labelled(given.judged, given.targets)
        accuracy = float((scores.argmax(axis=1) == given.targets).mean())
        threshold = suggest_threshold(scores, given.targets)
        card = replace(card, accuracy={"validation_float": accuracy}, threshold=threshold)
    count, measures = counted(len(given.calibration), "image"), FileMeasures(given)
    reporter.say(f"Quantizing to int8 on {count}, judged on {len(given.judged)} others by {validation.source}.")
    with reporter.bar("Quantizing", 0):
        done = convert_int8(
            network,
            list(given.calibration),
            path,
            card,
            golden=given.golden,
            measure=measures.figures,
            familiarity=measures.familiarity,
            max_drop=max_drop,
            method="ptq",
            validation=validation,
            say=reporter.say,
        )
    assert done.search is not None
    with reporter.bar("Comparing with float", 0):
        report = parity_report(network, done.search, list(given.judged), card.preprocessing, card.labels)
        write_parity(report, done.path, list(given.judged), given.names)
    return Imported(replace(done, report=report), check_edgetpu(done.search.best.content))
