"""Errors of the desktop package.

EdgeclfError (edgeclf_runtime.errors)
└── DesktopError
    ├── DataError      photographs: missing, empty, too few, unreadable
    ├── WeightsError   pretrained or saved weights: missing, changed, of another network
    ├── ConfigError    options that contradict each other or the data
    ├── RunError       a run folder: missing, incomplete, made for something else
    └── ComputeError   TensorFlow failed: out of memory, an unsupported operation
"""

from __future__ import annotations

from edgeclf_runtime.errors import EdgeclfError

__all__ = ["ComputeError", "ConfigError", "DataError", "DesktopError", "RunError", "WeightsError"]


class DesktopError(EdgeclfError):
    """Base of the desktop package's errors."""


class DataError(DesktopError, ValueError):
    """The photographs cannot be used as asked."""


class WeightsError(DesktopError, ValueError):
    """Weights are missing, were changed, or belong to another network."""


class ConfigError(DesktopError, ValueError):
    """Options contradict each other or the data."""


class RunError(DesktopError, ValueError):
    """A run folder cannot be used as asked."""


class ComputeError(DesktopError, RuntimeError):
    """TensorFlow failed to compute something."""
