"""The Python interface that the three interpreters share."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.backends.backend import TensorSpec
from edgeclf_runtime.backends.delegate import Delegate, misfit
from edgeclf_runtime.backends.registry import BACKENDS
from edgeclf_runtime.errors import BackendError
from edgeclf_runtime.system.native_lines import without_delegate_lines

__all__ = ["InterpreterBackend", "backend_class"]


class InterpreterBackend:
    """A backend that wraps an interpreter of the library that the subclass imports.

    Args:
        content: bytes of a .tflite file.
        threads: threads of the interpreter; None leaves the choice to it.
        reason: why it was chosen.
        delegate: runs the part of the model that it supports; gives the backend its name.

    Raises:
        BackendError: the interpreter or the delegate refuses the model; the library's error is its cause.
    """

    name = ""
    lanes = 1

    def __init__(self, content: bytes, threads: int | None, reason: str, delegate: Delegate | None = None) -> None:
        self.reason = reason
        make, load_delegate = self.library()
        delegates = [delegate.load(load_delegate)] if delegate else None
        try:
            with without_delegate_lines():
                self._interpreter: Any = make(
                    model_content=content, num_threads=threads, experimental_delegates=delegates
                )
                self._allocate()
        except (RuntimeError, ValueError) as error:
            raise BackendError(_refusal(self.name, delegate, error)) from error
        source, (target, *more) = self._details()
        self._input_index, self._output_index = source["index"], target["index"]
        self.input, self.output = _spec(source), _row(target)
        self._feature_index = more[0]["index"] if more else None
        self.features = _row(more[0]) if more else None
        self.name = delegate.name if delegate else self.name

    @staticmethod
    def library() -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the class Interpreter and the function load_delegate."""
        raise NotImplementedError

    def _details(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return self._interpreter.get_input_details()[0], self._interpreter.get_output_details()

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
        try:
            self._interpreter.invoke()
        except RuntimeError as error:  # for example, the device was unplugged
            raise BackendError(
                f"Backend {self.name} failed to classify an image: {' '.join(str(error).split())}"
            ) from error
        return self._result(self._output_index)

    def invoke_with_features(
        self, batch: npt.NDArray[np.generic]
    ) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic] | None]:
        """See ``Backend``."""
        output = self.invoke(batch)
        return output, None if self._feature_index is None else self._result(self._feature_index)

    def _result(self, index: int) -> npt.NDArray[np.generic]:
        result: npt.NDArray[np.generic] = self._interpreter.get_tensor(index)
        return result.reshape(1, -1)

    def close(self) -> None:
        """See ``Backend``."""
        self._interpreter = None


def backend_class(name: str) -> type[InterpreterBackend]:
    """Import and return the class for a key of ``BACKENDS``."""
    module, _, attribute = BACKENDS[name].target.partition(":")
    kind: type[InterpreterBackend] = getattr(import_module(module), attribute)
    return kind


def _spec(details: dict[str, Any]) -> TensorSpec:
    return TensorSpec(tuple(int(side) for side in details["shape"]), *_quantization(details))


def _row(details: dict[str, Any]) -> TensorSpec:
    return TensorSpec((1, int(np.prod(details["shape"]))), *_quantization(details))


def _quantization(details: dict[str, Any]) -> tuple[np.dtype[np.generic], float, int]:
    scale, zero_point = details["quantization"]
    dtype = np.dtype(details["dtype"])
    return (dtype, float(scale), int(zero_point)) if scale else (dtype, 1.0, 0)


def _refusal(name: str, delegate: Delegate | None, error: Exception) -> str:
    text = " ".join(str(error).split())
    return misfit(delegate, name, text) if delegate else f"Backend {name} cannot run this model: {text}"
