"""Options of the search for an int8 file, by keyword."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypedDict

from edgeclf_converters.distribution import Distribution
from edgeclf_converters.parity.scores import Labelled, Scores
from edgeclf_converters.quantize.qat import Augment, QatConfig

__all__ = ["Progress", "SearchOptions"]

Progress = Callable[[str, int], AbstractContextManager[Any]]
"""Called with (title, total); returns a context manager whose value has ``advance(steps)``."""


class SearchOptions(TypedDict, total=False):
    """Keyword arguments that ``convert_int8`` passes on to ``search_int8``."""

    validation: Labelled | None
    float_scores: Scores | None
    training: Callable[[], Labelled] | None
    method: str
    qat: QatConfig | None
    augment: Augment | None
    say: Callable[[str], None]
    progress: Progress | None
    distribution: Distribution | None
