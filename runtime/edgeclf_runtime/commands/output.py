"""Refuse an output file that cannot be written, before the work for it begins."""

from __future__ import annotations

import os
from pathlib import Path

from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.system.plain_text import plain, printable

__all__ = ["check_output"]


def check_output(path: Path) -> None:
    """Check that a file of this name can be written.

    Raises:
        UsageError: it is a folder, or its folder does not exist or cannot be written to.
    """
    folder, reason = path.parent, ""
    if path.is_dir():
        reason = "is a folder; give the name of a file"
    elif not folder.is_dir():
        reason = f"its folder does not exist; create it: mkdir -p {plain(printable(folder))}"
    elif not os.access(folder, os.W_OK):
        reason = f"you may not write to its folder, {plain(printable(folder))}; give another one"
    if reason:
        raise UsageError(f"{plain(printable(path))}: {reason}.")
