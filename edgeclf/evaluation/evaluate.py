"""Find the labelled images to evaluate a model on: a folder, a CSV, shards, or a run's test part."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeclf.data.dataset import PARTS, Dataset
from edgeclf.data.folders import class_files, find_parts, refuse_one_class
from edgeclf.data.layout import unwrapped
from edgeclf.data.shards import INDEX
from edgeclf.data.sources import read_source
from edgeclf.errors import DataError, RunError
from edgeclf.evaluation.measuring import Measurement, measure_dataset
from edgeclf.progress import Reporter
from edgeclf.runs.run import Run
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.system.plain_text import printable

_COPIED = 1.0  # maximum difference in seconds between the times of files that were copied together

__all__ = [
    "Images",
    "about_stale",
    "as_whole",
    "chosen_part",
    "evaluate",
    "evaluation_folder",
    "images_of_run",
    "images_of_source",
    "model_file",
    "model_of_run",
]


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images with a name for display.

    Attributes:
        name: the source and its part.
        data: the images; their targets are indices into the model's labels.
    """

    name: str
    data: Dataset


def evaluate(classifier: Classifier, root: Path, reporter: Reporter, rule: DecisionRule | None = None) -> Measurement:
    """Evaluate a model on the labelled images of a source.

    Args:
        classifier: the model.
        root: the source, see ``images_of_source``.
        reporter: shows the progress.
        rule: which images are answered with "unknown"; by default those that the model card refuses.

    Raises:
        DataError: the source cannot be used (see ``images_of_source``), or no image can be read.
    """
    data = images_of_source(root, classifier.card).data
    return measure_dataset(classifier, data, reporter, rule=rule or DecisionRule())


def images_of_source(source: Path, card: ModelCard) -> Images:
    """Return the images of a folder with one sub-folder per class, a CSV, or a folder of shards.

    If the source is split, its test part is used, or else its validation part. Its labels must be labels or label ids
    of the model, which may have more. ``NOTHING``, images of none of the classes, is always accepted: their correct
    answer is "unknown".

    Raises:
        DataError: the source is missing, has no images or only a train part, or a label that the model lacks.
    """
    if card.has_several_labels:
        raise DataError(
            f"{card.name}: the model has several labels per image, so it has no accuracy. Measure it with: edgeclf "
            "evaluate MODEL photos.csv"
        )
    if source.is_file() or (source / INDEX).is_file():
        data, _ = read_source(source, training=False)
        part = chosen_part(source, [part for part in PARTS if part in data.parts])
        images = Images(f"{printable(source)}, {part} part" if part else printable(source), _mapped(data, source, card))
        return replace(images, data=images.data.take(images.data.rows(part)))
    root = evaluation_folder(source)
    return Images(printable(root), _folder(root, card))


def as_whole(images: Images, card: ModelCard, model: str) -> Images:
    """Treat the images as whole camera images: apply the rotation, mirroring and region of the model's card.

    Raises:
        UsageError: the card has none of these.
    """
    card.check_view(model)
    return Images(f"{images.name}, {card.view}", replace(images.data, view=card.view))


def images_of_run(run: Run, card: ModelCard) -> Images:
    """Return the images of a run's test part.

    Raises:
        DataError: the run has no test part, its photographs are missing, or the model has other labels.
    """
    data = run.read_split()
    if not len(data.rows("test")):
        raise DataError(
            f"{run.path}: has no test part. Evaluate it on other images: edgeclf evaluate "
            f"{shlex.quote(str(run.path))} DATA. Figures of its validation part are in {run.path / 'report.html'}."
        )
    if gone := next((source for source in run.sources if not source.exists()), None):
        raise DataError(
            f"{run.path}: its photographs ({gone}) are missing. Restore them, or set data in "
            f"{run.path / 'config.toml'} to where they are now, or evaluate on other images: "
            f"edgeclf evaluate {shlex.quote(str(run.path))} DATA"
        )
    return Images(f"{printable(run.path)}, test part", _mapped(data.take(data.rows("test")), run.path, card))


