"""Choose what fine-tuning trains: every weight, or a scale and a shift per channel with fixed convolutions.

The scale is batch norm's ``gamma = gamma_pretrained * (1 + theta)``, where theta starts at 0 (scale-and-bias patches:
Mudrakarta et al., ICLR 2019; SSF: Lian et al., NeurIPS 2022). The network's graph stays the same, so export folds batch
norm as usual. Weight decay pulls theta to 0, and so each scale towards the pretrained one, in proportion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from edgeclf.errors import ConfigError
from edgeclf.frameworks import keras, tensorflow
from edgeclf.model.network import HEAD, HEAD_LAYERS

__all__ = ["Adaptation", "Full", "Scale", "adaptation", "fix_early", "trained_share"]

_UNDECAYED = ("gamma", "beta", "bias")
_PROBE = 256  # pixels: input size at which layers' strides are computed


class Adaptation(Protocol):
    """The connection between a network's weights and the variables that the optimizer updates.

    Attributes:
        sources: weights of the network for which gradients are computed.
        variables: what the optimizer updates, one for each source.
        decayed: the variables with weight decay, and the values they decay towards.
    """

    sources: list[Any]
    variables: list[Any]
    decayed: list[tuple[Any, Any]]

    def gradients(self, gradients: Sequence[Any]) -> list[Any]:
        """Return the gradients of ``variables`` from the gradients of ``sources``."""

    def apply(self) -> None:
        """Set the network's weights from the variables."""


class Full:
    """Train every weight of the layers that are not frozen.

    Args:
        model: the network, with its pretrained weights.
        towards: what kernels decay to: "zero", or "pretrained" (L2-SP: Li et al., ICML 2018; the head to zero).
    """

    def __init__(self, model: Any, towards: str) -> None:
        self.sources = self.variables = list(model.trainable_variables)
        head = {id(variable) for name in HEAD_LAYERS for variable in _variables(model, name)}
        self.decayed = []
        for variable in self.variables:
            if not _name(variable).startswith(_UNDECAYED):
                kept = towards == "pretrained" and id(variable) not in head
                self.decayed.append((variable, tensorflow().constant(variable.numpy() if kept else 0.0)))

    def gradients(self, gradients: Sequence[Any]) -> list[Any]:
        return list(gradients)

    def apply(self) -> None:
        """Do nothing: the variables are the network's own weights."""


class Scale:
    """Train batch norm's scale relative to the pretrained one, its shift, and the head.

    Args:
        model: the network, with its pretrained weights.

    Raises:
        ConfigError: the network has no batch norm.
    """

    def __init__(self, model: Any) -> None:
        tf, norms = tensorflow(), keras().layers.BatchNormalization
        layers = [layer for layer in model.layers if isinstance(layer, norms) and layer.trainable]
        layers = [layer for layer in layers if layer.scale and layer.center]
        if not layers:
            raise ConfigError(f"tune: {model.name} has no batch norm to train; use --tune full or head.")
        self._gammas = [layer.gamma for layer in layers]
        self._pretrained = [tf.constant(gamma.numpy()) for gamma in self._gammas]
        thetas = [tf.Variable(tf.zeros_like(gamma), name=f"theta_{i}") for i, gamma in enumerate(self._pretrained)]
        rest = [layer.beta for layer in layers] + [v for name in HEAD_LAYERS for v in _variables(model, name)]
        self.sources, self.variables = [*self._gammas, *rest], [*thetas, *rest]
        self.decayed = [(v, tf.constant(0.0)) for v in self.variables if not _name(v).startswith(_UNDECAYED)]

    def gradients(self, gradients: Sequence[Any]) -> list[Any]:
        """Apply the chain rule: theta's gradient is the scale's gradient times the pretrained scale."""
        count = len(self._pretrained)
        return [
            *(g * gamma for g, gamma in zip(gradients[:count], self._pretrained, strict=True)),
            *gradients[count:],
        ]

    def apply(self) -> None:
        for gamma, pretrained, theta in zip(self._gammas, self._pretrained, self.variables, strict=False):
            gamma.assign(pretrained * (1 + theta))


def fix_early(model: Any, stride: int) -> None:
    """Freeze weights and statistics of the layers whose output is at most ``stride`` times smaller than the input.

    These layers detect edges and colours, which all photographs have (Yosinski et al., NeurIPS 2014), and take much of
    a step's time.
    """
    shapes = keras().Model(model.input, [layer.output for layer in model.layers])
    shapes = shapes.compute_output_shape((1, _PROBE, _PROBE, 3))
    for layer, shape in zip(model.layers, shapes, strict=True):
        if len(shape) == 4 and _PROBE // shape[1] <= stride:
            layer.trainable = False


def adaptation(model: Any, tune: str, towards: str) -> Adaptation:
    """Return the adaptation "full" or "batch-norm" for a network with its pretrained weights."""
    return Scale(model) if tune == "batch-norm" else Full(model, towards)


def trained_share(model: Any, tune: str) -> tuple[int, int]:
    """Return the number of trained parameters and of all parameters, both without moving statistics."""
    total = _count(v for v in model.weights if not _name(v).startswith("moving_"))
    if tune == "full":
        return _count(model.trainable_variables), total
    # When only the head is fitted, the nonlinear features of a mixed head stay random.
    return _count(_variables(model, HEAD) if tune == "head" else Scale(model).sources), total


def _count(variables: Iterable[Any]) -> int:
    return sum(int(variable.shape.num_elements()) for variable in variables)


def _variables(model: Any, layer: str) -> list[Any]:
    return [v for item in model.layers if item.name == layer for v in item.trainable_variables]


def _name(variable: Any) -> str:
    return str(variable.name).rpartition("/")[2]
