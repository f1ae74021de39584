"""Measure a run's int8 file under the faults of cameras, for the run's report."""

from __future__ import annotations

from pathlib import Path

from edgeclf.data.dataset import Dataset
from edgeclf.evaluation.under_faults import MIDDLE, measure_under_faults
from edgeclf.progress import Reporter
from edgeclf.runs.run import Run
from edgeclf_runtime.classifier import Classifier

__all__ = ["note_camera_faults"]

_IMAGES = 60  # each is classified 19 times


def note_camera_faults(run: Run, model: Path, validation: Dataset, reporter: Reporter) -> None:
    """Measure up to 60 validation images under every fault at middle strength, and note the figures for the report.

    Args:
        run: the run whose metrics get the figures.
        model: its int8 file.
        validation: the images.
        reporter: shows the progress.

    Raises:
        DataError: no image can be read.
    """
    with Classifier.load(model) as classifier:
        found = measure_under_faults(classifier, validation, reporter, limit=_IMAGES, cells=MIDDLE)
    metrics = run.read_json("metrics")
    metrics["camera_faults"] = found.content()
    run.write_json("metrics", metrics)
