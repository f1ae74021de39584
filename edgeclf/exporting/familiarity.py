"""Fit a model file's familiarity to the run's training images, and calibrate it on the validation images."""

from __future__ import annotations

from pathlib import Path

from edgeclf.data.dataset import Dataset
from edgeclf.evaluation.measuring import measure_dataset
from edgeclf.exporting.figures import FileFigures
from edgeclf.exporting.unfamiliar import Unfamiliar, measure_unfamiliar
from edgeclf.exporting.unfamiliar_page import write_unfamiliar
from edgeclf.progress import Reporter
from edgeclf.training.class_weights import balanced_rows
from edgeclf_converters.familiarity import IMAGES
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.learning.examples import choose_examples
from edgeclf_runtime.learning.familiarity import fit_familiarity
from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.rewrite import replace_files

__all__ = ["RunFamiliarity"]


class RunFamiliarity:
    """Fits the familiarity of a run's file, and measures what it refuses.

    Images of nothing are not used for calibration: refusing them is correct.

    Args:
        data: the training's images.
        figures: evaluates the file on the validation images, before the familiarity is fitted.
        reporter: shows the progress.
    """

    def __init__(self, data: Dataset, figures: FileFigures, reporter: Reporter) -> None:
        self._data, self._figures, self._reporter = data, figures, reporter
        self._measured: tuple[Unfamiliar, Dataset, Dataset] | None = None
        self._examples: Examples | None = None

    def __call__(self, classifier: Classifier) -> Familiarity | None:
        """Return the familiarity; None if the file gives no features."""
        validation = self._figures.validation
        if validation is None or validation.features is None:
            self._reporter.say("Without familiarity: the features of the network's last layer cannot be found.")
            return None
        known = self._data.take(balanced_rows(self._data, "train", IMAGES))
        train = measure_dataset(classifier, known, self._reporter, "Fitting familiarity")
        assert train.features is not None  # the same file gave the validation images' features
        nothing, known = validation.nothing, _read(known, train.files)
        fitted = fit_familiarity(
            train.features,
            train.targets,
            validation.features[~validation.is_nothing],
            groups=known.groups,
            nothing=nothing,
        )
        measured = measure_unfamiliar(classifier, fitted, train, validation, self._data.labels, known.groups)
        held_out = self._data.take([int(row) for row in self._data.rows("validation")])
        self._measured = measured, known, _read(held_out, validation.files)
        self._examples = choose_examples(
            train.features, train.targets, fitted.scale, lambda row: known.picture(known.files[row])
        )
        return fitted

    def write(self, model: Path) -> Path | None:
        """Add examples to the model file, write the page next to it and return its path; None without familiarity."""
        if self._measured is None:
            return None
        if self._examples is not None:
            replace_files(model, self._examples.to_files())
        return write_unfamiliar(self._measured[0], model, *self._measured[1:])


def _read(data: Dataset, files: tuple[Path, ...]) -> Dataset:
    """Return the evaluated images: those that could be read."""
    rows = {data.path(file): row for row, file in enumerate(data.files)}
    return data.take([rows[file] for file in files])
