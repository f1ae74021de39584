"""Average scores and familiarity of frames over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["FamiliarityAverage", "ScoreAverage"]

_FLOOR = 0.02  # of the limit; smaller values are raised to this, so that a very strange image does not count longer
_LIMIT = 0.05  # assumed if nothing is refused


class ScoreAverage:
    """The exponential moving average of the frames' scores.

    Args:
        seconds: time constant; 0 for no average.

    Attributes:
        value: the average, float32 ``[classes]``; None before the first frame.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._moment = seconds, 0.0
        self.value: npt.NDArray[np.float32] | None = None

    def add(self, scores: npt.NDArray[np.float32], moment: float) -> npt.NDArray[np.float32]:
        """Add a frame, whose time is ``moment`` in seconds, and return the average."""
        if self.value is None or not self._seconds:
            self.value = scores
        else:
            kept = math.exp(-max(0.0, moment - self._moment) / self._seconds)
            self.value = kept * self.value + (1 - kept) * scores
        self._moment = moment
        return self.value


class FamiliarityAverage:
    """The geometric moving average of the frames' familiarity.

    Familiar images lie between 0.05 and 1, others many powers of ten below. An arithmetic mean would let one familiar
    frame outweigh all the others; with logarithms, one odd frame of either kind weighs about the same.

    Args:
        seconds: time constant; 0 for no average.

    Attributes:
        value: the average, 0 to 1; None before the first frame, and if the model has no familiarity.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._moment = seconds, 0.0
        self.value: float | None = None

    def add(self, familiarity: float | None, limit: float, moment: float) -> None:
        """Add a frame.

        Args:
            familiarity: of the frame, 0 to 1; None if the model has none.
            limit: familiarity below which frames are refused, 0 to 1.
            moment: time of the frame in seconds.
        """
        if self.value is None or familiarity is None or not self._seconds:
            self.value = familiarity
        else:
            kept, floor = math.exp(-max(0.0, moment - self._moment) / self._seconds), _FLOOR * (limit or _LIMIT)
            before, new = (math.log(max(floor, value)) for value in (self.value, familiarity))
            self.value = math.exp(kept * before + (1 - kept) * new)
        self._moment = moment
