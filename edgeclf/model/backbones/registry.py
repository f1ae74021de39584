"""The table of pretrained networks by name. To add one, add one file and one line of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from edgeclf.errors import ConfigError, WeightsError

__all__ = ["BACKBONES", "Backbone", "backbone"]

_IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


@dataclass(frozen=True)
class Backbone:
    """A network pretrained on ImageNet, with the input it expects.

    Attributes:
        name: as given on the command line.
        size: height and width of the images it was trained on, in pixels.
        mean, std: one value per channel; its input is ``(pixel - mean) / std`` of RGB pixels in 0..255.
        crop: share of the image, around its centre, that its published accuracy was measured on.
        build: ``build(name, size)`` returns the tf_keras network from ``[b, size, size, 3]`` to a feature map; size
            None leaves height and width open.
        load: ``load(model, name, weights_file)`` fills the network and returns the ImageNet classifier's kernel
            ``[features, 1000]`` and bias ``[1000]``, or None if the weights do not include it.
        repository: the model repository with its weights, if the user must provide them as a file; else empty.
    """

    name: str
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    crop: float
    build: Callable[[str, int | None], Any]
    load: Callable[[Any, str, Path | None], tuple[Any, Any] | None]
    repository: str = ""


def _function(module: str, name: str) -> Callable[..., Any]:
    """Return a function of a module in this folder; its first call imports the module, which needs TensorFlow."""
    return lambda *words: getattr(import_module(f"edgeclf.model.backbones.{module}"), name)(*words)


def _with_own(load: Callable[..., Any]) -> Callable[[Any, str, Path | None], Any]:
    """Refuse a weights file of a backbone that has none of its own: users easily pass it to the wrong backbone."""

    def checked(model: Any, name: str, weights: Path | None) -> Any:
        if weights is not None and weights.suffix == ".safetensors":
            takers = ", ".join(entry.name for entry in BACKBONES.values() if entry.repository)
            raise WeightsError(
                f"{weights}: {name} takes no .safetensors file. Leave --weights out, or name the file's --backbone: "
                f"{takers}."
            )
        return load(model, name, weights)

    return checked


def _lite(number: int, size: int) -> Backbone:
    build, load = (_function("efficientnet_lite", name) for name in ("build_lite", "load_lite"))
    return Backbone(f"efficientnet-lite{number}", size, (127.0,) * 3, (128.0,) * 3, 0.875, build, _with_own(load))


def _application(name: str) -> Backbone:
    build, load = (_function("keras_applications", name) for name in ("build_application", "load_application"))
    return Backbone(name, 224, (127.5,) * 3, (127.5,) * 3, 0.875, build, _with_own(load))


def _timm(
    name: str,
    module: str,
    build: str,
    crop: float,
    repository: str,
    load: tuple[str, str] = ("timm_weights", "load_timm"),
) -> Backbone:
    fill = _function(*load)

    def filled(model: Any, name: str, weights: Path | None) -> Any:
        return fill(model, name, repository, weights)

    return Backbone(name, 224, _IMAGENET_MEAN, _IMAGENET_STD, crop, _function(module, build), filled, repository)


BACKBONES = {
    entry.name: entry
    for entry in (
        _lite(0, 224),
        _lite(1, 240),
        _lite(2, 260),
        _application("mobilenet-v2"),
        _application("mobilenet-v3-small-minimalistic"),
        _application("mobilenet-v3-large-minimalistic"),
        _timm("efficientnet-es", "efficientnet_es", "build_es", 0.875, "timm/efficientnet_es.ra_in1k"),
        _timm(
            "mobilenetv4-conv-small",
            "mobilenetv4",
            "build_mobilenetv4",
            0.875,
            "timm/mobilenetv4_conv_small.e2400_r224_in1k",
        ),
        _timm(
            "hgnetv2-b0",
            "hgnetv2",
            "build_hgnetv2",
            0.965,
            "timm/hgnetv2_b0.ssld_stage2_ft_in1k",
            ("hgnetv2", "load_hgnetv2"),
        ),
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
