"""What a backend is: something that runs the tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Backend", "TensorSpec"]


@dataclass(frozen=True)
class TensorSpec:
    """The input or output tensor.

    Attributes:
        shape: ``(1, height, width, 3)`` of the input, ``(1, classes)`` of the output.
        dtype: uint8, int8 or float32.
        scale, zero_point: ``real = (stored - zero_point) * scale``; 1 and 0 where it is not quantized.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    scale: float
    zero_point: int


class Backend(Protocol):
    """Runs one model; used by as many threads at a time as it has lanes.

    Attributes:
        name: as ``open_backend`` takes it.
        reason: how it came to be chosen, for people.
        input, output: its tensors.
        lanes: calls of ``invoke`` that may last at the same time: 1, or one for each device or interpreter.
    """

    name: str
    reason: str
    input: TensorSpec
    output: TensorSpec
    lanes: int

    def invoke(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """``[1, height, width, 3]`` in the input's type to ``[1, classes]`` in the output's; a copy."""

    def close(self) -> None:
        """Let go of the model; nothing can be invoked afterwards."""
