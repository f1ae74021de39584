"""The runtime of version 0.1, from the wheel in ``tests/kept/0.1``, and model files that it reads."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

from edgeclf_runtime import ModelCard
from edgeclf_runtime.pictures.view import View
from tests.model_files import variant

WHEELS = Path(__file__).parent / "kept" / "0.1"


def unpacked(folder: Path) -> Path:
    """Unpack the wheel into a folder; in PYTHONPATH, it takes precedence over the current runtime."""
    with zipfile.ZipFile(next(WHEELS.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    return folder


def with_card(model: Path, path: Path, jpeg: str = "full", view: View | None = None) -> Path:
    """Write a copy of a model file whose card has this rule for JPEGs and this view; 0.1 reads only the defaults."""

    def changed(text: str) -> str:
        with zipfile.ZipFile(model) as archive:
            labels = tuple(archive.read("labels.txt").decode().splitlines())
        card = ModelCard.from_json(text, labels)
        return replace(card, view=view or View(), preprocessing=replace(card.preprocessing, jpeg=jpeg)).to_json()

    return variant(model, path, card=changed)
