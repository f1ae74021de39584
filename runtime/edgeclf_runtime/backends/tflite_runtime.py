"""The older tflite-runtime, the only interpreter with wheels for a 32-bit Raspberry Pi."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from edgeclf_runtime.backends.interpreter import InterpreterBackend
from edgeclf_runtime.errors import BackendError

__all__ = ["TFLiteRuntimeBackend"]


class TFLiteRuntimeBackend(InterpreterBackend):
    """Runs tflite-runtime 2.14, which is built for numpy 1 and crashes the process under numpy 2."""

    name = "tflite-runtime"

    @staticmethod
    def library() -> tuple[Callable[..., Any], Callable[..., Any]]:
        if int(np.__version__.split(".")[0]) >= 2:
            raise BackendError(f"tflite-runtime needs numpy below 2, found {np.__version__}: pip install 'numpy<2'")
        from tflite_runtime.interpreter import Interpreter, load_delegate

        return Interpreter, load_delegate
