"""Render report.html: the figures of a report, its plots, and its most informative images."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeclf.config.train import preprocessing
from edgeclf.data.kept_image import input_picture
from edgeclf.errors import DataError
from edgeclf.metrics.calibration import Bin, Reliability
from edgeclf.metrics.confusion import matrix
from edgeclf.model.network import build_classifier, set_weights
from edgeclf.pages.html import jpeg, jpeg_address, render
from edgeclf.pages.plots import accuracy_plot, loss_plot, reliability_plot, threshold_plot
from edgeclf.reports.gradcam import class_activation, overlay
from edgeclf.runs.predictions import Answers
from edgeclf.runs.run import AUGMENTED, Run
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.preprocess import resize
from edgeclf_runtime.prediction import NOTHING

__all__ = ["augmented_address", "render_report"]

_WRONG, _UNCERTAIN, _SKIPPED = 12, 8, 50


def render_report(run: Run, content: Mapping[str, Any], answers: Mapping[str, Answers]) -> str:
    """Render the page.

    Args:
        run: the run.
        content: the content of ``report.json``.
        answers: the predictions by part.

    Raises:
        DataError: an image is missing.
    """
    shown = answers["validation"]
    wrong, uncertain = content["wrong"][:_WRONG], content["uncertain"][:_UNCERTAIN]
    figures = _pictures(run, shown, [*wrong, *uncertain])
    values = {
        **content,
        "folder": shlex.quote(str(run.path)),
        "plots": _plots(content, shown),
        "matrices": {
            part: matrix(part_figures["confusion"], shown.data.labels)
            for part, part_figures in content["parts"].items()
        },
        "worst": figures[: len(wrong)],
        "unsure": figures[len(wrong) :],
        "skipped": content["data"]["skipped"][:_SKIPPED],
        "augmented": augmented_address(run),
        "nothing": NOTHING,
    }
    return render("report.html", values)


def augmented_address(run: Run) -> str:
    """Return the address of the augmented training images; empty if only the head was trained, or none were kept."""
    path = run.path / AUGMENTED
    return jpeg_address(path.read_bytes()) if path.is_file() else ""


def _plots(content: Mapping[str, Any], shown: Answers) -> list[dict[str, str]]:
    from markupsafe import Markup

    epochs = [item for item in content["history"] if "alpha" not in item]
    reliabilities = {part: _reliability(figures["reliability"]) for part, figures in content["parts"].items()}
    right = shown.chosen == shown.data.targets
    plots = [
        ("Calibration", reliability_plot(reliabilities)),
        ("Threshold", threshold_plot(shown.best, right, content["threshold"]["score"])),
    ]
    if len(epochs) > 1:
        best = content["metrics"]["best_epoch"]
        plots = [("Loss", loss_plot(epochs)), ("Accuracy", accuracy_plot(epochs, best, len(shown.data.files))), *plots]
    return [{"title": title, "svg": Markup(svg)} for title, svg in plots]  # safe: only numbers and our own text


def _reliability(figures: Mapping[str, Any]) -> Reliability:
    return Reliability(figures["error"], tuple(Bin(**item) for item in figures["bins"]))


def _pictures(run: Run, shown: Answers, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each image as the network sees it, and with the areas that support the answer."""
    rule = preprocessing(run.config)
    model = build_classifier(run.config.network, run.config.input_size, len(shown.data.labels), run.config.head)
    set_weights(model, run.read_arrays("weights"))
    try:
        pixels = np.stack([resize(input_picture(shown.data, item["file"], rule), rule) for item in items])
    except ImageError as error:
        raise DataError(f"{error} The model was trained with it; restore the file.") from None
    maps = class_activation(model, pixels, [int(shown.chosen[item["row"]]) for item in items], rule)
    return [
        {**item, "picture": jpeg(picture), "overlay": jpeg(overlay(picture, activation))}
        for item, picture, activation in zip(items, pixels, maps, strict=True)
    ]
