"""The commands as functions: paths may be strings, and the defaults are those of the commands."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeclf.comparison.compare import compare as _compare
from edgeclf.comparison.methods import METHODS, Cell
from edgeclf.config.tables import SearchConfig
from edgeclf.config.train import TrainConfig, make_config
from edgeclf.data.sources import SourcePaths, paths_of
from edgeclf.datacheck.check import Check
from edgeclf.datacheck.check import check as _check
from edgeclf.datacheck.page import write_check
from edgeclf.errors import DataError
from edgeclf.evaluation import evaluate as _evaluation
from edgeclf.evaluation.against import Comparison
from edgeclf.evaluation.measuring import Measurement, measure_dataset
from edgeclf.evaluation.promotion import check_promotable, compare_files, put_in_place_of
from edgeclf.exporting.export import export_run as _export_run
from edgeclf.framework_errors import tensorflow_errors
from edgeclf.progress import Quiet, Reporter
from edgeclf.runs.run import Run, new_folder
from edgeclf.searching.page import write_search
from edgeclf.searching.result import SearchResult
from edgeclf.searching.search import search as _search
from edgeclf.training.fit import resume as _resume
from edgeclf.training.fit import train as _train
from edgeclf_runtime import Classifier
from edgeclf_runtime.decision.decision import DecisionRule
from edgeclf_runtime.renamed import old_keywords

if TYPE_CHECKING:
    from edgeclf_converters import Conversion

__all__ = [
    "PathLike",
    "Photographs",
    "check_data",
    "compare",
    "evaluate",
    "export",
    "export_run",
    "promote",
    "resume",
    "search",
    "train",
]

PathLike = str | os.PathLike[str]
Photographs = PathLike | Sequence[PathLike]
"""A folder with one sub-folder per class, a CSV, a folder of shards, or several of these."""


def train(
    data: Photographs,
    out: PathLike | None = None,
    config: TrainConfig | None = None,
    reporter: Reporter | None = None,
    distribute: str = "none",
) -> Run:
    """Train a classifier, as ``edgeclf train`` does.

    Args:
        data: the photographs.
        out: the run folder, new or empty; by default ``runs/NAME-N``.
        config: the options; by default those of the command.
        reporter: shows the progress, such as ``Terminal()``; by default nothing is shown.
        distribute: "none", "mirrored" or "multi-worker".

    Returns:
        the run. If fine-tuning was interrupted, it has the best weights so far and its metrics say so.

    Raises:
        DataError, ConfigError, WeightsError, RunError, ComputeError: the input cannot be used, or TensorFlow failed.
        KeyboardInterrupt: interrupted before there was anything to keep.
    """
    sources = _sources(data)
    folder = Path(out) if out is not None else new_folder(sources)
    return _train(sources, folder, config or make_config({}), reporter or Quiet(), distribute)


def resume(run: Run | PathLike, reporter: Reporter | None = None, distribute: str = "none") -> Run:
    """Resume an interrupted training; the result is the same as without the interruption.

    Raises:
        RunError: there is nothing to resume, or its photographs have changed.
    """
    return _resume(_opened(run).path, reporter or Quiet(), distribute)


def export(
    run: Run | PathLike,
    path: PathLike | None = None,
    mode: str = "int8",
    reporter: Reporter | None = None,
    *,
    method: str = "auto",
    max_drop: float | None = None,
    distribute: str = "none",
) -> Conversion:
    """Write the model file of a run and evaluate it, as ``edgeclf export`` does.

    Args:
        run: a run or its folder.
        path: the file to write; by default ``model.tflite`` (for other modes ``model-MODE.tflite``) in the run folder.
        mode: "int8", "float32", "float16" or "dynamic".
        method: for int8: "auto" tries the cheapest methods first, "ptq" is post-training quantization, "qat" is
            quantization-aware training.
        max_drop: for int8: the largest accuracy loss allowed, in percentage points; see ``Conversion.within``.

    Raises:
        RunError, DataError, ConversionError, ComputeError: the run cannot be exported, or TensorFlow failed.
    """
    opened = _opened(run)
    file = (
        Path(path) if path is not None else opened.path / ("model.tflite" if mode == "int8" else f"model-{mode}.tflite")
    )
    listener = reporter or Quiet()
    with tensorflow_errors():
        return _export_run(opened, file, mode, listener, method=method, max_drop=max_drop, distribute=distribute)


def export_run(
    run: Run,
    path: Path,
    mode: str,
    reporter: Reporter,
    *,
    method: str = "auto",
    max_drop: float | None = None,
    distribute: str = "none",
) -> Conversion:
    """Old name of ``export``, used up to version 0.1."""
    warnings.warn("export_run is now called export", DeprecationWarning, stacklevel=2)
    return export(run, path, mode, reporter, method=method, max_drop=max_drop, distribute=distribute)


def evaluate(
    model: Classifier | Run | PathLike,
    data: PathLike | None = None,
    reporter: Reporter | None = None,
    *,
    reject: float | None = None,
) -> Measurement:
    """Evaluate a model on labelled images, as ``edgeclf evaluate`` does.

    Args:
        model: a model file; a run or its folder, to evaluate its int8 file; or an open classifier.
        data: a folder with one sub-folder per label, a CSV or shards; by default the test part of the run.
        reject: share of familiar images that may be refused, 0 to 1; by default the model file's.

    Raises:
        DataError: there are no images, or the model lacks one of their labels.
        RunError: the run has no model file.
    """
    listener, rule = reporter or Quiet(), DecisionRule(reject=reject)
    if isinstance(model, Classifier):
        if data is None:
            raise DataError("Give data, the images to evaluate on; only a run has a test part of its own.")
        return _evaluation.evaluate(model, Path(data), listener, rule)
    run = _opened(model) if isinstance(model, Run) or Path(model).is_dir() else None
    with Classifier.load(_evaluation.model_of_run(run) if run is not None else Path(str(model))) as classifier:
        if run is None or data is not None:
            return evaluate(classifier, data, listener, reject=reject)
        return measure_dataset(classifier, _evaluation.images_of_run(run, classifier.card).data, listener, rule=rule)


def promote(
    new: Run | PathLike, old: PathLike, data: PathLike, reporter: Reporter | None = None, *, whole: bool = False
) -> Comparison:
    """Replace a model file by a new one, unless that is worse, as ``edgeclf promote`` does.

    Args:
        new: a model file; or a run or its folder, for its int8 file.
        old: the model file; it is kept as ``OLD.before``.
        data: labelled images that neither was trained on: a folder with one sub-folder per label, a CSV or shards.
        whole: treat the images as whole camera images.

    Returns:
        the comparison. If it has ``losses``, or if both files are the same, nothing was replaced.

    Raises:
        DataError: the files or the images cannot be compared.
        RunError: the run has no model file.
    """
    path, target = new.path if isinstance(new, Run) else Path(new), Path(old)
    file = _evaluation.model_file(path)
    differs = check_promotable(file, target)
    comparison = compare_files(path, target, Path(data), reporter or Quiet(), whole=whole)
    if differs and not comparison.losses:
        put_in_place_of(file, target)
    return comparison


@old_keywords({"percents": "percentages"})
def compare(
    data: Photographs,
    out: PathLike = "compare",
    config: TrainConfig | None = None,
    reporter: Reporter | None = None,
    *,
    methods: Sequence[str] = tuple(METHODS),
    percentages: Sequence[int] = (5, 10, 25, 50, 100),
    seeds: Sequence[int] = (0,),
) -> list[Cell]:
    """Compare methods on one split, as ``edgeclf compare`` does; an existing comparison is resumed.

    Args:
        out: the comparison's folder, with compare.csv and compare.html.
        methods: some of "hog-svm", "scratch", "head", "batch-norm", "full".
        percentages: shares of the training images in percent, 1 to 100.

    Raises:
        ConfigError, DataError, RunError: the options, the images or the folder cannot be used.
    """
    chosen, listener = config or make_config({}), reporter or Quiet()
    return _compare(_sources(data), Path(out), chosen, listener, methods=methods, percentages=percentages, seeds=seeds)


def search(
    data: Photographs,
    out: PathLike = "search",
    settings: SearchConfig | None = None,
    config: TrainConfig | None = None,
    reporter: Reporter | None = None,
) -> SearchResult:
    """Search for backbone, input size and what to train within a time budget, as ``edgeclf search`` does.

    Args:
        out: the search's folder, with search.csv, search.html and the trials' runs; an existing search is resumed.
        settings: time budget, maximum latency, and the values to choose from.
        config: the options of the trainings, except those that are searched.

    Raises:
        DataError, ConfigError: the input cannot be used; nothing was tried.
    """
    chosen = settings or SearchConfig()
    result = _search(_sources(data), Path(out), chosen, config or make_config({}), reporter or Quiet())
    write_search(result)
    return result


def check_data(data: Photographs, out: PathLike = "check", reporter: Reporter | None = None) -> Check:
    """Find unreadable files, duplicates, doubtful labels and rare classes, as ``edgeclf data check`` does.

    Args:
        out: the report's folder, with check.html and check.json.

    Raises:
        DataError: there is no readable image, or ``out`` is inside the folder of images.
    """
    with tensorflow_errors():
        check = _check(_sources(data), Path(out), reporter or Quiet())
    write_check(check, Path(out))
    return check


def _sources(data: Photographs) -> SourcePaths:
    several = [data] if isinstance(data, (str, os.PathLike)) else data
    paths = [Path(path) for path in several]
    return paths[0] if len(paths) == 1 else paths_of(paths)


def _opened(run: Run | PathLike) -> Run:
    return run if isinstance(run, Run) else Run.open(Path(run))
