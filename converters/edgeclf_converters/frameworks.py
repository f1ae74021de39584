"""TensorFlow and tf_keras, imported when first asked for, and in this package only here."""

from __future__ import annotations

from typing import Any

__all__ = ["keras", "tensorflow"]


def tensorflow() -> Any:
    """The ``tensorflow`` module."""
    import tensorflow as module

    return module


def keras() -> Any:
    """The ``tf_keras`` module: Keras 2, the only one tensorflow-model-optimization accepts."""
    import tf_keras as module

    return module
