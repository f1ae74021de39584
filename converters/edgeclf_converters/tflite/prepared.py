"""Check the card and golden images of a model file before the work of making it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeclf_converters.errors import ConversionError
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.golden import COUNT_LIMIT, GOLDEN_SIDE
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.plain_text import counted, is_label

__all__ = ["check_golden", "check_labels", "prepared"]


def prepared(card: ModelCard, classes: int, golden: Sequence[Pixels]) -> ModelCard:
    """Return the card as it will be read from the file: lists as tuples, NumPy numbers as Python's, plain text.

    Args:
        card: the card to check.
        classes: number of the network's outputs.
        golden: the file's golden images, uint8 RGB ``[height, width, 3]``.

    Raises:
        ConversionError: labels do not match the outputs or are not lines of text, the card expects BGR or cannot be
            written, or there are too many golden images or one is too large.
    """
    labels = tuple(card.labels)
    if len(labels) != classes:
        raise ConversionError(
            f"The card has {counted(len(labels), 'label')} for the network's {counted(classes, 'output')}."
        )
    check_labels(labels)
    if card.preprocessing.color != "RGB":
        raise ConversionError(
            "The card expects BGR, but images are RGB: reverse the first layer's kernel ([:, :, ::-1]), mean and std, "
            "and set RGB."
        )
    if len(golden) > COUNT_LIMIT:
        raise ConversionError(f"{len(golden)} golden images, expected at most {COUNT_LIMIT}.")
    for pixels in golden:
        check_golden(pixels)
    try:
        return ModelCard.from_json(card.to_json(), labels)
    except (ModelError, TypeError, ValueError) as error:
        raise ConversionError(f"The card cannot be written: {error}") from None


def check_labels(labels: Sequence[str]) -> None:
    """Raise ConversionError for a label that is not one line."""
    for label in labels:
        if not isinstance(label, str) or not is_label(label):
            raise ConversionError(f"Label {label!r}: expected one line of visible text.")


def check_golden(pixels: Pixels) -> None:
    """Raise ConversionError unless it is a uint8 RGB image of at most ``GOLDEN_SIDE`` pixels a side."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        got = f"{pixels.dtype} {list(pixels.shape)}"
        raise ConversionError(f"Golden image: expected uint8 [height, width, 3], got {got}.")
    if max(pixels.shape[:2]) > GOLDEN_SIDE:
        height, width = pixels.shape[:2]
        raise ConversionError(f"Golden image of {width}x{height}, expected at most {GOLDEN_SIDE} pixels a side.")
