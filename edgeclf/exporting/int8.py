"""Quantize a trained network to int8 with the run's images: calibrate, validate and, if needed, train more."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeclf.config.train import TrainConfig
from edgeclf.data.dataset import Dataset
from edgeclf.data.decoded_cache import cache_for_now
from edgeclf.data.image_cache import decode
from edgeclf.errors import DataError
from edgeclf.exporting.familiarity import RunFamiliarity
from edgeclf.exporting.figures import FileFigures
from edgeclf.exporting.label_sets import SetFigures
from edgeclf.exporting.page import write_parity
from edgeclf.frameworks import seed_everything
from edgeclf.progress import Reporter
from edgeclf.training.augmentation.augment import augment
from edgeclf.training.augmentation.camera import camera_like
from edgeclf.training.class_weights import balanced_rows, class_weights
from edgeclf_converters.distribution import Distribution
from edgeclf_converters.export import Conversion, check_target, convert_int8
from edgeclf_converters.parity.scores import Labelled
from edgeclf_converters.quantize.qat import Augment, QatConfig
from edgeclf_converters.report import parity_report
from edgeclf_converters.work_folder import work_folder
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.pictures.preprocess import Pixels

__all__ = ["qat_augment", "qat_config", "quantize"]

_CALIBRATION = 200
_MARGIN = 8 / 7  # as in float training


def quantize(
    model: Any,
    config: TrainConfig,
    data: Dataset,
    path: Path,
    card: ModelCard,
    golden: Sequence[Pixels],
    figures: FileFigures | SetFigures,
    familiarity: RunFamiliarity | None,
    reporter: Reporter,
    *,
    method: str,
    max_drop: float | None,
    distribution: Distribution,
) -> Conversion:
    """Write the int8 file of a run's network and, next to it, a page that compares it with the float network.

    Args:
        model: the network, with a softmax, or sigmoids for several labels, and with an open input size.
        config, data: the training's options and images.
        figures: evaluates the file.
        familiarity: fits the file's familiarity; None for none.
        distribution: where quantization-aware training runs; its first process writes the files.

    Raises:
        DataError: an image is missing.
        ConversionError: the network cannot be converted; see ``edgeclf_converters.convert_int8``.
    """
    check_target(path)
    seed_everything(config.seed, config.deterministic)
    rule = card.preprocessing
    chosen = balanced_rows(data, "train", _CALIBRATION)
    judged = [int(row) for row in data.rows("validation")]
    with work_folder(path, "pictures") as folder, _kept(folder / "kept", method, reporter):

        def decoded(rows: Sequence[int], margin: float, name: str) -> Labelled:
            part = data.take(rows)
            pictures, unread = decode(part, rule, margin, folder / name, reporter)
            if unread:
                raise DataError(f"{unread[0].reason} The model was trained with it; restore the file.")
            pixels = (pictures.larger if margin else pictures.inputs).mapped()
            return Labelled(pixels, part.wanted, card.label_thresholds)

        validation = decoded(judged, 0, "validation")
        calibration = list(decoded(chosen, 0, "calibration").pixels)
        with reporter.bar("Quantizing", 0):
            done = convert_int8(
                model,
                calibration,
                path,
                card,
                golden=golden,
                measure=figures,
                familiarity=familiarity,
                max_drop=max_drop,
                method=method,
                validation=validation,
                float_scores=figures.float_scores,
                training=lambda: decoded([int(row) for row in data.rows("train")], _MARGIN, "training"),
                qat=qat_config(config, data),
                augment=qat_augment(config),
                say=reporter.say,
                progress=reporter.bar,
                distribution=distribution,
            )
        assert done.search is not None
        if not distribution.first:
            return done
        with reporter.bar("Comparing with float", 0):
            measure = "accuracy" if data.presence is None else "mAP"
            report = parity_report(
                model, done.search, list(validation.pixels), rule, data.labels, figures.test, measure
            )
            write_parity(report, done.path, list(validation.pixels), [data.files[row] for row in judged])
    return replace(done, report=report)


def _kept(folder: Path, method: str, reporter: Reporter) -> AbstractContextManager[None]:
    """Keep decoded images for training, which reads the calibration images again; without it each is read once."""
    return nullcontext() if method == "ptq" else cache_for_now(folder, reporter.say)


def qat_config(config: TrainConfig, data: Dataset) -> QatConfig:
    """Return the options of quantization-aware training that follow from the float training."""
    return QatConfig(
        batch_size=config.batch_size,
        label_smoothing=config.label_smoothing,
        class_weights=tuple(class_weights(data, config)),
        seed=config.seed,
    )


def qat_augment(config: TrainConfig) -> Augment:
    """Return the float training's augmentation, at the model's input size."""

    def changed(pixels: Any, seed: Any, part: slice, count: int) -> Any:
        several = bool(config.several_labels)
        images = augment(pixels, config.input_size, config.flip, config.rotate90, seed, part, count, several)
        return camera_like(images, seed, part, count) if config.camera else images

    return changed
