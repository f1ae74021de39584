"""The pictures a model file is evaluated on: folders whose names are its labels."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from edgeclf.errors import DataError
from edgeclf.folders import class_files, find_parts
from edgeclf.layout import unwrapped
from edgeclf.measuring import Measurement, measure
from edgeclf.reporter import Reporter
from edgeclf_runtime.card import ModelCard
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.plaintext import printable

__all__ = ["evaluate", "evaluation_folder"]


def evaluation_folder(root: Path) -> Path:
    """The folder with the classes: the ``test`` part of a divided folder, else its validation part, else itself.

    Raises:
        DataError: a divided folder with neither.
    """
    parts = find_parts(root)
    if not parts:
        return root
    for part in ("test", "validation"):
        if part in parts:
            return parts[part]
    raise DataError(f"{root}: has a train folder only; evaluate on pictures the model was not trained on.")


def evaluate(classifier: Classifier, root: Path, reporter: Reporter) -> Measurement:
    """Measure a model on a folder with one sub-folder of pictures per class.

    Args:
        root: its sub-folders are named as the model's labels or label ids; classes may be missing.

    Raises:
        DataError: no such folder, a sub-folder that is no label, or no picture that can be read.
    """
    known = _names(classifier.card)
    files: list[Path] = []
    targets: list[int] = []
    root = unwrapped(root, known)
    for folder, pictures in class_files(root).items():
        if folder not in known:
            raise DataError(
                f"{printable(str(root / folder))}: not a label of this model. Its labels: {_shown(classifier.card)}."
            )
        files += pictures
        targets += [known[folder]] * len(pictures)
    if not files:
        raise DataError(f"{root}: no pictures in it; expected one sub-folder of pictures per class.")
    return measure(classifier, files, targets, reporter)


def _names(card: ModelCard) -> dict[str, int]:
    """Every name that means one label alone; ImageNet has two "crane"s, told apart by their ids."""
    names = {label: i for i, label in enumerate(card.labels) if card.labels.count(label) == 1}
    known = {**names, **{name: i for i, name in enumerate(card.label_ids)}}
    forms = [unicodedata.normalize("NFC", name) for name in known]
    return {form if forms.count(form) == 1 else name: known[name] for form, name in zip(forms, known, strict=True)}


def _shown(card: ModelCard) -> str:
    more = f", ... ({len(card.labels)} in all)" if len(card.labels) > 10 else ""
    return ", ".join(card.labels[:10]) + more
