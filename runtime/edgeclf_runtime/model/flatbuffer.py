"""A small reader of flatbuffers, and of the required part of TensorFlow Lite's schema.

Every access is bounds-checked, and the total number of bytes read is limited to a few times the buffer: in a malicious
file ten thousand tensors may share one long list. Only the standard library is used, so that a model can be inspected
without an interpreter.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from edgeclf_runtime.errors import ModelError

__all__ = ["FlatModel", "Table", "TensorInfo", "last_operator", "read_flat_model", "read_tensor_info"]

_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8"}
_CUSTOM = 32
_FORMS = {6, 22, 39, 43, 53, 70, 114}  # DEQUANTIZE, RESHAPE, TRANSPOSE, SQUEEZE, CAST, EXPAND_DIMS, QUANTIZE
_READ = 16  # limit of bytes read, in multiples of the file size; real models need less than 2
_DAMAGED = "The file is cut short or damaged; copy it again."
_SIZES = {"B": 1, "b": 1, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}


class Table:
    """One table of a flatbuffer; fields are numbered as the schema declares them.

    Args:
        data: the whole buffer.
        position: position of the table in the buffer.
        left: number of vector bytes that may still be read, shared by all tables of a buffer.

    Raises:
        ModelError: in every method, if an offset or a length points outside the buffer.
    """

    def __init__(self, data: bytes, position: int, left: list[int]) -> None:
        self._data, self._left = data, left
        self._position = position
        self._fields = position - self._number("i", position)
        self._count = (self._number("H", self._fields) - 4) // 2
        self._number("B", self._fields + self._number("H", self._fields) - 1)

    @classmethod
    def root(cls, data: bytes, identifier: bytes) -> Table:
        """Return the root table of a buffer with this four-byte file identifier."""
        if data[4:8] != identifier:
            raise ModelError(f"Expected a flatbuffer of kind {identifier.decode()}.")
        return cls(data, int(_unpack(data, "I", 0)), [_READ * len(data)])

    def scalar(self, field: int, kind: str, default: int = 0) -> int:
        """Return an integer; ``kind`` as in ``struct``."""
        position = self._field(field)
        return default if position is None else self._number(kind, position)

    def numbers(self, field: int, kind: str) -> tuple[float, ...]:
        """Return a vector of numbers; empty if absent."""
        start, count = self._read(field, _SIZES[kind])
        return struct.unpack_from(f"<{count}{kind}", self._data, start)

    def integers(self, field: int, kind: str) -> tuple[int, ...]:
        """Return a vector of integers; empty if absent."""
        return tuple(int(number) for number in self.numbers(field, kind))

    def content(self, field: int) -> bytes:
        """Return a vector of bytes; empty if absent."""
        start, count = self._read(field, 1)
        return self._data[start : start + count]

    def offset_position(self, field: int) -> int | None:
        """Return the position of the offset to a field's vector or table; None if absent."""
        return self._field(field)

    def size(self, field: int) -> int:
        """Return the length of a vector of bytes without copying it."""
        return self._vector(field, 1)[1]

    def text(self, field: int) -> str:
        """Return a string; empty if absent, with U+FFFD for bytes that are not UTF-8."""
        return self.content(field).decode("utf-8", "replace")

    def table(self, field: int) -> Table | None:
        """Return the table in a field; None if absent."""
        position = self._field(field)
        return None if position is None else self._follow(position)

    def tables(self, field: int) -> Iterator[Table]:
        """Yield the tables of a vector."""
        start, count = self._read(field, 4)
        for index in range(count):
            yield self._follow(start + 4 * index)

    def _field(self, field: int) -> int | None:
        offset = self._number("H", self._fields + 4 + 2 * field) if field < self._count else 0
        return self._position + offset if offset else None

    def _follow(self, position: int) -> Table:
        return Table(self._data, position + self._number("I", position), self._left)

    def _read(self, field: int, size: int) -> tuple[int, int]:
        start, count = self._vector(field, size)
        self._left[0] -= count * size
        if self._left[0] < 0:
            raise ModelError(_DAMAGED)
        return start, count

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        position = self._field(field)
        if position is None:
            return 0, 0
        position += self._number("I", position)
        count = self._number("I", position)
        if position + 4 + count * size > len(self._data):
            raise ModelError(_DAMAGED)
        return position + 4, count

    def _number(self, kind: str, position: int) -> int:
        return int(_unpack(self._data, kind, position))


def _unpack(data: bytes, kind: str, position: int) -> float:
    if not 0 <= position <= len(data) - _SIZES[kind]:
        raise ModelError(_DAMAGED)
    value: float = struct.unpack_from(f"<{kind}", data, position)[0]
    return value


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the graph.

    Attributes:
        name: name in the graph.
        shape: -1 stands for a dynamic size.
        dtype: name of the numpy type.
        scale, zero_point: quantization, ``real = (stored - zero_point) * scale``; 0 and 0 if not quantized.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


