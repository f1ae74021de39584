"""Read the graph of a float TensorFlow Lite file: its operators in the order they run, and its constants."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import quiet
from edgeclf_runtime.model.flatbuffer import Table, read_flat_model

__all__ = ["FloatGraph", "Operator", "read_float_graph"]

_TYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype(np.float32),
    2: np.dtype(np.int32),
    4: np.dtype(np.int64),
    6: np.dtype(np.bool_),
}


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        kind: its name in TensorFlow Lite's schema, or "operator N" if it is newer than the schema.
        name: name of its first output tensor.
        inputs: indices of tensors; -1 where an optional one is absent.
        outputs: indices of tensors.
        options: its table of options; None if it has none.
    """

    kind: str
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    def option(self, field: int, kind: str = "b", default: int = 0) -> int:
        """Return an option by the schema's number of its field; ``kind`` as in ``struct``."""
        return default if self.options is None else self.options.scalar(field, kind, default)


@dataclass(frozen=True)
class FloatGraph:
    """The graph of a float file with one input and one output.

    Attributes:
        operators: in the order they run.
        constants: values of the tensors that no operator makes, by index.
        shapes: shapes of all tensors, by index, with a batch of 1.
        input, output: indices of tensors.
    """

    operators: tuple[Operator, ...]
    constants: dict[int, npt.NDArray[np.generic]]
    shapes: tuple[tuple[int, ...], ...]
    input: int
    output: int


def read_float_graph(content: bytes) -> FloatGraph:
    """Read a flatbuffer.

    Raises:
        ConversionError: it has several graphs, inputs or outputs, or a constant does not have its tensor's size.
        ModelError: it is damaged.
    """
    read_flat_model(content)  # raises if it is damaged
    model = Table.root(content, b"TFL3")
    graphs = list(model.tables(2))
    ends = [graphs[0].integers(field, "i") for field in (1, 2)]
    if len(graphs) != 1 or [len(tensors) for tensors in ends] != [1, 1]:
        raise ConversionError("The converted network has several graphs, inputs or outputs, not one of each.")
    tensors = list(graphs[0].tables(0))
    shapes = tuple(tensor.integers(0, "i") for tensor in tensors)
    return FloatGraph(
        tuple(_operators(model, graphs[0], tensors)), _constants(model, tensors, shapes), shapes, ends[0][0], ends[1][0]
    )


def _names() -> dict[int, str]:
    """Return the schema's names of operators by their codes."""
    with quiet():
        from tensorflow.lite.python import schema_py_generated as schema
    return {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


def _operators(model: Table, graph: Table, tensors: list[Table]) -> Iterator[Operator]:
    codes = [max(code.scalar(0, "b"), code.scalar(3, "i")) for code in model.tables(1)]
    names = _names()
    for operator in graph.tables(3):
        code, outputs = codes[operator.scalar(0, "I")], operator.integers(2, "i")
        if not outputs or min(outputs) < 0:
            raise ConversionError(f"{names.get(code, f'Operator {code}')} makes no tensor; the file is damaged.")
        name = tensors[outputs[0]].text(3)
        kind = names.get(code, f"operator {code}")
        yield Operator(kind, name, operator.integers(1, "i"), outputs, operator.table(4))


def _constants(
    model: Table, tensors: list[Table], shapes: tuple[tuple[int, ...], ...]
) -> dict[int, npt.NDArray[np.generic]]:
    buffers, constants = list(model.tables(4)), {}
    for index, (tensor, shape) in enumerate(zip(tensors, shapes, strict=True)):
        buffer, dtype = buffers[tensor.scalar(2, "I")], _TYPES.get(tensor.scalar(1, "b"))
        if not buffer.size(0) or dtype is None:
            continue
        if buffer.size(0) != math.prod(shape) * dtype.itemsize:
            raise ConversionError(f"Constant {tensor.text(3)!r} does not have the size of its tensor, {list(shape)}.")
        constants[index] = np.frombuffer(buffer.content(0), dtype).reshape(shape)
    return constants
