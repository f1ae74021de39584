"""Build the folded network with the rounding of an integer network in it (Jacob et al., CVPR 2018).

It uses tensorflow-model-optimization's wrappers, with three differences from its ``quantize_model``: batch norm is
already folded, so training sees the kernels that are quantized; depthwise kernels have a scale per channel, as in the
interpreter; and activation ranges are measured on the float network in place of +-6.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from edgeclf_converters.frameworks import tensorflow, tfmot
from edgeclf_converters.graph.fold import WEIGHTED, shared_scale_axes
from edgeclf_converters.graph.nodes import Node, assemble, consumers, relu_cap

__all__ = ["Ranges", "quantized", "ranged_nodes", "set_ranges"]

Ranges = Mapping[str, tuple[float, float]]
"""Lowest and highest value of each node's output, by the node's name."""

_KEEP_SCALE = ("MaxPooling2D", "Flatten", "Reshape", "ZeroPadding2D", "Softmax")
_FUSES_RELU = (*WEIGHTED, "Add")


def ranged_nodes(nodes: Sequence[Node]) -> list[str]:
    """Return the names of nodes whose output has a range of its own, in order.

    Omits nodes that keep the scale of their input, nodes that the interpreter fuses with the rectifier after them, and
    a softmax, whose range is fixed.
    """
    users = consumers(nodes)
    return [node.name for node in nodes if not _keeps_scale(node) and not _fused(node, users[node.name])]


def _keeps_scale(node: Node) -> bool:
    return node.kind in _KEEP_SCALE or node.config.get("activation") in ("softmax", "sigmoid", "tanh")


def _fused(node: Node, users: Sequence[Node]) -> bool:
    return node.kind in _FUSES_RELU and len(users) == 1 and relu_cap(users[0]) is not None


def quantized(
    nodes: Sequence[Node], ranges: Ranges, *, kernels: bool, outputs: Sequence[str] = ()
) -> tuple[Any, dict[str, list[Any]]]:
    """Build a tf_keras model that rounds like the integer network; return it and its nodes' variables.

    Args:
        nodes: from ``fold``.
        ranges: ranges of every node of ``ranged_nodes``.
        kernels: whether to round kernels too, for training; the converter does so by itself.
        outputs: see ``graph.build``.

    Returns:
        see ``graph.assemble``.
    """

    def wrap(node: Node, layer: Any) -> Any:
        span = ranges.get(node.name)
        axes = shared_scale_axes(node.kind) if kernels and node.kind in WEIGHTED else None
        if span is None and axes is None:
            return layer
        tools = _tools()
        inner = layer if layer is not None else tools.identity(node.name)
        return tools.wrapper(inner, tools.config(axes, span))

    return assemble(nodes, wrap, outputs)


def set_ranges(model: Any, ranges: Ranges) -> None:
    """Set other ranges in a network from ``quantized``."""
    for layer in model.layers:
        span = ranges.get(getattr(getattr(layer, "layer", None), "name", "").removesuffix("_image"))
        if span is not None:
            low, high = layer._output_quantizer_vars["low"], layer._output_quantizer_vars["high"]
            low.assign(span[0])
            high.assign(span[1])


class _Tools:
    """Subclasses of tensorflow-model-optimization's classes, made when they are first needed."""

    wrapper: Any
    config: Any

    def identity(self, name: str) -> Any:
        """Return a layer for the input, whose pixels are rounded too."""
        from edgeclf_converters.frameworks import keras

        return keras().layers.Activation("linear", name=f"{name}_image")


@functools.cache
def _tools() -> _Tools:
    tf, quantization = tensorflow(), tfmot().quantization.keras

    class KernelQuantizer(quantization.quantizers.Quantizer):  # type: ignore[misc, name-defined]
        """Round symmetrically to 255 steps up to the largest weight that shares the scale; gradients pass through."""

        def __init__(self, axes: tuple[int, ...]) -> None:
            self.axes = axes

        def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
            return {}

        def __call__(self, inputs: Any, training: bool, weights: Any, **_: Any) -> Any:
            scale = tf.maximum(tf.reduce_max(tf.abs(inputs), self.axes, keepdims=True), 1e-9) / 127
            return inputs + tf.stop_gradient(tf.round(inputs / scale) * scale - inputs)

        def get_config(self) -> dict[str, Any]:
            return {"axes": self.axes}

    class RangeQuantizer(quantization.quantizers.Quantizer):  # type: ignore[misc, name-defined]
        """Round to 256 steps between two given values, which training does not change."""

        def __init__(self, low: float, high: float) -> None:
            self.low, self.high = low, high

        def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
            def variable(suffix: str, value: float) -> Any:
                return layer.add_weight(f"{name}_{suffix}", initializer=lambda *_, **__: value, trainable=False)

            return {"low": variable("low", self.low), "high": variable("high", self.high)}

        def __call__(self, inputs: Any, training: bool, weights: Any, **_: Any) -> Any:
            return tf.quantization.fake_quant_with_min_max_vars(inputs, weights["low"], weights["high"])

        def get_config(self) -> dict[str, Any]:
            return {"low": self.low, "high": self.high}

    class Config(quantization.QuantizeConfig):  # type: ignore[misc, name-defined]
        """The choice of a layer's tensors that are rounded."""

        def __init__(self, axes: tuple[int, ...] | None, span: tuple[float, float] | None) -> None:
            self.axes, self.span = axes, span

        def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
            return [] if self.axes is None else [(getattr(layer, _kernel(layer)), KernelQuantizer(self.axes))]

        def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
            return []

        def set_quantize_weights(self, layer: Any, quantize_weights: Sequence[Any]) -> None:
            for value in quantize_weights:
                setattr(layer, _kernel(layer), value)

        def set_quantize_activations(self, layer: Any, quantize_activations: Sequence[Any]) -> None:
            assert not quantize_activations

        def get_output_quantizers(self, layer: Any) -> list[Any]:
            return [] if self.span is None else [RangeQuantizer(*self.span)]

        def get_config(self) -> dict[str, Any]:
            return {"axes": self.axes, "span": self.span}

    tools = _Tools()
    tools.wrapper, tools.config = quantization.QuantizeWrapperV2, Config
    return tools


def _kernel(layer: Any) -> str:
    return "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"
