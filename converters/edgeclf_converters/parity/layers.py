"""Measure where an int8 file differs from its float network, layer by layer, on the file itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeclf_converters.frameworks import tensorflow
from edgeclf_converters.graph.inputs import normalized
from edgeclf_converters.graph.nodes import Node, build
from edgeclf_runtime.model.flatbuffer import Table
from edgeclf_runtime.pictures.preprocess import InputEncoder, Pixels, Preprocessing

__all__ = ["LayerNoise", "layer_noise", "multiply_accumulates"]

_CONV, _DEPTHWISE, _DENSE = 3, 4, 9  # builtin operators
_BATCH = 8  # images whose outputs of all layers are in memory


@dataclass(frozen=True)
class LayerNoise:
    """The noise of one layer.

    Attributes:
        name: name of the tf_keras layer.
        decibels: signal-to-noise ratio, 10 log10 of the float output's mean square over the difference's, in dB.
        clipped: share of the outputs at either end of the integer range, except at a lower end that stands for zero,
            which is normal after a ReLU.
    """

    name: str
    decibels: float
    clipped: float


def layer_noise(
    nodes: Sequence[Node], content: bytes, pictures: Sequence[Pixels], rule: Preprocessing
) -> list[LayerNoise]:
    """Measure the signal-to-noise ratio of each layer of an int8 file that its tensors' names identify, in order.

    Args:
        nodes: from ``fold``, the float network with the file's layers.
        content: the .tflite file's bytes.
        pictures: images, uint8 RGB of the input's size.
    """
    interpreter = _watched(content)
    watched = list(_named_outputs(interpreter, [node.name for node in nodes]))
    if not watched:
        return []
    source = interpreter.get_input_details()[0]
    encode = InputEncoder(rule, source["dtype"], *source["quantization"])
    names = [name for name, _ in watched]
    floats = build(nodes, outputs=names)
    signal, noise, clipped = (np.zeros(len(watched)) for _ in range(3))
    for picture, outputs in zip(pictures, _float_outputs(floats, pictures, rule), strict=True):
        interpreter.set_tensor(source["index"], encode(picture)[np.newaxis])
        interpreter.invoke()
        for row, ((_, details), wanted) in enumerate(zip(watched, outputs, strict=True)):
            stored = interpreter.get_tensor(details["index"])
            scale, zero = details["quantization"]
            wanted = wanted.reshape(stored.shape)
            signal[row] += float(np.square(wanted).mean())
            noise[row] += float(np.square((stored.astype(np.float32) - zero) * scale - wanted).mean())
            limits = np.iinfo(stored.dtype)
            low = (stored == limits.min) & (zero != limits.min)
            clipped[row] += float((low | (stored == limits.max)).mean())
    decibels = 10 * np.log10(np.maximum(signal, 1e-12) / np.maximum(noise, 1e-12))
    return [
        LayerNoise(name, float(decibels[row]), float(clipped[row] / len(pictures))) for row, name in enumerate(names)
    ]


def _float_outputs(floats: Any, pictures: Sequence[Pixels], rule: Preprocessing) -> Iterator[list[Any]]:
    """Yield the float network's outputs for each image, computed for several at a time."""
    tf = tensorflow()
    for start in range(0, len(pictures), _BATCH):
        batch = np.stack(pictures[start : start + _BATCH])
        outputs = tf.nest.flatten(floats(normalized(tf.constant(batch), rule), training=False))
        made = [output.numpy() for output in outputs]
        yield from ([output[row] for output in made] for row in range(len(batch)))


def _watched(content: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def _named_outputs(interpreter: Any, nodes: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each operator's output that has the name of a node, with its details.

    The converter joins the names of all nodes that it merged into an operator; its output is the last one's.
    """
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    seen: set[str] = set()
    for operator in interpreter._get_ops_details():
        tensor = details[int(operator["outputs"][0])]
        paths = [f"/{path}/".replace("/quant_", "/") for path in tensor["name"].split(";")]
        carried = [name for name in nodes if any(f"/{name}/" in path for path in paths)]
        if carried and carried[-1] not in seen and np.issubdtype(tensor["dtype"], np.integer):
            seen.add(carried[-1])
            yield carried[-1], tensor


def multiply_accumulates(content: bytes) -> int:
    """Count the multiplications of convolutions and dense layers per image, from a .tflite file's shapes."""
    model = Table.root(content, b"TFL3")
    codes = [max(code.scalar(0, "b"), code.scalar(3, "i")) for code in model.tables(1)]
    graph = next(model.tables(2))
    shapes = [tensor.integers(0, "i") for tensor in graph.tables(0)]
    total = 0
    for operator in graph.tables(3):
        kind = codes[operator.scalar(0, "I")]
        if kind not in (_CONV, _DEPTHWISE, _DENSE):
            continue
        kernel, output = shapes[operator.integers(1, "i")[1]], shapes[operator.integers(2, "i")[0]]
        # shapes: conv [out, h, w, in], depthwise [1, h, w, out], dense [out, in]
        each = np.prod(kernel[1:3] if kind == _DEPTHWISE else kernel[1:], dtype=np.int64)
        total += int(np.prod(output, dtype=np.int64) * each)
    return total
