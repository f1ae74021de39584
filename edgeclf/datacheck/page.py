"""Write a data check: check.json with all findings, and check.html as a single page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeclf.datacheck.check import Check, Finding
from edgeclf.pages.html import jpeg, render
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.preprocess import Preprocessing, resize
from edgeclf_runtime.system.atomic_file import write_text

__all__ = ["write_check"]

_CASES = 24  # cases shown per finding
_COPIES = 4  # images shown per group
_SIDE = 160  # maximum width and height of an image, in pixels


def write_check(check: Check, folder: Path) -> Path:
    """Write both files to an existing folder.

    Returns:
        the page.
    """
    sections = [(finding, list(_cases(check, finding))) for finding in check.findings]
    write_text(folder / "check.json", check.to_json() + "\n")
    page = folder / "check.html"
    write_text(page, render("check.html", {"check": check, "sections": sections, "most": max(check.counts.values())}))
    return page


def _cases(check: Check, finding: Finding) -> Iterator[dict[str, object]]:
    for files, note in list(zip(finding.groups, finding.notes, strict=True))[:_CASES]:
        shown = [{"file": file, "picture": _thumbnail(check, file)} for file in files[:_COPIES]]
        yield {"pictures": shown, "more": len(files) - len(shown), "note": note}


def _thumbnail(check: Check, file: str) -> str | None:
    """Return a small version of an image as a data address for ``img``; None if the file is not an image."""
    try:
        pixels = check.data.picture(file)
    except ImageError:
        return None
    height, width = pixels.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    return jpeg(resize(pixels, Preprocessing(max(1, round(width * scale)), max(1, round(height * scale)))))
