"""Convert a network's outputs to scores that are probabilities.

A network exported without its softmax returns logits: a best "score" of 4.1 is not 410%, and thresholds are
meaningless. The last operator and the range of the quantized output show what a network returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.model.flatbuffer import FlatModel, TensorInfo

__all__ = ["SCORES", "ScoreRule", "score_rule"]

SCORES = ("raw", "softmax", "sigmoid")
"""How outputs can become scores."""

_SOFTMAX, _LOGISTIC, _LOG_SOFTMAX = 25, 14, 50
_LOGITS = {0, 1, 3, 9, 40, 126, _LOG_SOFTMAX}  # ADD, AVERAGE_POOL_2D, CONV_2D, FULLY_CONNECTED, MEAN, BATCH_MATMUL
_LOWEST = {"int8": -128, "uint8": 0}
_SLACK = 0.01

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ScoreRule:
    """How outputs become scores.

    Attributes:
        way: "raw", unchanged; "softmax"; or "sigmoid", applied to each output.
        binary: one output for two labels: it is the second label's score, and the first label gets 1 minus it.
        note: what is done and why, if the user did not choose it; else empty.
    """

    way: str = "raw"
    binary: bool = False
    note: str = ""

    def apply(self, outputs: Scores) -> Scores:
        """Convert real outputs ``[outputs]`` to scores, float32 ``[classes]``."""
        with np.errstate(all="ignore"):  # infinities of a broken network become NaN, which gives no answer
            if self.way == "softmax":
                powers = np.exp(outputs - outputs.max())
                outputs = powers / powers.sum()
            elif self.way == "sigmoid":
                outputs = _sigmoid(outputs)
        if self.binary:
            outputs = np.concatenate([1 - outputs, outputs])
        return np.asarray(outputs, np.float32)

    def misfit(self, scores: Scores) -> bool:
        """Return whether the scores are not probabilities."""
        return bool(scores.min() < -_SLACK or scores.max() > 1 + _SLACK)


def score_rule(way: str | None, model: FlatModel, labels: int) -> ScoreRule:
    """Return the rule for a network.

    Args:
        way: one of ``SCORES``; None decides by the network.
        model: flatbuffer of the network.
        labels: number of labels.
    """
    output = model.outputs[0]
    single = output.shape[-1] == 1
    if way is not None:
        return ScoreRule(way, single and labels == 2)
    ends = model.last_operator
    is_bounded = _is_bounded(output)
    if ends in (_SOFTMAX, _LOGISTIC) or is_bounded or (is_bounded is None and ends not in _LOGITS):
        return ScoreRule("raw", single and labels == 2)
    chosen = "sigmoid" if single else "softmax"
    note = f"ends without a softmax, so a {chosen} was applied to its outputs; --scores raw leaves them as they are"
    return ScoreRule(chosen, single and labels == 2, note)


def _is_bounded(output: TensorInfo) -> bool | None:
    """Return whether a quantized output is limited to 0 to 1; None if its type does not tell."""
    if output.dtype not in _LOWEST or not output.scale:
        return None
    low = (_LOWEST[output.dtype] - output.zero_point) * output.scale
    return low >= -_SLACK and low + 255 * output.scale <= 1 + _SLACK


def _sigmoid(values: Any) -> Any:
    """Return the sigmoid without overflow on either side."""
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1, small) / (1 + small)
