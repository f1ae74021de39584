"""Stand-ins for the files of edgetpu_compiler and libedgetpu: a compiled model and the library's source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeclf_runtime import ModelCard, Preprocessing

SOURCE = Path(__file__).with_name("edgetpu_stand_in.c")
CARD = ModelCard("stand-in", ("a", "b", "c"), Preprocessing(16, 16))

Build = Callable[..., Path]


def small_flatbuffer(operator: str, metadata: bytes = b"") -> bytes:
    """Return a model with one operator of this name, from a 16x16 image to three scores, as edgetpu_compiler writes."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    def tensor(name: bytes, shape: list[int], scale: float, zero: int) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, schema.TensorType.UINT8, 0
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [zero]
        return made

    code, step, graph, model = schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = operator.encode(), 1
    step.opcodeIndex, step.inputs, step.outputs, step.customOptions = 0, [0], [1], list(b"code")
    graph.tensors = [tensor(b"image", [1, 16, 16, 3], 1 / 128, 127), tensor(b"scores", [1, 3], 1 / 256, 0)]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [step]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    if metadata:
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data, entry.name, entry.buffer = list(metadata), "TFLITE_METADATA", 1
        model.buffers.append(buffer)
        model.metadata = [entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def image(value: int) -> np.ndarray:
    return np.full((16, 16, 3), value, np.uint8)
