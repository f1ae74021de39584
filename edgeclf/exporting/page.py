"""Write the comparison of float and int8 next to the model file: parity.json, and parity.html as a single page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeclf.data.label_cell import joined_names
from edgeclf.pages.html import jpeg, render
from edgeclf_converters.report import ParityReport
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.atomic_file import write_text

__all__ = ["write_parity"]

_SHOWN = 24


def _named(labels: Sequence[str], chosen: int | tuple[int, ...]) -> str:
    """Return one label, or several, or ``_none``."""
    if isinstance(chosen, int):
        return labels[chosen]
    present = np.zeros(len(labels), np.bool_)
    present[list(chosen)] = True
    return joined_names(labels, present)


def write_parity(report: ParityReport, model: Path, pictures: Sequence[Pixels], files: Sequence[str]) -> Path:
    """Write both files.

    Args:
        report: the comparison.
        model: the model file next to which they are written.
        pictures, files: images, uint8 RGB, and file names of the report's rows.

    Returns:
        the page.
    """
    labels, parity = report.labels, report.parity
    flips = [
        {
            "file": files[flip.row],
            "picture": jpeg(pictures[flip.row]),
            "target": _named(labels, flip.target),
            "before": _named(labels, flip.float_class),
            "after": _named(labels, flip.int8_class),
        }
        for flip in parity.flips[:_SHOWN]
    ]
    write_text(model.with_suffix(".parity.json"), report.to_json())
    page, name = model.with_suffix(".parity.html"), model.stem
    write_text(page, render("parity.html", {"report": report, "parity": parity, "flips": flips, "name": name}))
    return page
