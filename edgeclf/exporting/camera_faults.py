"""Evaluate a run's int8 file under camera faults, for its report and for the accuracy to expect on a camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeclf.data.dataset import Dataset
from edgeclf.evaluation.camera_faults import FAULTS
from edgeclf.evaluation.measuring import Measurement
from edgeclf.evaluation.under_faults import MIDDLE, measure_under_faults
from edgeclf.exporting.expectation import fit_expectation
from edgeclf.progress import Reporter
from edgeclf.runs.run import Run
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.model.expectation import EXPECTATION_FILE
from edgeclf_runtime.model.rewrite import replace_files
from edgeclf_runtime.system.cores import usable_cores

__all__ = ["note_camera_faults"]

_IMAGES = 60  # each is classified 28 times
_STRONG = ((name, 2) for name, fault in FAULTS.items() if not fault.is_held_out)
_CELLS = tuple(dict.fromkeys([*MIDDLE, *_STRONG]))


def note_camera_faults(
    run: Run, model: Path, validation: Measurement | None, data: Dataset, reporter: Reporter
) -> None:
    """Evaluate up to 60 validation images under faults, record the figures for the report, and complete the file.

    Args:
        run: the run whose metrics get the figures.
        model: its int8 file; the accuracy to expect on a camera is added to it.
        validation: the file's answers to all validation images; None if they were not measured.
        data: the validation images.
        reporter: shows the progress.

    Raises:
        DataError: no image can be read.
    """
    with Classifier.load(model, lanes=usable_cores()) as classifier:
        found = measure_under_faults(classifier, data, reporter, limit=_IMAGES, cells=_CELLS)
        familiarity, reject = classifier.familiarity, classifier.card.reject or 0.0
    metrics = run.read_json("metrics")
    metrics["camera_faults"] = replace(found, cells={cell: found.cells[cell] for cell in MIDDLE}).content()
    run.write_json("metrics", metrics)
    if validation is not None and validation.features is not None and familiarity is not None:
        familiar = np.array([familiarity.of(row) for row in validation.features], np.float32)
        fitted = fit_expectation(replace(validation, familiarity=familiar), found, reject)
        if fitted is not None:
            replace_files(model, {EXPECTATION_FILE: fitted.to_json()})
