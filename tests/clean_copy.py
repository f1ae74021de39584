"""The repository's files, without what earlier builds and tests left behind."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__all__ = ["clean_copy", "tracked"]

ROOT = Path(__file__).parents[1]


def tracked(folder: Path) -> list[str]:
    """Return the names of the files in a folder that are tracked or will be, relative to the repository's root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\n") if name and (ROOT / name).exists()]


def clean_copy(folder: Path) -> Path:
    """Copy them to a folder, and return it."""
    for name in tracked(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder
