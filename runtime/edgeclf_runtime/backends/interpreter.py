"""The Python interface that the three interpreters share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.backends.backend import TensorSpec
from edgeclf_runtime.errors import BackendError

__all__ = ["InterpreterBackend"]


class InterpreterBackend:
    """A backend around an interpreter object, which the subclass makes.

    Raises:
        BackendError: the interpreter refuses the model.
    """

    name = ""

    def __init__(self, content: bytes, threads: int | None, reason: str) -> None:
        self.reason = reason
        try:
            self._interpreter: Any = self._create(content, threads)
            self._allocate()
        except (RuntimeError, ValueError) as error:
            raise BackendError(_refusal(self.name, error)) from error
        source, target = self._details()
        self._input_index, self._output_index = source["index"], target["index"]
        self.input, self.output = _spec(source), _spec(target)
        self.output = TensorSpec((1, int(np.prod(target["shape"]))), *_quantization(target))

    def _create(self, content: bytes, threads: int | None) -> Any:
        raise NotImplementedError

    def _details(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]

    def _allocate(self) -> None:
        source = self._interpreter.get_input_details()[0]
        if -1 in source["shape_signature"]:
            self._interpreter.resize_tensor_input(source["index"], [1, *source["shape"][1:]])
        self._interpreter.allocate_tensors()

    def invoke(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """See ``Backend``."""
        if self._interpreter is None:
            raise BackendError(f"Backend {self.name} is closed.")
        self._interpreter.set_tensor(self._input_index, batch)
        self._interpreter.invoke()
        output: npt.NDArray[np.generic] = self._interpreter.get_tensor(self._output_index)
        return output.reshape(1, -1)

    def close(self) -> None:
        """See ``Backend``."""
        self._interpreter = None


def _spec(details: dict[str, Any]) -> TensorSpec:
    return TensorSpec(tuple(int(side) for side in details["shape"]), *_quantization(details))


def _quantization(details: dict[str, Any]) -> tuple[np.dtype[np.generic], float, int]:
    scale, zero_point = details["quantization"]
    dtype = np.dtype(details["dtype"])
    return (dtype, float(scale), int(zero_point)) if scale else (dtype, 1.0, 0)


def _refusal(name: str, error: Exception) -> str:
    if "edgetpu-custom-op" in str(error):
        return "This model is compiled for the Edge TPU and needs a Coral device; without one use the CPU's file of it."
    return f"Backend {name} cannot run this model: {' '.join(str(error).split())}"
