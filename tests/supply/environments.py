"""Separate environments for each Python, and the contents of a wheel."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PARTS = {"edgeclf_runtime": "runtime", "edgeclf_converters": "converters", "edgeclf_fleet": "fleet", "edgeclf": "."}
CONSTRAINED = ["-c", str(ROOT / "constraints.txt")]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def wheel_of(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"{name}-*.whl")
    return path


def entries(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def python_of(version: str) -> Path:
    """Return an interpreter of this version, from PATH or pyenv; skip the test if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    paths = [shutil.which(f"python{version}"), *(path / "bin/python" for path in pyenv.glob(f"{version}.*"))]
    for path in filter(None, paths):
        done = subprocess.run([path, "-V"], capture_output=True, text=True, env=CLEAN, check=False)
        if done.stdout.startswith(f"Python {version}."):
            return Path(path)
    pytest.skip(f"no Python {version} on this machine")


def environment(python: Path, folder: Path, *words: object) -> Path:
    """Create an environment with these packages, if any; return its Python."""
    subprocess.run([python, "-m", "venv", folder], check=True, env=CLEAN)
    if words:
        install(folder / "bin/python", *words)
    return folder / "bin/python"


def install(python: Path, *words: object) -> None:
    printed([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words], python.parent)


def printed(command: list[object], folder: Path) -> str:
    """Run a command in a folder; return its output."""
    words = list(map(str, command))
    done = subprocess.run(words, capture_output=True, text=True, env=CLEAN, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def metadata_of(wheel: Path, folder: Path) -> Any:
    """Return a wheel's metadata; the wheel is unpacked into the folder."""
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    return importlib.metadata.Distribution.at(next(folder.glob("*.dist-info"))).metadata
