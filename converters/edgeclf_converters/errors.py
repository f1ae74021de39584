"""Errors of a conversion.

EdgeclfError (edgeclf_runtime.errors)
└── ConversionError    the network, its calibration or the converter's result is not as required
"""

from __future__ import annotations

from edgeclf_runtime.errors import EdgeclfError

__all__ = ["ConversionError"]


class ConversionError(EdgeclfError, ValueError):
    """A network cannot be converted as asked."""
