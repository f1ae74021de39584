"""Explain a path that is not a model file: a folder, nothing at all, or a file of another kind."""

from __future__ import annotations

import difflib
import shlex
from pathlib import Path

__all__ = ["is_run_folder", "near_names", "not_tflite", "why_no_model"]

_SUFFIX = ".tflite"
_MODEL = "model.tflite"  # the file that an export writes to a run folder


def why_no_model(path: Path) -> str:
    """Return why a path is not a model file and which one was probably meant; empty if it is a file."""
    if path.is_dir():
        return _about_folder(path)
    if path.exists():
        return "" if path.is_file() else "A device, expected a .tflite file."
    if path.name == _MODEL and is_run_folder(path.parent):
        return f"There is no model file in this training's folder yet. {_export(path.parent)}"
    near = near_names(path, [item.name for item in _models(path.parent)])
    return f"No such file.{near}" if near else ""


def is_run_folder(folder: Path) -> bool:
    """Whether a folder is the run folder of a training."""
    return (folder / "environment.json").is_file() and any(
        (folder / name).is_file() for name in ("config.toml", "config.json")
    )


def near_names(path: Path, names: list[str]) -> str:
    """Return `` Did you mean ...?`` with the existing name most similar to a missing path; else an empty string."""
    stems = {Path(name).stem.casefold(): name for name in reversed(names)}
    near = difflib.get_close_matches(path.stem.casefold(), stems, n=1)
    return f" Did you mean {path.with_name(stems[near[0]])}?" if near else ""


def _about_folder(path: Path) -> str:
    models = _models(path)
    if models:
        others = f" (or {', '.join(item.name for item in models[1:3])})" if len(models) > 1 else ""
        return f"A folder, expected a .tflite file. Give the file: {models[0]}{others}"
    if is_run_folder(path):
        return f"The folder of a training, expected a .tflite file. {_export(path)}"
    return "A folder, expected a .tflite file."


def _models(folder: Path) -> list[Path]:
    """Return the visible model files in a folder, an export's first."""
    try:
        models = [item for item in folder.iterdir() if item.suffix == _SUFFIX and not item.name.startswith(".")]
    except OSError:
        return []
    return sorted(models, key=lambda item: (item.name != _MODEL, item.name))


def _export(folder: Path) -> str:
    return f"Write it with: {shlex.join(['edgeclf', 'export', '--int8', str(folder)])}"


def not_tflite(content: bytes) -> str:
    """Return what a file is if it does not begin like a .tflite file."""
    if not content:
        return "The file is empty."
    if content.startswith(b"PK\x03\x04"):
        return "A zip (a .keras model, a .task bundle or an archive), expected a .tflite file; unpack or convert it."
    if content.startswith(b"\x89HDF"):
        return "A Keras HDF5 file, expected a .tflite file; convert it."
    return "Not a TensorFlow Lite file."
