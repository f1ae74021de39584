"""The report of a run whose images may have several labels: figures of each label at its threshold."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from edgeclf.config.train import preprocessing
from edgeclf.data.label_cell import joined_names
from edgeclf.errors import DataError
from edgeclf.metrics.label_sets import choose_thresholds, score_sets, set_losses
from edgeclf.pages.html import jpeg, render
from edgeclf.pages.plots import accuracy_plot, loss_plot
from edgeclf.runs.predictions import Answers
from edgeclf.runs.run import Run
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.preprocess import resize

__all__ = ["label_set_figures", "label_thresholds", "render_label_sets"]

_SHOWN = 12


def label_thresholds(run: Run, answers: Mapping[str, Answers]) -> list[float]:
    """Return each label's threshold, chosen on the validation part for the precision in the run's config."""
    judged = answers["validation"]
    return choose_thresholds(judged.scores, judged.presence, run.config.label_precision)


def label_set_figures(run: Run, answers: Mapping[str, Answers]) -> dict[str, Any]:
    """Return each part's figures, and the validation images with wrong answers, most surprising first."""
    shown, thresholds = answers["validation"], label_thresholds(run, answers)
    parts = {part: score_sets(own.scores, own.presence, own.data.labels, thresholds) for part, own in answers.items()}
    given = shown.scores >= np.asarray(thresholds, np.float32)
    wrong, losses = np.flatnonzero((given != shown.presence).any(axis=1)), set_losses(shown.scores, shown.presence)
    return {
        "parts": {part: asdict(figures) for part, figures in parts.items()},
        "thresholds": dict(zip(shown.data.labels, thresholds, strict=True)),
        "chosen_on": "validation",
        "wrong": [
            {
                "file": shown.data.files[row],
                "labels": shown.data.label_text(int(row)),
                "answer": joined_names(shown.data.labels, given[row]),
                "scores": {
                    label: float(value) for label, value in zip(shown.data.labels, shown.scores[row], strict=True)
                },
            }
            for row in wrong[np.argsort(-losses[wrong], kind="stable")]
        ],
    }


def render_label_sets(run: Run, content: Mapping[str, Any], answers: Mapping[str, Answers], augmented: str) -> str:
    """Render the page.

    Args:
        run: the run.
        content: the content of ``report.json``.
        answers: the predictions by part.
        augmented: address of the mosaic of augmented images, or empty.

    Raises:
        DataError: an image is missing.
    """
    values = {
        **content,
        "folder": shlex.quote(str(run.path)),
        "plots": _plots(content, len(answers["validation"].data.files)),
        "worst": _pictures(run, answers["validation"], content["wrong"][:_SHOWN]),
        "augmented": augmented,
    }
    return render("label_sets.html", values)


def _plots(content: Mapping[str, Any], count: int) -> list[dict[str, str]]:
    from markupsafe import Markup

    epochs = [item for item in content["history"] if "alpha" not in item]
    if len(epochs) < 2:
        return []
    best = content["metrics"]["best_epoch"]
    curve = accuracy_plot(epochs, best, count, "mean_average_precision", "mAP")
    # Safe: only numbers and our own text.
    return [{"title": "Loss", "svg": Markup(loss_plot(epochs))}, {"title": "mAP", "svg": Markup(curve)}]


def _pictures(run: Run, shown: Answers, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each image as the network sees it."""
    rule = preprocessing(run.config)
    try:
        return [{**item, "picture": jpeg(resize(shown.data.picture(item["file"], rule), rule))} for item in items]
    except ImageError as error:
        raise DataError(f"{error} The model was trained with it; restore the file.") from None
