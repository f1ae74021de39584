"""TensorFlow's own interpreter, for a desktop where TensorFlow is installed anyway."""

from __future__ import annotations

import warnings
from typing import Any, Callable

from edgeclf_runtime.backends.interpreter import InterpreterBackend

__all__ = ["TensorFlowBackend"]


class TensorFlowBackend(InterpreterBackend):
    """Runs ``tf.lite.Interpreter``; the only place where this package imports tensorflow."""

    name = "tensorflow"

    @staticmethod
    def library() -> tuple[Callable[..., Any], Callable[..., Any]]:
        import tensorflow as tf

        return _quietly(tf.lite.Interpreter), tf.lite.experimental.load_delegate


def _quietly(make: Callable[..., Any]) -> Callable[..., Any]:
    """Suppress the deprecation warning that every use of the interpreter gives, and no other."""

    def made(model_content: bytes, num_threads: int | None, experimental_delegates: list[Any] | None) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"[\s\S]*tf\.lite\.Interpreter is deprecated", UserWarning)
            return make(
                model_content=model_content, num_threads=num_threads, experimental_delegates=experimental_delegates
            )

    return made
