"""The names that a file converted from a SavedModel has, for one that was converted without writing one."""

from __future__ import annotations

import re
from typing import Any

from edgeclf_converters.frameworks import quiet

__all__ = ["with_signature"]

_INPUT, _OUTPUT = "image", "output_0"
_LAST = re.compile(rb"Identity(\d*)")  # what TensorFlow calls a function's output, and the converter a cast of it


def with_signature(content: bytes) -> bytes:
    """Return a file with the signature ``serving_default``, and its tensors' names, for ``get_signature_runner``."""
    with quiet():
        from tensorflow.lite.python import schema_py_generated as schema
        from tensorflow.lite.tools import flatbuffer_utils
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = model.subgraphs[0]
    start, end = int(graph.inputs[0]), int(graph.outputs[0])
    graph.tensors[start].name = f"serving_default_{_INPUT}:0".encode()
    for tensor in graph.tensors:
        if last := _LAST.fullmatch(tensor.name):
            tensor.name = b"StatefulPartitionedCall:0" + last[1]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = [_named(schema, _INPUT, start)], [_named(schema, _OUTPUT, end)]
    model.signatureDefs = [signature]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _named(schema: Any, name: str, index: int) -> Any:
    tensor = schema.TensorMapT()
    tensor.name, tensor.tensorIndex = name.encode(), index
    return tensor
