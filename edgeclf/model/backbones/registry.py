"""The table of pretrained networks by name. A new one is one file and one line of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from edgeclf.errors import ConfigError

__all__ = ["BACKBONES", "Backbone", "backbone"]


@dataclass(frozen=True)
class Backbone:
    """A network pretrained on ImageNet, with the input it expects.

    Attributes:
        name: as given on the command line.
        size: height and width that it was trained at, in pixels.
        mean, std: its input is ``(pixel - mean) / std`` of RGB pixels in 0..255.
        crop: share of the image, from its centre, that its published accuracy was measured on.
        build: ``build(name, size)`` returns the tf_keras network from ``[b, size, size, 3]`` to a feature map; size
            None leaves height and width open.
        load: ``load(model, name, weights_file)`` fills the network and returns the ImageNet classifier's kernel
            ``[features, 1000]`` and bias ``[1000]``, or None if the weights do not include it.
    """

    name: str
    size: int
    mean: float
    std: float
    crop: float
    build: Callable[[str, int | None], Any]
    load: Callable[[Any, str, Path | None], tuple[Any, Any] | None]


def _function(module: str, name: str) -> Callable[..., Any]:
    """Return a function of a module of this folder, which is imported by the first call: it needs TensorFlow."""
    return lambda *words: getattr(import_module(f"edgeclf.model.backbones.{module}"), name)(*words)


def _lite(number: int, size: int) -> Backbone:
    build, load = (_function("efficientnet_lite", name) for name in ("build_lite", "load_lite"))
    return Backbone(f"efficientnet-lite{number}", size, 127.0, 128.0, 0.875, build, load)


def _application(name: str) -> Backbone:
    build, load = (_function("keras_applications", name) for name in ("build_application", "load_application"))
    return Backbone(name, 224, 127.5, 127.5, 0.875, build, load)


BACKBONES = {
    entry.name: entry
    for entry in (
        _lite(0, 224),
        _lite(1, 240),
        _lite(2, 260),
        _application("mobilenet-v2"),
        _application("mobilenet-v3-small-minimalistic"),
        _application("mobilenet-v3-large-minimalistic"),
    )
}


def backbone(name: str) -> Backbone:
    """Return the backbone of this name.

    Raises:
        ConfigError: there is no such backbone.
    """
    if name not in BACKBONES:
        raise ConfigError(f"Backbone {name!r}: expected one of {', '.join(BACKBONES)}.")
    return BACKBONES[name]
