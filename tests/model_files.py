"""Model files that differ in what lies behind their network."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["bare", "variant", "without_familiarity", "wrong_golden"]

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
    return _written(bare(model), entries, path)


def without_familiarity(model: Path, path: Path) -> Path:
    """The same network without its familiarity, as files of before have none."""
    with zipfile.ZipFile(model) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    entries = {name: content for name, content in entries.items() if not name.startswith("familiarity/")}
    card = json.loads(entries["edgeclf.json"])
    del card["reject"]
    return _written(bare(model), {**entries, "edgeclf.json": json.dumps(card).encode()}, path)


def _written(network: bytes, entries: dict[str, bytes], path: Path) -> Path:
    path.write_bytes(network)
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def wrong_golden(text: str) -> str:
    """Golden scores as no device gives them."""
    content = json.loads(text)
    content["scores"] = [row[::-1] for row in content["scores"]]
    return json.dumps(content)
