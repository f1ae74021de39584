"""Measure the ranges of a float file's activations on images, and quantize the file with them.

TensorFlow's own calibrator needs seven times the processor time, and uses one core. Where a sum is written over one of
its operands, as at the end of a residual block, it also takes the range of the sum for that of the operand:
TensorFlow's issue 127842.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_converters.frameworks import quiet
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing
from edgeclf_runtime.system.cores import usable_cores

__all__ = ["quantize_ranged", "with_ranges"]

_FLOAT32 = 0

Floats = npt.NDArray[np.float32]


def with_ranges(content: bytes, pictures: Sequence[Pixels], rule: Preprocessing) -> bytes | None:
    """Return a float file with the lowest and highest value of its input and of what each operator makes.

    Args:
        content: the file, from normalized RGB float32 ``[1, height, width, 3]``.
        pictures: images, uint8 RGB of the input's size.
        rule: the network's preprocessing; only mean and std are used.

    Returns:
        None if the file has more than plain operators, such as loops or states between images.
    """
    with quiet():
        from tensorflow.lite.tools import flatbuffer_utils
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph, signatures = model.subgraphs[0], model.signatureDefs
    if len(model.subgraphs) != 1 or len(graph.inputs) != 1 or not _is_plain(graph):
        return None
    made = sorted({int(index) for operator in graph.operators for index in operator.outputs})
    watched = [index for index in made if graph.tensors[index].type == _FLOAT32]
    ends, graph.outputs, model.signatureDefs = graph.outputs, np.array(watched, np.int32), []
    # A tensor that is an output of the file has memory of its own, also after the operators that follow.
    spans = _extremes(bytes(flatbuffer_utils.convert_object_to_bytearray(model)), watched, pictures, rule)
    graph.outputs, model.signatureDefs = ends, signatures
    for index, span in zip([int(graph.inputs[0]), *watched], spans, strict=True):
        graph.tensors[index].quantization.min, graph.tensors[index].quantization.max = span[:1], span[1:]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _is_plain(graph: Any) -> bool:
    has_states = any(tensor.isVariable for tensor in graph.tensors)
    return not has_states and not any(operator.intermediates is not None for operator in graph.operators)


def _extremes(content: bytes, outputs: Sequence[int], pictures: Sequence[Pixels], rule: Preprocessing) -> Floats:
    """Return the lowest and highest values of the input and the outputs, float32 ``[1 + outputs, 2]``."""
    count = max(1, min(usable_cores(), len(pictures)))
    parts = [pictures[start::count] for start in range(count)]
    with ThreadPoolExecutor(count) as threads:
        spans = list(threads.map(lambda part: _part_extremes(content, outputs, part, rule), parts))
    return np.stack([np.min([span[:, 0] for span in spans], axis=0), np.max([span[:, 1] for span in spans], axis=0)], 1)


def _part_extremes(content: bytes, outputs: Sequence[int], pictures: Sequence[Pixels], rule: Preprocessing) -> Floats:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    mean, std = np.array(rule.mean, np.float32), np.array(rule.std, np.float32)
    spans = []
    for picture in pictures:
        values = ((picture.astype(np.float32) - mean) / std)[np.newaxis]
        interpreter.set_tensor(source, values)
        interpreter.invoke()
        # Without copies; no view may be left at the next call of ``invoke``.
        spans.append([_span(values), *(_span(interpreter.tensor(index)()) for index in outputs)])
    lows, highs = np.moveaxis(np.array(spans, np.float32), -1, 0)
    return np.stack([lows.min(axis=0), highs.max(axis=0)], 1)


def _span(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def quantize_ranged(content: bytes, input_type: Any, output_type: Any) -> bytes:
    """Quantize a file from ``with_ranges`` as the converter does.

    Args:
        input_type, output_type: TensorFlow's types of the result's input and output.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    # Older interpreters and the Edge TPU's compiler do not support dense layers with a scale per channel.
    return bytes(
        mlir_quantize(
            content,
            input_data_type=input_type,
            output_data_type=output_type,
            disable_per_channel_for_dense_layers=True,
        )
    )
