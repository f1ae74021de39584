"""The interface of a backend, which runs a model on its input tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Backend", "TensorSpec"]


@dataclass(frozen=True)
class TensorSpec:
    """An input or output tensor.

    Attributes:
        shape: ``(1, height, width, 3)`` of the input, ``(1, classes)`` of the output.
        dtype: uint8, int8 or float32.
        scale, zero_point: ``real = (stored - zero_point) * scale``; 1 and 0 if not quantized.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    scale: float
    zero_point: int


class Backend(Protocol):
    """Runs one model; can be used by as many threads at a time as it has lanes.

    Attributes:
        name: the name for ``open_backend``.
        reason: why it was chosen, for display.
        input, output: its tensors.
        features: the features, ``(1, size)``, if the model has them as a second output (``model.features``).
        lanes: number of concurrent calls of ``invoke``: 1, or one for each device or interpreter.
    """

    name: str
    reason: str
    input: TensorSpec
    output: TensorSpec
    features: TensorSpec | None
    lanes: int

    def invoke(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Run ``[1, height, width, 3]`` of the input's type; return a copy of the output, ``[1, classes]``."""

    def invoke_with_features(
        self, batch: npt.NDArray[np.generic]
    ) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic] | None]:
        """Do as ``invoke``; return the features, ``[1, size]``, too; None if the model does not return them."""

    def close(self) -> None:
        """Release the model; ``invoke`` must not be called afterwards."""
