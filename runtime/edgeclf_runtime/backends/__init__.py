"""Interpreters of TensorFlow Lite models, resolved by name when they are used."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Callable

from edgeclf_runtime.backends.backend import Backend, TensorSpec
from edgeclf_runtime.errors import BackendError, UsageError

__all__ = ["BACKENDS", "Backend", "TensorSpec", "installed_backends", "open_backend"]

BACKENDS = {
    "litert": "edgeclf_runtime.backends.litert:LiteRTBackend",
    "tflite-runtime": "edgeclf_runtime.backends.tflite_runtime:TFLiteRuntimeBackend",
    "tensorflow": "edgeclf_runtime.backends.tensorflow:TensorFlowBackend",
}

_PACKAGES = {"litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime", "tensorflow": "tensorflow"}
_INSTALL = {
    "litert": "pip install ai-edge-litert",
    "tflite-runtime": "pip install tflite-runtime 'numpy<2'",
    "tensorflow": "pip install tensorflow",
}


def installed_backends() -> list[str]:
    """Names of the backends whose package is installed, in order of preference; none is imported."""
    return [name for name, package in _PACKAGES.items() if find_spec(package) is not None]


def open_backend(name: str, content: bytes, threads: int | None = None) -> Backend:
    """Load a model into an interpreter.

    Args:
        name: a key of ``BACKENDS``, or "auto" for the first one installed.
        content: a .tflite file's.
        threads: for the interpreter, at least 1; by default its own choice.

    Raises:
        BackendError: not installed, or the interpreter refuses the model.
        UsageError: an unknown name, or threads below 1.
    """
    if name != "auto" and name not in BACKENDS:
        raise UsageError(f"Unknown backend {name!r}: expected auto, {', '.join(BACKENDS)}.")
    if threads is not None and threads < 1:
        raise UsageError(f"Threads {threads}: expected at least 1.")
    installed = installed_backends()
    if name == "auto":
        chosen, reason = _first(installed)
    elif name in installed:
        chosen, reason = name, "asked for by name"
    else:
        raise BackendError(f"Backend {name} is not installed: {_INSTALL[name]}")
    module, _, attribute = BACKENDS[chosen].partition(":")
    factory: Callable[[bytes, int | None, str], Backend] = getattr(import_module(module), attribute)
    return factory(content, threads, reason)


def _first(installed: list[str]) -> tuple[str, str]:
    if not installed:
        raise BackendError(f"No TensorFlow Lite interpreter is installed: {_INSTALL['litert']}")
    absent = list(BACKENDS)[: list(BACKENDS).index(installed[0])]
    return installed[0], f"the first installed (no {', no '.join(absent)})" if absent else "the first choice, installed"
