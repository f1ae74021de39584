"""Model files that differ in the archive after the network."""

from __future__ import annotations

import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeclf_runtime.model.flatbuffer import Table

__all__ = ["bare", "crashing", "last_layer_integers", "slow", "variant", "without_familiarity", "wrong_golden"]

_ENTRIES = {
    "labels": "labels.txt",
    "card": "edgeclf.json",
    "golden": "golden/scores.json",
    "familiarity": "familiarity/familiarity.json",
}


def bare(model: Path) -> bytes:
    """Return only the network, as in a file of another tool."""
    with zipfile.ZipFile(model) as archive:
        return model.read_bytes()[: min(info.header_offset for info in archive.infolist())]


def variant(model: Path, path: Path, **changed: Callable[[str], str]) -> Path:
    """Write the same network with changed entries in its archive, each given as a function of the old content."""
    with zipfile.ZipFile(model) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    for what, change in changed.items():
        entries[_ENTRIES[what]] = change(entries[_ENTRIES[what]].decode()).encode()
    return _written(bare(model), entries, path)


def without_familiarity(model: Path, path: Path) -> Path:
    """Write the same network without familiarity, as in files of earlier versions."""
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
    """Return golden scores that no device gives."""
    content = json.loads(text)
    content["scores"] = [row[::-1] for row in content["scores"]]
    return json.dumps(content)


def crashing(model: Path, path: Path) -> Path:
    """Write a file that crashes the interpreter: the sum of two tensors lacks its scale, which is assumed to exist."""
    content = bytearray(model.read_bytes())
    root = Table.root(bytes(content), b"TFL3")
    graph, codes = next(root.tables(2)), list(root.tables(1))
    sums = [
        op
        for op in graph.tables(3)
        if max(codes[op.scalar(0, "I")].scalar(0, "b"), codes[op.scalar(0, "I")].scalar(3, "i")) == 0
    ]
    quantization = list(graph.tables(0))[sums[0].integers(2, "i")[0]].table(4)
    assert quantization is not None
    scale = struct.pack("<If", 1, quantization.numbers(2, "f")[0])  # a vector of one
    place = content.index(scale, quantization._position)
    content[place : place + 4] = bytes(4)
    path.write_bytes(content)
    return path


def slow(model: Path, path: Path, size: int) -> Path:
    """Write the same network for larger images, without golden scores; its input is square."""
    with zipfile.ZipFile(model) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    entries = {name: content for name, content in entries.items() if not name.startswith("golden/")}
    card = json.loads(entries["edgeclf.json"])
    content, old = bytearray(bare(model)), card["preprocessing"]["width"]
    graph = next(Table.root(bytes(content), b"TFL3").tables(2))
    shape = struct.pack("<4i", 1, old, old, 3)
    first = list(graph.tables(0))[graph.integers(1, "i")[0]]
    struct.pack_into("<4i", content, content.index(shape, first._position), 1, size, size, 3)
    card["preprocessing"].update(width=size, height=size)
    return _written(bytes(content), {**entries, "edgeclf.json": json.dumps(card).encode()}, path)


def last_layer_integers(network: bytes, batch: np.ndarray) -> tuple[Any, Any]:
    """Return the integers that enter and leave a network's last layer."""
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():  # about the memory that it takes
        warnings.simplefilter("ignore")
        interpreter = Interpreter(model_content=network, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
    interpreter.invoke()
    (dense,) = (each for each in interpreter._get_ops_details() if each["op_name"] == "FULLY_CONNECTED")
    first, last = (interpreter.get_tensor(int(dense[side][0])) for side in ("inputs", "outputs"))
    return first.reshape(-1), last.reshape(-1)
