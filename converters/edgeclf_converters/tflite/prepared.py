"""What is said of a model file that is still to be made, checked before the work and not after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeclf_converters.errors import ConversionError
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.golden import COUNT_LIMIT
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.plain_text import is_label

__all__ = ["GOLDEN_SIDE", "check_golden", "label_lines", "prepared"]

GOLDEN_SIDE = 320
"""The longest side of a golden image, in pixels."""


def prepared(card: ModelCard, classes: int, golden: Sequence[Pixels]) -> ModelCard:
    """The card as it will be read from the file again: lists as tuples, numbers of numpy's as Python's, plain text.

    Args:
        classes: outputs of the network.
        golden: images uint8 RGB ``[height, width, 3]`` that the file will have.

    Raises:
        ConversionError: another number of labels than of outputs, one that is not a line of text, BGR images, too
            many golden images or one too large; a card that cannot be written.
    """
    labels = tuple(card.labels)
    if len(labels) != classes:
        raise ConversionError(f"The card has {len(labels)} labels for the network's {classes} outputs.")
    label_lines(labels)
    if card.preprocessing.color != "RGB":
        raise ConversionError(
            "The card says BGR, but pictures are given and measured as RGB: turn the first layer's kernel "
            "([:, :, ::-1]), mean and std around and say RGB."
        )
    if len(golden) > COUNT_LIMIT:
        raise ConversionError(f"{len(golden)} golden pictures, expected at most {COUNT_LIMIT}.")
    for pixels in golden:
        check_golden(pixels)
    try:
        return ModelCard.from_json(card.to_json(), labels)
    except (ModelError, TypeError, ValueError) as error:
        raise ConversionError(f"The card cannot be written: {error}") from None


def label_lines(labels: Sequence[str]) -> str:
    """The text of ``labels.txt``; raises ConversionError for a label that is not one line."""
    for label in labels:
        if not isinstance(label, str) or not is_label(label):
            raise ConversionError(f"Label {label!r}: expected one line of visible text.")
    return "\n".join(labels) + "\n"


def check_golden(pixels: Pixels) -> None:
    """Raises ConversionError for what is no uint8 RGB image of at most ``GOLDEN_SIDE`` pixels a side."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        got = f"{pixels.dtype} {list(pixels.shape)}"
        raise ConversionError(f"Golden picture: expected uint8 [height, width, 3], got {got}.")
    if max(pixels.shape[:2]) > GOLDEN_SIDE:
        height, width = pixels.shape[:2]
        raise ConversionError(f"Golden picture of {width}x{height}, expected at most {GOLDEN_SIDE} pixels a side.")
