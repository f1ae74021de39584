"""What fine-tuning moves: every weight, or a scale and a shift per channel with the convolutions fixed.

The scale is ``gamma = gamma_pretrained * (1 + theta)``, theta from 0, on batch norm, whose scale and shift are a
channel's own (scale-and-bias patches: Mudrakarta et al., ICLR 2019; SSF: Lian et al., NeurIPS 2022). The network stays
the plain one, so nothing has to be folded away but the batch norm that always is. Decay pulls theta to 0, and so the
network to the pretrained one in proportion to its own weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from edgeclf.errors import ConfigError
from edgeclf.frameworks import keras, tensorflow
from edgeclf.model.network import HEAD, HEAD_LAYERS

__all__ = ["Adaptation", "Full", "Scale", "adaptation", "fix_early", "trained_share"]

_UNDECAYED = ("gamma", "beta", "bias")
_PROBE = 256  # pixels


class Adaptation(Protocol):
    """Between a network's weights and an optimizer.

    Attributes:
        sources: weights of the network whose gradients are taken.
        variables: what the optimizer moves; one for each of them.
        decayed: of those, the ones that decay, with what they decay to.
    """

    sources: list[Any]
    variables: list[Any]
    decayed: list[tuple[Any, Any]]

    def gradients(self, gradients: Sequence[Any]) -> list[Any]:
        """Those of ``variables``, from those of ``sources``."""

    def apply(self) -> None:
        """Give the network what the variables stand for."""


class Full:
    """Every weight of the layers that are not fixed.

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
        """They are the network's own."""


class Scale:
    """Batch norm's scale, relative to the pretrained one, its shift, and the head.

    Args:
        model: the network, with its pretrained weights.

    Raises:
        ConfigError: a network without batch norm.
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
        """By the chain rule, those of theta are the scale's times the pretrained scale."""
        count = len(self._pretrained)
        return [
            *(g * gamma for g, gamma in zip(gradients[:count], self._pretrained, strict=True)),
            *gradients[count:],
        ]

    def apply(self) -> None:
        for gamma, pretrained, theta in zip(self._gammas, self._pretrained, self.variables, strict=False):
            gamma.assign(pretrained * (1 + theta))


def fix_early(model: Any, stride: int) -> None:
    """Keep ImageNet's weights and statistics in the layers whose output is at most that much smaller than the input.

    They find edges and colours, which all photographs have (Yosinski et al., NeurIPS 2014), and are where a step spends
    much of its time.
    """
    shapes = keras().Model(model.input, [layer.output for layer in model.layers])
    shapes = shapes.compute_output_shape((1, _PROBE, _PROBE, 3))
    for layer, shape in zip(model.layers, shapes, strict=True):
        if len(shape) == 4 and _PROBE // shape[1] <= stride:
            layer.trainable = False


def adaptation(model: Any, tune: str, towards: str) -> Adaptation:
    """The one of that name, "full" or "batch-norm", of a network with its pretrained weights."""
    return Scale(model) if tune == "batch-norm" else Full(model, towards)


def trained_share(model: Any, tune: str) -> tuple[int, int]:
    """Numbers that an adaptation trains, and all there are: the moving statistics count to neither."""
    total = _count(v for v in model.weights if not _name(v).startswith("moving_"))
    if tune == "full":
        return _count(model.trainable_variables), total
    # The nonlinear features of a mixed head stay random where the head alone is fitted.
    return _count(_variables(model, HEAD) if tune == "head" else Scale(model).sources), total


def _count(variables: Iterable[Any]) -> int:
    return sum(int(variable.shape.num_elements()) for variable in variables)


def _variables(model: Any, layer: str) -> list[Any]:
    return [v for item in model.layers if item.name == layer for v in item.trainable_variables]


def _name(variable: Any) -> str:
    return str(variable.name).rpartition("/")[2]
