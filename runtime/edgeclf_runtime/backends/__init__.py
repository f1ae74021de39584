"""Interpreters of TensorFlow Lite models, resolved by name when they are used."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgeclf_runtime.backends.backend import Backend, TensorSpec
from edgeclf_runtime.errors import BackendError, UsageError

if TYPE_CHECKING:
    from edgeclf_runtime.backends.interpreter import InterpreterBackend

__all__ = ["BACKENDS", "Backend", "TensorSpec", "backend_class", "installed_backends", "open_backend", "title"]

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

_COMPILED = "This model is compiled for the Edge TPU"
_CPU_FILE = "Without an Edge TPU run the file it was compiled from."


def installed_backends() -> list[str]:
    """Names of the backends whose package is installed, in order of preference; none is imported."""
    return [name for name, package in _PACKAGES.items() if find_spec(package) is not None]


def title(name: str) -> str:
    """A backend's name with its package's version, such as "litert 2.3.0"."""
    package = {"litert": "ai-edge-litert"}.get(name, name)
    try:
        return f"{name} {version(package)}"
    except PackageNotFoundError:  # built by the system's own packager
        return name


def backend_class(name: str) -> type[InterpreterBackend]:
    """The class behind a key of ``BACKENDS``."""
    module, _, attribute = BACKENDS[name].partition(":")
    found: type[InterpreterBackend] = getattr(import_module(module), attribute)
    return found


def open_backend(name: str, content: bytes, threads: int | None = None, lanes: int = 1) -> Backend:
    """Load a model into an interpreter.

    Args:
        name: a key of ``BACKENDS``; "edgetpu", also with devices (``edgetpu.edgetpu_devices``); or "auto": the Edge TPU
            for a model compiled for it, else the first of ``BACKENDS`` that is installed.
        content: a .tflite file's.
        threads: for the interpreter, at least 1; by default its own choice, or 1 where there are several.
        lanes: interpreters on the processor, which work at the same time; Edge TPUs are as many as were named.

    Raises:
        BackendError: not installed, or the interpreter or its device refuses the model.
        UsageError: an unknown name, or threads or lanes below 1.
    """
    from edgeclf_runtime.backends.edgetpu import is_compiled, open_edgetpu

    if threads is not None and threads < 1:
        raise UsageError(f"Threads {threads}: expected at least 1.")
    if lanes < 1:
        raise UsageError(f"Interpreters {lanes}: expected at least 1.")
    if name.startswith("edgetpu"):
        return open_edgetpu(name, content, threads, "asked for by name")
    if name != "auto" and name not in BACKENDS:
        raise UsageError(f"Unknown backend {name!r}: expected auto, {', '.join(BACKENDS)} or edgetpu.")
    installed, compiled = installed_backends(), is_compiled(content)
    if compiled and name != "auto":
        raise BackendError(f"{_COMPILED}, and {name} runs on the CPU: take --backend edgetpu. {_CPU_FILE}")
    if compiled:
        return _compiled(content, threads)
    if name == "auto":
        chosen, reason = _first(installed)
    elif name in installed:
        chosen, reason = name, "asked for by name"
    else:
        raise BackendError(f"Backend {name} is not installed: {_INSTALL[name]}")
    kind = backend_class(chosen)
    if lanes == 1:
        return kind(content, threads, reason)
    from edgeclf_runtime.backends.pool import PoolBackend

    return PoolBackend([kind(content, threads or 1, reason) for _ in range(lanes)], reason)


def _compiled(content: bytes, threads: int | None) -> Backend:
    from edgeclf_runtime.backends.edgetpu import open_edgetpu

    try:
        return open_edgetpu("edgetpu", content, threads, "the model is compiled for it")
    except BackendError as error:
        raise BackendError(f"{_COMPILED}. {error} {_CPU_FILE}") from error


def _first(installed: list[str]) -> tuple[str, str]:
    if not installed:
        raise BackendError(f"No TensorFlow Lite interpreter is installed: {_INSTALL['litert']}")
    absent = list(BACKENDS)[: list(BACKENDS).index(installed[0])]
    return installed[0], f"the first installed (no {', no '.join(absent)})" if absent else "the first choice, installed"
