"""TensorFlow's own interpreter, for a desktop that has TensorFlow anyway."""

from __future__ import annotations

import warnings
from typing import Any

from edgeclf_runtime.backends.interpreter import InterpreterBackend

__all__ = ["TensorFlowBackend"]


class TensorFlowBackend(InterpreterBackend):
    """``tf.lite.Interpreter``; the one place where this package imports tensorflow."""

    name = "tensorflow"

    def _create(self, content: bytes, threads: int | None) -> Any:
        import tensorflow as tf

        with warnings.catch_warnings():
            # It announces its own removal at every use; nothing else is silenced.
            warnings.filterwarnings("ignore", r"[\s\S]*tf\.lite\.Interpreter is deprecated", UserWarning)
            return tf.lite.Interpreter(model_content=content, num_threads=threads)