def model_file(path: Path) -> Path:
    """Return a model file, or the int8 file of a run.

    Raises:
        RunError: the folder is not a run, or its run was not exported yet.
    """
    return model_of_run(Run.open(path)) if path.is_dir() else path


def model_of_run(run: Run) -> Path:
    """Return the int8 file of a run.

    Raises:
        RunError: it was not exported yet.
    """
    path = run.path / "model.tflite"
    if not path.is_file():
        raise RunError(f"{path}: missing. Export it with: edgeclf export --int8 {shlex.quote(str(run.path))}")
    return path


def about_stale(run: Run, model: Path) -> str:
    """Return a warning if the model file is older than the run's weights, else an empty string."""
    weights = run.path / "weights.npz"
    if not weights.is_file() or weights.stat().st_mtime - model.stat().st_mtime <= _COPIED:
        return ""
    again = f"edgeclf export --int8 {shlex.quote(str(run.path))}"
    return f"{model} is older than the weights of its run. Export it again with: {again}"


def evaluation_folder(root: Path) -> Path:
    """Return the folder of the classes: the ``test`` part, else the validation part, else the folder itself.

    Raises:
        DataError: the folder has only a train part.
    """
    parts = find_parts(root)
    return parts[chosen_part(root, list(parts))] if parts else root


def chosen_part(source: Path, parts: list[str]) -> str:
    """Return the part to evaluate on; empty if the source is not split."""
    if parts == ["train"]:
        raise DataError(f"{source}: has only a train part; evaluate on images that the model was not trained on.")
    return next((part for part in ("test", "validation") if part in parts), "")


def _folder(root: Path, card: ModelCard) -> Dataset:
    targets_by_name = _names(card)
    files: list[str] = []
    targets: list[int] = []
    root = unwrapped(root, targets_by_name)
    for folder, paths in class_files(root).items():
        if folder not in targets_by_name:
            raise _unknown(root / folder, card)
        files += [path.relative_to(root).as_posix() for path in paths]
        targets += [targets_by_name[folder]] * len(paths)
    if not files:
        refuse_one_class(root)
        raise DataError(f"{root}: contains no images; expected one sub-folder of images per class.")
    return Dataset(root, _labels(card, targets), tuple(files), np.array(targets, np.int64), ("",) * len(files))


def _mapped(data: Dataset, source: Path, card: ModelCard) -> Dataset:
    """Return the dataset with the model's labels."""
    targets_by_name = _names(card)
    for label in data.labels:
        if label not in targets_by_name:
            raise _unknown(f"{printable(source)}: {label}", card)
    index = [targets_by_name[label] for label in data.labels]
    return replace(data, labels=_labels(card, index), targets=np.array(index, np.int64)[data.targets])


def _labels(card: ModelCard, targets: Sequence[int]) -> tuple[str, ...]:
    """Return the model's labels, plus ``NOTHING`` if the images have it and the model does not."""
    return (*card.labels, NOTHING) if len(card.labels) in targets else card.labels


def _unknown(what: str | Path, card: ModelCard) -> DataError:
    more = f", ... ({len(card.labels)} in all)" if len(card.labels) > 10 else ""
    shown = ", ".join(card.labels[:10]) + more
    return DataError(f"{printable(str(what))}: not a label of this model. Its labels: {shown}.")


def _names(card: ModelCard) -> dict[str, int]:
    """Return the class index of each unambiguous label or label id; ImageNet has two "crane" labels with different ids.

    ``NOTHING`` comes after the classes of a model that has no such class.
    """
    names = {label: i for i, label in enumerate(card.labels) if card.labels.count(label) == 1}
    names.setdefault(NOTHING, len(card.labels))
    targets_by_name = {**names, **{name: i for i, name in enumerate(card.label_ids)}}
    forms = [unicodedata.normalize("NFC", name) for name in targets_by_name]
    return {
        form if forms.count(form) == 1 else name: targets_by_name[name]
        for form, name in zip(forms, targets_by_name, strict=True)
    }
