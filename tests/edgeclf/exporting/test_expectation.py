"""How far accuracy falls with confidence under faults, fitted at export."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeclf import Quiet, Run
from edgeclf.evaluation.camera_faults import FAULTS
from edgeclf.evaluation.measuring import Measurement, measure_dataset, outcome_of
from edgeclf.evaluation.under_faults import MIDDLE, UnderFaults
from edgeclf.exporting.camera_faults import note_camera_faults
from edgeclf.exporting.expectation import fit_expectation
from edgeclf_runtime import Classifier, Prediction
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.rewrite import network_of

LABELS = ("cat", "dog")
Drop = Callable[[str, int], float]


def _measured(accuracy: float, confidence: float, count: int = 200, strange: int = 0) -> Measurement:
    """Return answers with this accuracy and mean best score, and ``strange`` more, unfamiliar and confidently wrong."""
    wrong = round(count * (1 - accuracy))
    rows = [(1 - confidence, confidence)] * wrong + [(confidence, 1 - confidence)] * (count - wrong)
    predictions = [Prediction(np.array(row, np.float32), LABELS, familiarity=0.5) for row in rows]
    predictions += [Prediction(np.array([0, 1], np.float32), LABELS, familiarity=0.01)] * strange
    return outcome_of(predictions, np.zeros(count + strange, np.int64), LABELS, None, (), ())


def _under(drop: Drop, slope: float, strange: int = 0) -> UnderFaults:
    """Return results under faults that cost ``drop`` points of confidence and ``slope`` times as many of accuracy."""
    cells = {
        (name, level): _measured(0.95 - slope * drop(name, level), 0.9 - drop(name, level), strange=strange)
        for name in FAULTS
        for level in range(3)
    }
    return UnderFaults((), 200, 0, _measured(0.95, 0.9, strange=strange), cells)


def _drop(name: str, level: int) -> float:
    return 0.02 * level + 0.002 * list(FAULTS).index(name)


def test_the_slope_is_found_whatever_is_unfamiliar() -> None:
    for strange in (0, 50):
        fitted = fit_expectation(_measured(0.95, 0.9, strange=strange), _under(_drop, 2.0, strange), 0.05)
        assert fitted is not None
        assert fitted.slope == pytest.approx(2.0, abs=0.1)
        assert (fitted.accuracy, fitted.error) == (pytest.approx(0.95), pytest.approx(0, abs=0.01))
        assert fitted.of(0.85) == pytest.approx(0.85, abs=0.01)


def test_the_error_is_that_of_faults_the_slope_was_not_fitted_to() -> None:
    def cells(name: str, level: int) -> float:
        return 0.0 if FAULTS[name].is_held_out else _drop(name, level)

    under = _under(cells, 2.0)
    worse = {cell: _measured(0.85, 0.9) if FAULTS[cell[0]].is_held_out else seen for cell, seen in under.cells.items()}
    fitted = fit_expectation(_measured(0.95, 0.9), replace(under, cells=worse), 0.05)
    assert fitted is not None
    assert fitted.slope == pytest.approx(2.0, abs=0.1)
    assert fitted.error == pytest.approx(0.10, abs=0.01)


def test_accuracy_never_rises_as_confidence_falls() -> None:
    fitted = fit_expectation(_measured(0.9, 0.9), _under(lambda name, level: 0.02 * level, -1.0), 0.05)
    assert fitted is not None
    assert fitted.slope == 0


def test_few_images_or_a_file_without_familiarity_expect_nothing() -> None:
    under = _under(_drop, 2.0)
    assert fit_expectation(_measured(0.95, 0.9, count=19), under, 0.05) is None
    assert fit_expectation(replace(_measured(0.95, 0.9), familiarity=None), under, 0.05) is None


def test_the_file_that_is_measured_gets_it_and_stays_as_it_is(model: Path, run: Run, tmp_path: Path) -> None:
    path, copy, data = tmp_path / "model.tflite", tmp_path / "run", run.read_split()
    path.write_bytes(model.read_bytes())
    shutil.copytree(run.path, copy)
    with Classifier.load(path) as classifier:
        validation = measure_dataset(classifier, data, Quiet())
    note_camera_faults(Run.open(copy), path, validation, data, Quiet())
    read, before = read_model(path), read_model(model)
    assert before.expectation is None  # its run has twelve validation images
    assert read.expectation is not None
    assert abs(read.expectation.accuracy - validation.score.accuracy) < 0.1
    assert read.expectation.reject == read.card.reject == 0.05
    assert network_of(read.content) == network_of(before.content)
    assert (read.card, len(read.golden)) == (before.card, len(before.golden))
    shown = json.loads((copy / "metrics.json").read_text("utf-8"))["camera_faults"]["faults"]
    assert {(fault["fault"], fault["level"]) for fault in shown} == set(MIDDLE)
