"""How good a taught model is, as a JSON object for a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeclf_runtime.learning.image_features import ImageFeatures
from edgeclf_runtime.learning.judgement import Judgement, wilson

__all__ = ["report"]

_SHOWN = 12  # maximum number of mistakes


def report(examples: ImageFeatures, judgement: Judgement, photos: Path) -> dict[str, Any]:
    """Return the results on left-out images.

    Args:
        examples: the photographs.
        judgement: the results.
        photos: their folder.

    Returns:
        ``images``, the number taught; ``judged``, the number left out in turn, ``right`` of them, with the 95%
        ``interval`` of the share; ``classes``, each with ``label``, ``count`` and ``right`` (null if it cannot be
        judged); ``mistakes``, most confident first, each with ``file`` (``LABEL/NAME``), ``label``, ``answer`` and
        ``score``; ``needed``, the class that needs more images most, or null; ``unreadable`` images.
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
