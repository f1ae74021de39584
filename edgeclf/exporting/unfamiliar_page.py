"""Write what a model file refuses next to it: unfamiliar.json, and unfamiliar.html as a single page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeclf.data.dataset import Dataset
from edgeclf.evaluation.page import thumbnail
from edgeclf.exporting.unfamiliar import Nearest, Unfamiliar
from edgeclf.pages.html import render
from edgeclf_runtime.system.atomic_file import write_text
from edgeclf_runtime.system.plain_text import printable

__all__ = ["write_unfamiliar"]


def write_unfamiliar(measured: Unfamiliar, model: Path, train: Dataset, validation: Dataset) -> Path:
    """Write both files.

    Args:
        measured: the measurement.
        model: the model file next to which they are written.
        train, validation: images of the measurement's rows.

    Returns:
        the page.
    """
    write_text(model.with_suffix(".unfamiliar.json"), json.dumps(measured.content(), indent=1) + "\n")
    items = [_item(nearest, measured.reject, train, validation) for nearest in measured.nearest]
    page = model.with_suffix(".unfamiliar.html")
    write_text(page, render("unfamiliar.html", {"name": model.stem, "measured": measured, "items": items}))
    return page


def _item(nearest: Nearest, reject: float, train: Dataset, validation: Dataset) -> dict[str, Any]:
    return {
        **_image(validation, nearest.row),
        "answer": validation.labels[nearest.answer],
        "familiarity": nearest.familiarity,
        "refused": nearest.familiarity < reject,
        "nearest": [
            {**_image(train, row), "likeness": likeness}
            for row, likeness in zip(nearest.training, nearest.likeness, strict=True)
        ],
    }


def _image(data: Dataset, row: int) -> dict[str, Any]:
    file = data.files[row]
    return {"file": printable(file), "label": data.labels[int(data.targets[row])], "picture": thumbnail(data, file)}
