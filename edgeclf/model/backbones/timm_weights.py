"""Fill a network of ``torch_layers`` from one of timm's ``.safetensors`` files, provided by the user.

The file holds plain tensors: a JSON header and the numbers, read by the ``safetensors`` library, without PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf.errors import WeightsError
from edgeclf_runtime.system.plain_text import counted

__all__ = ["Tensors", "UnfitError", "expected_tensors", "load_timm"]

_LARGEST = 1 << 30  # bytes; the largest backbone has 25 MB
_CLASSIFIERS = ("classifier", "head.fc")
_CLASSES = 1000
_UNUSED = "num_batches_tracked"
_AXES = {"Conv2D": (2, 3, 1, 0), "DepthwiseConv2D": (2, 3, 0, 1)}
"""Where the axes of our kernels are in PyTorch's, which are output, input, height and width."""
_PICKLES = (b"PK\x03\x04", b"\x80")  # how files of torch.save begin

Tensors = dict[str, npt.NDArray[np.float32]]


def load_timm(
    model: Any,
    name: str,
    repository: str,
    weights: Path | None,
    adapt: Callable[[Tensors], Tensors] = lambda tensors: tensors,
) -> tuple[Any, Any]:
    """Fill the network from a weights file and return its ImageNet classifier.

    Args:
        model: a network of ``torch_layers``, or one that begins with it.
        name: the backbone's name.
        repository: the model repository with its weights, for messages.
        weights: the ``.safetensors`` file.
        adapt: converts the file's tensors to the network's, with the same names; may raise ``UnfitError``.

    Returns:
        kernel ``[features, 1000]`` and bias ``[1000]``, float32.

    Raises:
        WeightsError: no file is given, it is missing, damaged or not a ``.safetensors`` file, or it has other tensors.
    """
    fetch = f"Fetch them with: hf download {repository} model.safetensors --local-dir {name}"
    if weights is None:
        raise WeightsError(f"{name} comes without weights. {fetch} and pass --weights {name}/model.safetensors")
    try:
        tensors = _read(weights)
        _check(tensors, expected_tensors(model), name)
        tensors = adapt(tensors)
    except UnfitError as error:
        raise WeightsError(f"{weights}: {error}. {fetch}") from None
    for layer in model.layers:
        if parts := _parts(layer):
            own = zip(parts, layer.weights, strict=True)
            layer.set_weights([_as_keras(layer, tensors[f"{layer.name}.{part}"], value.shape) for part, value in own])
    return tensors["classifier.weight"].T.copy(), tensors["classifier.bias"]


class UnfitError(Exception):
    """Says why a file does not hold the weights of a network."""


def _read(path: Path) -> Tensors:
    """Return a file's tensors by our layers' names, ``LAYER.PART``; the classifier's is ``classifier``."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        if path.stat().st_size > _LARGEST:
            raise UnfitError(f"is larger than {_LARGEST >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise UnfitError(f"cannot be read ({error.strerror})") from None
    try:
        tensors = load(data)
    except (SafetensorError, TypeError, ValueError, KeyError, AttributeError) as error:
        if data.startswith(_PICKLES):  # checked here: the length of a .safetensors header can begin with any byte
            raise UnfitError("is a pickle, which could run a program") from None
        raise UnfitError(f"is damaged or no .safetensors file ({error})") from None
    named = {_our_name(key): value for key, value in tensors.items() if not key.endswith(_UNUSED)}
    if odd := next((key for key, value in named.items() if value.dtype.kind != "f"), None):
        raise UnfitError(f"its {odd} is {named[odd].dtype}, not float")
    return {key: np.asarray(value, np.float32) for key, value in named.items()}


def _our_name(key: str) -> str:
    layer, _, part = key.rpartition(".")
    return f"classifier.{part}" if layer in _CLASSIFIERS else f"{layer.replace('.', '_')}.{part}"


def _check(tensors: Tensors, expected: dict[str, tuple[int, ...]], name: str) -> None:
    """Refuse missing or extra tensors, wrong shapes, and values that weights cannot have."""
    missing, left = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing:
        raise UnfitError(f"not the weights of {name} ({len(missing)} of its {len(expected)} tensors are missing)")
    if left:
        raise UnfitError(
            f"not the weights of {name} ({counted(len(left), 'tensor')} more than it has, such as {left[0]})"
        )
    for key, shape in expected.items():
        if tensors[key].shape != shape:
            raise UnfitError(f"not the weights of {name} ({key} is {list(tensors[key].shape)}, not {list(shape)})")
        if not np.isfinite(tensors[key]).all():
            raise UnfitError(f"its {key} has numbers that are not finite")
        if key.endswith(".running_var") and (tensors[key] < 0).any():
            raise UnfitError(f"its {key} has variances below 0")


def expected_tensors(model: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor that a file must have for a network, by name, ``LAYER.PART``."""
    features, shapes = 0, {}
    for layer in model.layers:
        if parts := _parts(layer):
            features = int(layer.output.shape[-1])
            for part, own in zip(parts, layer.weights, strict=True):
                shapes[f"{layer.name}.{part}"] = _in_file(layer, tuple(own.shape))
    return {**shapes, "classifier.weight": (_CLASSES, features), "classifier.bias": (_CLASSES,)}


def _parts(layer: Any) -> tuple[str, ...]:
    """Return PyTorch's names of a layer's weights, in our order; empty for our own head."""
    kind = type(layer).__name__
    if kind == "BatchNormalization":
        return "weight", "bias", "running_mean", "running_var"
    if kind in _AXES:
        return ("scale", "bias") if layer.use_bias else ("weight",)
    return ()


def _in_file(layer: Any, own: tuple[int, ...]) -> tuple[int, ...]:
    if type(layer).__name__ not in _AXES:
        return own
    axes = _AXES[type(layer).__name__]
    return (1,) if layer.use_bias else tuple(own[axes.index(axis)] for axis in range(4))


def _as_keras(layer: Any, value: npt.NDArray[np.float32], shape: Any) -> npt.NDArray[np.float32]:
    if type(layer).__name__ not in _AXES:
        return value
    return np.broadcast_to(value, shape) if layer.use_bias else value.transpose(_AXES[type(layer).__name__])