@dataclass(frozen=True)
class FlatModel:
    """The contents of a model's flatbuffer.

    Attributes:
        inputs, outputs: inputs and outputs of the first graph.
        last_operator: builtin code of the operator that computes the output, not counting operators that only change
            its type or shape; 32 for a custom operator, -1 for none.
        custom_ops: names of the custom operators.
        metadata: the TFLITE_METADATA buffer; empty if absent.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    last_operator: int
    custom_ops: tuple[str, ...]
    metadata: bytes


def read_flat_model(data: bytes) -> FlatModel:
    """Read the flatbuffer of a .tflite file and check that it is complete; bytes after it are ignored.

    Raises:
        ModelError: truncated, damaged or not TFLite; the message does not name the file.
    """
    model = Table.root(data, b"TFL3")
    buffers = list(model.tables(4))
    for buffer in buffers:
        if buffer.size(0) == 0 and buffer.scalar(1, "Q") + buffer.scalar(2, "Q") > len(data):
            raise ModelError(_DAMAGED)
    graphs = list(model.tables(2))
    if not graphs:
        raise ModelError("A TensorFlow Lite file without a graph.")
    for graph in graphs:
        _check_graph(graph, len(buffers), sum(1 for _ in model.tables(1)))
    tensors = list(graphs[0].tables(0))
    ops = tuple(code.text(1) for code in model.tables(1) if code.scalar(3, "i") == _CUSTOM or code.size(1))
    inputs, outputs = _pick(graphs[0], 1, tensors), _pick(graphs[0], 2, tensors)
    return FlatModel(inputs, outputs, last_operator(model, graphs[0], _FORMS)[0], ops, _metadata(model, buffers))


def last_operator(model: Table, graph: Table, skipped: Collection[int]) -> tuple[int, Table | None]:
    """Return the operator that computes the output, with its builtin code; -1 and None if there is none.

    Args:
        model: root of the flatbuffer.
        graph: its graph.
        skipped: codes of operators after it to ignore.
    """
    codes = [max(code.scalar(0, "b"), code.scalar(3, "i")) for code in model.tables(1)]
    made_by = {made: operator for operator in graph.tables(3) for made in operator.integers(2, "i")}
    tensor = next(iter(graph.integers(2, "i")), -1)
    while (operator := made_by.pop(tensor, None)) is not None:  # popped, so that a cycle of operators ends
        code = codes[operator.scalar(0, "I")]
        if code not in skipped:
            return code, operator
        tensor = next(iter(operator.integers(1, "i")), -1)
    return -1, None


def _check_graph(graph: Table, buffers: int, codes: int) -> None:
    """Access everything that may be missing in a truncated file."""
    count = 0
    for tensor in graph.tables(0):
        count += 1
        read_tensor_info(tensor)
        if tensor.scalar(2, "I") >= buffers:
            raise ModelError(_DAMAGED)
    for operator in graph.tables(3):
        touched = (*operator.integers(1, "i"), *operator.integers(2, "i"))  # -1: an optional input is absent
        if operator.scalar(0, "I") >= codes or not all(-1 <= index < count for index in touched):
            raise ModelError(_DAMAGED)


def _pick(graph: Table, field: int, tensors: list[Table]) -> tuple[TensorInfo, ...]:
    indices = graph.integers(field, "i")
    if not all(0 <= index < len(tensors) for index in indices):
        raise ModelError(_DAMAGED)
    return tuple(read_tensor_info(tensors[index]) for index in indices)


def read_tensor_info(tensor: Table) -> TensorInfo:
    """Return the contents of a tensor's table."""
    kind = tensor.scalar(1, "b")
    shape = tensor.integers(7, "i") or tensor.integers(0, "i")
    quantization = tensor.table(4)
    scales = quantization.numbers(2, "f") if quantization else ()
    zero_points = quantization.integers(3, "q") if quantization else ()
    # Weights have a scale per channel; an input or output has a single one.
    single = len(scales) == 1
    return TensorInfo(
        name=tensor.text(3),
        shape=shape,
        dtype=_TYPES.get(kind, f"type {kind}"),
        scale=scales[0] if single else 0.0,
        zero_point=zero_points[0] if single and zero_points else 0,
    )


def _metadata(model: Table, buffers: list[Table]) -> bytes:
    for entry in model.tables(6):
        index = entry.scalar(1, "I")
        if entry.text(0) == "TFLITE_METADATA" and index < len(buffers):
            return buffers[index].content(0)
    return b""
