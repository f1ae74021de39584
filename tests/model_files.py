"""Model files that differ in what lies behind their network."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["bare", "variant", "wrong_golden"]

_ENTRIES = {"labels": "labels.txt", "card": "edgeclf.json", "golden": "golden/scores.json"}


def bare(model: Path) -> bytes:
    """The network alone, as a foreign file has it."""
    with zipfile.ZipFile(model) as archive:
        return model.read_bytes()[: min(info.header_offset for info in archive.infolist())]


def variant(model: Path, path: Path, **changed: Callable[[str], str]) -> Path:
    """The same network with other entries in its archive, each given as a function of the old content."""
    with zipfile.ZipFile(model) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    for what, change in changed.items():
        entries[_ENTRIES[what]] = change(entries[_ENTRIES[what]].decode()).encode()
    path.write_bytes(bare(model))
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def wrong_golden(text: str) -> str:
    """Golden scores as no device gives them."""
    content = json.loads(text)
    content["scores"] = [row[::-1] for row in content["scores"]]
    return json.dumps(content)
