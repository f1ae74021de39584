"""Write the report of a run: its figures as report.json, and as a single page, report.html."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgeclf.config.file import config_text
from edgeclf.data.dataset import PARTS, Dataset
from edgeclf.framework_errors import start_tensorflow
from edgeclf.metrics.calibration import RULE, acceptance, reliability, suggest_threshold
from edgeclf.metrics.confusion import most_confused
from edgeclf.metrics.scoring import class_figures, score
from edgeclf.progress import Reporter
from edgeclf.reports.label_sets import label_set_figures, render_label_sets
from edgeclf.reports.page import augmented_address, render_report
from edgeclf.runs.predictions import JUDGED, Answers, read_answers
from edgeclf.runs.run import Run
from edgeclf_runtime.system.atomic_file import write_text
from edgeclf_runtime.system.native_lines import without_codec_lines

__all__ = ["note_parity", "repeat_command", "write_report"]

_CONFUSIONS, _UNCERTAIN = 20, 50
_ELSEWHERE = (
    "threshold",
    "thresholds",
    "parity",
    "camera_faults",
)  # metrics that have their own place in report.json


def write_report(run: Run, reporter: Reporter) -> Path:
    """Write report.json and report.html, and the suggested threshold to the run's metrics.

    Args:
        run: a training that has finished, or was interrupted after its head was fitted.
        reporter: shows the progress.

    Returns:
        the page.

    Raises:
        RunError: the training was stopped before its head was fitted.
        DataError: an image is missing.
    """
    metrics = run.read_json("metrics")
    start_tensorflow(reporter)
    with without_codec_lines(), reporter.bar("Writing the report", 0):
        return _write(run, metrics, read_answers(run, reporter))


def _write(run: Run, metrics: dict[str, Any], answers: Mapping[str, Answers]) -> Path:
    if not (run.path / "config.toml").exists():  # a run of version 0.1, which wrote config.json
        write_text(run.path / "config.toml", config_text(run.sources, run.config))
    kept = next((item for item in reversed(run.read_json("history")) if item.get("kept")), None)
    if kept is not None:  # from the history: a resumed training that was killed did not write new metrics
        metrics |= {"best_epoch": kept["epoch"], "alpha": kept.get("alpha")}
    if run.config.several_labels:
        return _write_label_sets(run, metrics, answers)
    metrics["threshold"] = _threshold(answers)
    run.write_json("metrics", metrics)
    content = _content(run, metrics, answers)
    run.write_json("report", content)
    page = run.path / "report.html"
    write_text(page, render_report(run, content, answers))
    return page


def _write_label_sets(run: Run, metrics: dict[str, Any], answers: Mapping[str, Answers]) -> Path:
    figures = label_set_figures(run, answers)
    metrics |= {"thresholds": figures["thresholds"], **figures["parts"]}
    run.write_json("metrics", metrics)
    content = {**_of_any_run(run, metrics, run.read_split()), **figures, "int8": _parity(run, metrics.get("parity"))}
    run.write_json("report", content)
    page = run.path / "report.html"
    write_text(page, render_label_sets(run, content, answers, augmented_address(run)))
    return page


def note_parity(run: Run, path: Path) -> None:
    """Record the path of the comparison between int8 file and float network, for the report."""
    metrics = run.read_json("metrics")
    metrics.pop("camera_faults", None)  # those of an earlier file
    metrics["parity"] = {"file": os.path.relpath(path, run.path), "sha256": _sha256(path)}
    run.write_json("metrics", metrics)


def repeat_command(run: Run) -> str:
    """Return the command that repeats the training, whatever edgeclf.toml says; the seed determines the split."""
    return shlex.join(["edgeclf", "train", "--config", str(run.path.resolve() / "config.toml")])


def _content(run: Run, metrics: Mapping[str, Any], answers: Mapping[str, Answers]) -> dict[str, Any]:
    data, shown, int8 = run.read_split(), answers["validation"], _parity(run, metrics.get("parity"))
    wrong = np.flatnonzero(shown.chosen != shown.data.targets)
    ranked = np.sort(shown.scores, axis=1)
    margins = ranked[:, -1] - ranked[:, -2]
    return {
        **_of_any_run(run, metrics, data),
        "parts": {part: _part(predictions) for part, predictions in answers.items()},
        "threshold": metrics["threshold"],
        "int8": int8,
        "camera_faults": metrics.get("camera_faults") if int8 else None,
        "wrong": [_answer(shown, int(i)) for i in wrong[np.argsort(-shown.best[wrong], kind="stable")]],
        "uncertain": [_answer(shown, int(i)) for i in np.argsort(margins, kind="stable")[:_UNCERTAIN]],
    }


def _of_any_run(run: Run, metrics: Mapping[str, Any], data: Dataset) -> dict[str, Any]:
    return {
        "run": run.path.resolve().name,
        "metrics": {name: value for name, value in metrics.items() if name not in (*JUDGED, *_ELSEWHERE)},
        "history": run.read_json("history"),
        "data": _data(data, run),
        "config": run.config.model_dump(mode="json"),
        "environment": run.read_json("environment"),
        "repeat": repeat_command(run),
    }


def _part(predictions: Answers) -> dict[str, Any]:
    figures = asdict(score(predictions.scores, predictions.data.targets, predictions.data.labels))
    labels, confusion = predictions.data.labels, figures["confusion"]
    return {
        **figures,
        "classes": [asdict(item) for item in class_figures(confusion, labels)],
        "confused": [asdict(item) for item in most_confused(confusion, labels, _CONFUSIONS)],
        "reliability": asdict(reliability(predictions.scores, predictions.data.targets)),
    }


def _threshold(answers: Mapping[str, Answers]) -> dict[str, Any]:
    """Suggest a threshold from the validation part and evaluate it on every part."""
    judged = answers["validation"]
    chosen = suggest_threshold(judged.scores, judged.data.targets)
    measured = {
        part: asdict(acceptance(predictions.scores, predictions.data.targets, chosen or 0.0))
        for part, predictions in answers.items()
    }
    return {"score": chosen, "rule": RULE, "chosen_on": "validation", **measured}


def _parity(run: Run, noted: object) -> dict[str, Any] | None:
    """Return the figures and path of the int8 file's page; None if another run's file has replaced it."""
    if not isinstance(noted, dict):  # never exported, or exported by a version that recorded no digest
        return None
    name = str(noted["file"])
    if not (run.path / name).is_file() or _sha256(run.path / name) != noted["sha256"]:
        return None
    content = json.loads((run.path / name).read_text("utf-8"))
    figures = _without_flips(content["parity"])
    sizes = {key: content[key] for key in ("method", "float_bytes", "int8_bytes", "float_milliseconds")}
    page = Path(name).with_suffix(".html").as_posix()
    changed, spent = len(content["parity"]["flips"]), content["int8_milliseconds"]
    # Versions that did not evaluate the test part omitted it.
    test = _without_flips(content["test"]) if content.get("test") else None
    return {**figures, **sizes, "int8_milliseconds": spent, "changed": changed, "page": page, "test": test}


def _without_flips(parity: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parity.items() if key != "flips"}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _answer(predictions: Answers, row: int) -> dict[str, Any]:
    labels, second = predictions.data.labels, int(np.argsort(-predictions.scores[row], kind="stable")[1])
    target = int(predictions.data.targets[row])
    return {
        "row": row,
        "file": predictions.data.files[row],
        "label": labels[target],
        "answer": labels[int(predictions.chosen[row])],
        "score": float(predictions.best[row]),
        "label_score": float(predictions.scores[row, target]),
        "second": labels[second],
        "second_score": float(predictions.scores[row, second]),
    }


def _data(data: Dataset, run: Run) -> dict[str, Any]:
    counts = {part: [int(count) for count in data.counts(part)] for part in PARTS if len(data.rows(part))}
    return {"labels": list(data.labels), "counts": counts, "skipped": [asdict(item) for item in run.read_skipped()]}
