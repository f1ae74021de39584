"""Images of nothing: trained as a class of their own, ``NOTHING``, which is never an answer."""

from __future__ import annotations

from collections.abc import Sequence

from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.system.plain_text import counted

__all__ = ["classes_text", "without_nothing"]


def without_nothing(labels: Sequence[str]) -> list[str]:
    """Return the labels that can be answers."""
    return [label for label in labels if label != NOTHING]


def classes_text(labels: Sequence[str]) -> str:
    """Format as ``3 classes``, or as ``2 classes and of nothing (_none)``."""
    more = f" and of nothing ({NOTHING})" if NOTHING in labels else ""
    return f"{counted(len(without_nothing(labels)), 'class', 'classes')}{more}"
