"""Fit a model file's familiarity to the run's training images, and calibrate it on the validation images."""

from __future__ import annotations

from edgeclf.data.dataset import Dataset
from edgeclf.evaluation.measuring import measure_dataset
from edgeclf.exporting.figures import FileFigures
from edgeclf.progress import Reporter
from edgeclf.training.class_weights import balanced_rows
from edgeclf_converters.export import FitFamiliarity
from edgeclf_converters.familiarity import IMAGES, fit_familiarity
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.model.familiarity import Familiarity

__all__ = ["run_familiarity"]


def run_familiarity(data: Dataset, figures: FileFigures, reporter: Reporter) -> FitFamiliarity:
    """Return a function that fits the familiarity of a run's file.

    Images of nothing are not among those it is calibrated on: that they are refused is right.

    Args:
        data: the training's images.
        figures: evaluates the file on the validation images, before the function is called.
        reporter: shows the progress.
    """

    def fit(classifier: Classifier) -> Familiarity | None:
        validation = figures.validation
        if validation is None or validation.features is None:
            reporter.say("Without familiarity: the features of the network's last layer cannot be found.")
            return None
        rows = balanced_rows(data, "train", IMAGES)
        train = measure_dataset(classifier, data.take(rows), reporter, "Fitting familiarity")
        assert train.features is not None  # the same file gave the validation images' features
        shown = validation.targets != (-1 if validation.nothing is None else validation.nothing)
        return fit_familiarity(train.features, train.targets, validation.features[shown])

    return fit
