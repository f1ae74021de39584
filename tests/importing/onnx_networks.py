"""Write small ONNX files for tests; run by the converter's environment: python onnx_networks.py KIND FILE."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(0)


def _weight(name: str, *shape: int) -> onnx.TensorProto:
    scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    return numpy_helper.from_array(RNG.normal(0, scale, shape).astype(np.float32), name)


def _network(kind: str) -> onnx.ModelProto:
    size = "side" if kind == "open" else 32
    middle = {
        "unknown": helper.make_node("Shrink", ["pooled"], ["middle"], name="odd", lambd=0.5),
        "foreign": helper.make_node("Gadget", ["pooled"], ["middle"], name="odd", domain="acme"),
        "quantized": helper.make_node("QuantizeLinear", ["pooled", "one"], ["middle"], name="odd"),
    }.get(kind, helper.make_node("Relu", ["pooled"], ["middle"], name="relu"))
    nodes = [
        helper.make_node("Conv", ["image", "k1", "b1"], ["c1"], name="conv1", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c1", "zero", "six"], ["r1"], name="relu6"),
        helper.make_node(
            "MaxPool", ["r1"], ["p1"], name="pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
        ),
        helper.make_node("Conv", ["p1", "k2"], ["c2"], name="conv2", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c2"], ["pooled"], name="mean"),
        middle,
        helper.make_node("Flatten", ["middle"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"], name="classifier", transB=1),
    ]
    weights = [_weight("k1", 16, 3, 3, 3), _weight("b1", 16), _weight("k2", 32, 16, 3, 3), _weight("w", 3, 32)]
    weights += [_weight("b", 3)]
    weights += [
        numpy_helper.from_array(np.float32(value), name) for name, value in (("zero", 0), ("six", 6), ("one", 1))
    ]
    images = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])]
    if kind == "two-inputs":
        images.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 3, 32, 32]))
    logits = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3])]
    graph = helper.make_graph(nodes, "network", images, logits, weights)
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=9)


def main() -> None:
    """Write the file."""
    kind, file = sys.argv[1:]
    network = _network(kind)
    onnx.save(
        network,
        file,
        save_as_external_data=kind in ("external", "outside", "again"),
        location="weights.bin",
        size_threshold=0,
    )
    if kind == "outside":
        network = onnx.load(file, load_external_data=False)
        for tensor in network.graph.initializer:
            next(entry for entry in tensor.external_data if entry.key == "location").value = "../weights.bin"
        onnx.save(network, file)
    if kind == "again":  # each tensor is all of a file that takes no space on disk
        os.truncate(Path(file).with_name("weights.bin"), 300_000_000)
        network = onnx.load(file, load_external_data=False)
        for tensor in network.graph.initializer:
            kept = [entry for entry in tensor.external_data if entry.key == "location"]
            del tensor.external_data[:]
            tensor.external_data.extend(kept)
        onnx.save(network, file)


if __name__ == "__main__":
    main()
