"""Load a model into one or several interpreters."""

from __future__ import annotations

from edgeclf_runtime.backends.backend import Backend
from edgeclf_runtime.backends.edgetpu import is_compiled, open_edgetpu
from edgeclf_runtime.backends.interpreter import backend_class
from edgeclf_runtime.backends.pool import PoolBackend
from edgeclf_runtime.backends.registry import BACKENDS, installed_backends
from edgeclf_runtime.errors import BackendError, UsageError

__all__ = ["open_backend"]

_COMPILED = "This model is compiled for the Edge TPU"
_CPU_FILE = "Without an Edge TPU run the file it was compiled from."


def open_backend(name: str, content: bytes, threads: int | None = None, lanes: int = 1) -> Backend:
    """Load a model into an interpreter.

    Args:
        name: a key of ``BACKENDS``; "edgetpu", also with devices (``edgetpu.edgetpu_devices``); or "auto": the Edge TPU
            for a model compiled for it, else the first of ``BACKENDS`` that is installed.
        content: bytes of a .tflite file.
        threads: threads per interpreter, at least 1; by default the interpreter chooses, or 1 if there are several.
        lanes: number of parallel interpreters on the CPU; on Edge TPUs it is the number of named devices.

    Raises:
        BackendError: not installed, or the interpreter or its device refuses the model.
        UsageError: unknown name, or threads or lanes below 1.
    """
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
        raise BackendError(f"Backend {name} is not installed: {BACKENDS[name].install}")
    kind = backend_class(chosen)
    if lanes == 1:
        return kind(content, threads, reason)
    return PoolBackend([kind(content, threads or 1, reason) for _ in range(lanes)], reason)


def _compiled(content: bytes, threads: int | None) -> Backend:
    try:
        return open_edgetpu("edgetpu", content, threads, "the model is compiled for it")
    except BackendError as error:
        raise BackendError(f"{_COMPILED}. {error} {_CPU_FILE}") from error


def _first(installed: list[str]) -> tuple[str, str]:
    if not installed:
        raise BackendError(f"No TensorFlow Lite interpreter is installed: {BACKENDS['litert'].install}")
    absent = list(BACKENDS)[: list(BACKENDS).index(installed[0])]
    return installed[0], f"the first installed (no {', no '.join(absent)})" if absent else "the first choice, installed"
