"""The interpreters by name: a new one is a file and a line of the table."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import NamedTuple

__all__ = ["BACKENDS", "BackendEntry", "installed_backends", "title"]


class BackendEntry(NamedTuple):
    """Where a backend is, and what it needs.

    Attributes:
        target: ``"module:Class"`` of it, imported when it is used.
        package: that it imports.
        distribution: which brings the package.
        install: the command that installs it.
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
    """Names of the backends whose package is installed, in order of preference; none is imported."""
    return [name for name, entry in BACKENDS.items() if find_spec(entry.package) is not None]


def title(name: str) -> str:
    """A backend's name with its package's version, such as "litert 2.3.0"."""
    try:
        return f"{name} {version(BACKENDS[name].distribution)}"
    except PackageNotFoundError:  # built by the system's own packager
        return name
