"""Replace an old model file by a new one, and keep the old one so that the change can be undone."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgeclf.errors import DataError
from edgeclf.evaluation.against import Comparison, compare_models
from edgeclf.evaluation.evaluate import as_whole, images_of_source, model_file
from edgeclf.evaluation.matched_labels import MatchedLabels
from edgeclf.evaluation.measuring import measure_dataset
from edgeclf.progress import Reporter
from edgeclf.runs.run import Run
from edgeclf.runs.seen import seen_in_training
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.system.plain_text import printable

__all__ = ["check_promotable", "compare_files", "kept_as", "put_in_place_of"]


def kept_as(old: Path) -> Path:
    """Return where the old file is kept: ``model.tflite.before`` for ``model.tflite``."""
    return old.with_name(f"{old.name}.before")


def check_promotable(new: Path, old: Path) -> bool:
    """Return whether the new file differs from the old one.

    Raises:
        DataError: the old one is not a file, or the new one contains no labels: it would get those next to the old one.
    """
    if not old.is_file():
        what = "is a folder, expected the model file that the devices use" if old.is_dir() else "there is no such file"
        raise DataError(f"{old}: {what}. To put the new model there without a comparison, copy {new}.")
    content = read_model(new).content
    if not any(name.lower().endswith(".txt") for name in Archive(content).names):
        raise DataError(f"{new}: has no labels in it. Promote a file that edgeclf export wrote.")
    return content != old.read_bytes()


def compare_files(new: Path, old: Path, data: Path, reporter: Reporter, *, whole: bool = False) -> Comparison:
    """Compare two models on the labelled images of a source.

    Args:
        new: a model file, or the folder of a run, whose int8 file is used.
        old: a model file.
        data: see ``images_of_source``.
        reporter: shows the progress, what was skipped, and whether the new model was trained on some of the images.
        whole: treat the images as whole camera images.

    Raises:
        DataError: the images cannot be used, or the models have no class in common.
    """
    rule = DecisionRule()
    with Classifier.load(model_file(new)) as ours, Classifier.load(old) as theirs:
        matched = MatchedLabels(ours.card, theirs.card)
        images = images_of_source(data, matched.card)
        images = as_whole(images, ours.card, printable(new)) if whole else images
        matched.check(images.data)
        own = matched.images(images.data, ours.card, matched.new)
        outcome = measure_dataset(ours, own, reporter, "Evaluating the new model", rule)
        comparison = compare_models(outcome, theirs, matched, images.data, reporter, rule)
    for item in outcome.skipped:
        reporter.say(f"Skipped: {item.reason}")
    if new.is_dir() and (seen := sum(seen_in_training(Run.open(new), images.data).values())):
        reporter.say(f"Warning: the new model was trained on {seen} of these images, so it looks better than it is.")
    return comparison


def put_in_place_of(new: Path, old: Path) -> Path:
    """Replace the old file by a copy of the new one; at every moment there is a complete file in its place.

    Returns:
        the path of the kept old file; one kept there before is overwritten.

    Raises:
        OSError: the disk is full or read-only; the old file is still in its place.
    """
    kept = kept_as(old)
    for source, target in ((old, kept), (new, old)):
        with written_beside(target) as hidden:
            shutil.copyfile(source, hidden)
            shutil.copymode(old, hidden)  # the device's user must be able to read it
    return kept
