"""Helpers for the browser tests of both pages."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.runtime.browser import Browser

__all__ = ["assert_fits", "files", "settled_count", "until"]


def assert_fits(browser: Browser) -> None:
    for width in (420, 1200):
        browser.size(width)
        assert browser.value("document.documentElement.scrollWidth") <= width


def until(true: Any) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if not path.name.startswith(".")]


def settled_count(folder: Path) -> int:
    """Return the number of images in a folder once no more arrive."""
    counts = [-1]
    while len(files(folder)) != counts[-1]:
        counts.append(len(files(folder)))
        assert len(counts) < 20
        time.sleep(1)
    return counts[-1]
