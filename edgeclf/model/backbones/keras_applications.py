"""MobileNetV2 and the minimalistic MobileNetV3 of keras applications, with downloaded weights or a weights file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeclf.errors import WeightsError
from edgeclf.frameworks import keras

__all__ = ["build_application", "load_application"]

_CONSTRUCTORS = {
    "mobilenet-v2": "MobileNetV2",
    "mobilenet-v3-small-minimalistic": "MobileNetV3Small",
    "mobilenet-v3-large-minimalistic": "MobileNetV3Large",
}


def build_application(name: str, size: int | None) -> Any:
    """Build the network without its classifier, with random weights.

    Args:
        name: a backbone of this module.
        size: height and width of the input in pixels, or None to leave them open.

    Returns:
        a tf_keras model from RGB in [-1, 1], ``[batch, size, size, 3]``, to a feature map.
    """
    return _construct(name, size, None)


def load_application(model: Any, name: str, weights: Path | None = None) -> None:
    """Fill the network with its ImageNet weights.

    Args:
        model: a network from ``build_application`` or one that begins with it.
        name: a backbone of this module.
        weights: the ``.h5`` file that keras publishes (without the top); None downloads it.

    Raises:
        WeightsError: the weights cannot be downloaded, or the file is missing or belongs to another network.
    """
    try:
        with _without_messages():
            filled = _construct(name, 224, "imagenet" if weights is None else str(weights))
    except Exception as error:  # keras raises a bare Exception when a download fails
        if not isinstance(error, (OSError, ValueError, KeyError)) and type(error) is not Exception:
            raise
        raise WeightsError(_why(name, weights, error)) from None
    for layer in filled.layers:
        model.get_layer(layer.name).set_weights(layer.get_weights())


@contextmanager
def _without_messages() -> Iterator[None]:
    """Silence Keras's own message and bar for a download."""
    utils = keras().utils
    was_interactive = utils.is_interactive_logging_enabled()
    utils.disable_interactive_logging()
    try:
        yield
    finally:
        if was_interactive:
            utils.enable_interactive_logging()


def _construct(name: str, size: int | None, weights: str | None) -> Any:
    constructor = getattr(keras().applications, _CONSTRUCTORS[name])
    if name == "mobilenet-v2":
        return _renamed(constructor((size, size, 3), include_top=False, weights=weights))
    return _renamed(
        constructor((size, size, 3), minimalistic=True, include_top=False, weights=weights, include_preprocessing=False)
    )


def _renamed(model: Any) -> Any:
    """Rename layers independently of keras' process-wide counters, so that saved weights fit again."""
    counts: dict[str, int] = {}
    for layer in model.layers:
        stem = layer.name.rstrip("0123456789").rstrip("_")
        if stem in ("input", "re_lu", "add", "zero_padding2d"):
            layer._name = f"{stem}_{counts.get(stem, 0)}"
            counts[stem] = counts.get(stem, 0) + 1
    return model


def _why(name: str, weights: Path | None, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if weights is None:
        return f"The ImageNet weights of {name} cannot be downloaded ({reason}). Pass a file: --weights FILE.h5"
    if not weights.is_file():
        return f"{weights}: no such weights file."
    return f"{weights}: not the weights of {name} without its top ({reason})."
