"""How sure a taught model is, as a JSON object for a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeclf_runtime.learning.image_features import ImageFeatures
from edgeclf_runtime.learning.judgement import Judgement, wilson

__all__ = ["report"]

_SHOWN = 12  # mistakes


def report(examples: ImageFeatures, judgement: Judgement, photos: Path) -> dict[str, Any]:
    """Return what is known of left-out images.

    Args:
        examples: the photographs.
        judgement: how the model does on those that were left out.
        photos: their folder.

    Returns:
        ``images``, how many were taught; ``judged``, how many could be left out, ``right`` of them, with the 95%
        ``interval`` of the share; ``classes``, each with ``label``, ``count`` and ``right`` (null if it cannot be
        judged); ``mistakes``, the surest first, each with ``file`` (``LABEL/NAME``), ``label``, ``answer`` and
        ``score``; ``needed``, the class of which more images would help most, or null; ``unreadable`` images.
    """
    mistakes = [
        {
            "file": examples.files[mistake.index].relative_to(photos).as_posix(),
            "label": mistake.label,
            "answer": mistake.answer,
            "score": round(mistake.score, 3),
        }
        for mistake in judgement.mistakes[:_SHOWN]
    ]
    classes = [{"label": each.label, "count": each.count, "right": each.right} for each in judgement.classes]
    needed = judgement.needed
    return {
        "images": len(examples.files),
        "judged": judgement.count,
        "right": judgement.right,
        "interval": wilson(judgement.right, judgement.count) if judgement.count else None,
        "classes": classes,
        "mistakes": mistakes,
        "needed": None if needed is None else needed.label,
        "unreadable": list(examples.unreadable),
    }
