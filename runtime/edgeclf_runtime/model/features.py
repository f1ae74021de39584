"""Let an interpreter return a network's features, the input of its last layer, together with its scores.

On disk a model file has one output, as MediaPipe and other readers refuse or reorder several. In memory a second output
costs nothing: a longer list of outputs is appended to the flatbuffer, and the only offset to that list is changed.
Everything else, including the scores, stays the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod

from edgeclf_runtime.model.flatbuffer import Table, TensorInfo, last_operator, read_tensor_info

__all__ = ["feature_tensor", "with_features"]

_CONV, _FULLY_CONNECTED = 3, 9
_SCORES = {14, 25, 50}  # LOGISTIC, SOFTMAX, LOG_SOFTMAX
_FORMS = {6, 22, 43, 114}  # DEQUANTIZE, RESHAPE, SQUEEZE, QUANTIZE
_TYPES = {"uint8", "int8", "float32"}
_SIZE_LIMIT = 1 << 16
_OFFSET_LIMIT = 1 << 31  # readers of flatbuffers refuse larger files

_OUTPUTS = 2  # field of a graph


def with_features(content: bytes, size: int | None = None) -> bytes | None:
    """Return the model with its features as a second output; None if they cannot be found.

    Args:
        content: a .tflite file that ``read_flat_model`` has checked.
        size: number of its bytes to keep, at least the whole flatbuffer; None also keeps what follows.

    Raises:
        ModelError: the file is damaged.
    """
    graph, found = _graph(content), feature_tensor(content)
    place = graph.offset_position(_OUTPUTS)
    outputs = graph.integers(_OUTPUTS, "i")
    if found is None or place is None or len(outputs) != 1:
        return None
    whole = memoryview(content)[:size]
    start = (len(whole) + 3) // 4 * 4
    if start - place >= _OFFSET_LIMIT:
        return None
    longer = bytes(start - len(whole)) + struct.pack("<3i", 2, outputs[0], found[0])
    return b"".join((whole[:place], struct.pack("<I", start - place), whole[place + 4 :], longer))


def feature_tensor(content: bytes) -> tuple[int, TensorInfo] | None:
    """Return the number and the TensorInfo of the last layer's input tensor; None if there is no such layer.

    The last layer is a dense one, or a convolution over a single pixel, before any softmax or sigmoid. A model compiled
    for the Edge TPU is a single operator, so its features cannot be reached.

    Raises:
        ModelError: the file is damaged.
    """
    graph = _graph(content)
    tensors = list(graph.tables(0))
    code, operator = last_operator(Table.root(content, b"TFL3"), graph, _SCORES | _FORMS)
    inputs = operator.integers(1, "i") if operator is not None and code in (_CONV, _FULLY_CONNECTED) else ()
    index = next(iter(inputs), -1)
    computed = {made for each in graph.tables(3) for made in each.integers(2, "i")}
    if not 0 <= index < len(tensors) or index not in computed:
        return None
    info = read_tensor_info(tensors[index])
    *outer, size = info.shape or (0,)
    quantized = info.dtype == "float32" or info.scale
    if prod(outer) not in (1, -1) or not 2 <= size <= _SIZE_LIMIT or info.dtype not in _TYPES or not quantized:
        return None
    return index, info


def _graph(content: bytes) -> Table:
    graphs: Iterator[Table] = Table.root(content, b"TFL3").tables(2)
    return next(graphs)
