"""Read the TFLITE_METADATA buffer that Model Maker, MediaPipe and the Task Library write into a .tflite file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.appending import Appending
from edgeclf_runtime.model.flatbuffer import Table
from edgeclf_runtime.system.plain_text import plain

__all__ = ["LabelFile", "Metadata", "read_metadata", "renamed"]

_AXIS_LABELS = 2
_VALUE_LABELS = 3
_NORMALIZATION = 1


@dataclass(frozen=True)
class LabelFile:
    """A label file in the model's zip; ``locale`` is a language code, or empty."""

    name: str
    locale: str


@dataclass(frozen=True)
class Metadata:
    """The part of the metadata that is used.

    Attributes:
        name: name of the model, or empty.
        mean, std: normalization of the input, three values each; empty if it has none.
        label_files: label files of the output: those without a locale first, then English ones.
    """

    name: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    label_files: tuple[LabelFile, ...] = ()


def read_metadata(data: bytes) -> Metadata:
    """Read the buffer; an empty buffer gives empty Metadata.

    Raises:
        ModelError: damaged, or an invalid normalization; the message does not name the file.
    """
    if not data:
        return Metadata()
    root = Table.root(data, b"M001")
    graph = next(root.tables(3), None)
    if graph is None:
        return Metadata(plain(root.text(0)))
    inputs, outputs = list(graph.tables(2)), list(graph.tables(3))
    mean, std = _normalization(inputs[0]) if inputs else ((), ())
    files = [file for output in outputs[:1] for file in _label_files(output)]
    files.sort(key=lambda file: (file.locale != "", not file.locale.startswith("en")))
    return Metadata(plain(root.text(0)), mean, std, tuple(files))


def renamed(data: bytes, name: str) -> bytes:
    """Return the buffer with another model name; a buffer without a name is returned unchanged."""
    position = Table.root(data, b"M001").offset_position(0)
    if position is None:
        return data
    appending = Appending(data)
    appending.text(position, name)
    return appending.content()


def _normalization(tensor: Table) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for unit in tensor.tables(4):
        options = unit.table(1)
        if unit.scalar(0, "B") == _NORMALIZATION and options is not None:
            mean, std = _channels(options.numbers(0, "f")), _channels(options.numbers(1, "f"))
            if not all(value > 0 for value in std):
                raise ModelError("Its metadata has a standard deviation that is not above 0; give mean and std.")
            return mean, std
    return (), ()


def _channels(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) not in (1, 3) or not all(math.isfinite(value) for value in values):
        raise ModelError("Its metadata's normalization is not 1 or 3 finite values; give mean and std.")
    return values if len(values) == 3 else values * 3


def _label_files(tensor: Table) -> Iterator[LabelFile]:
    for file in tensor.tables(6):
        if file.scalar(2, "b") in (_AXIS_LABELS, _VALUE_LABELS) and file.text(0):
            yield LabelFile(file.text(0), file.text(3))
