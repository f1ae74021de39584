"""The table of interpreters by name; to add one, write its file and add a line here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

__all__ = ["BACKENDS", "BackendEntry", "installed_backends", "title"]


class BackendEntry(NamedTuple):
    """Where a backend is, and what it needs.

    Attributes:
        target: ``"module:Class"``, imported when the backend is used.
        package: package that it imports.
        distribution: distribution that contains the package.
        install: command that installs it.
    """

    target: str
    package: str
    distribution: str
    install: str


_HERE = "edgeclf_runtime.backends"

BACKENDS = {
    "litert": BackendEntry(
        f"{_HERE}.litert:LiteRTBackend", "ai_edge_litert", "ai-edge-litert", "pip install ai-edge-litert"
    ),
    "tflite-runtime": BackendEntry(
        f"{_HERE}.tflite_runtime:TFLiteRuntimeBackend",
        "tflite_runtime",
        "tflite-runtime",
        "pip install tflite-runtime 'numpy<2'",
    ),
    "tensorflow": BackendEntry(
        f"{_HERE}.tensorflow:TensorFlowBackend", "tensorflow", "tensorflow", "pip install tensorflow"
    ),
}
"""In order of preference."""


def installed_backends() -> list[str]:
    """Return the names of installed backends in order of preference, without importing any."""
    return [name for name, entry in BACKENDS.items() if find_spec(entry.package) is not None]


def title(name: str) -> str:
    """Return a backend's name with the version of its package, such as "litert 2.3.0"."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{name} {version(BACKENDS[name].distribution)}"
    except PackageNotFoundError:  # installed by the system's package manager
        return name
