"""Pack all that the runtime needs into the model file; ``edgeclf_runtime.model.file`` reads it."""

from __future__ import annotations

from collections.abc import Sequence

from edgeclf_converters.tflite.prepared import check_golden, check_labels
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.golden import GoldenVector
from edgeclf_runtime.model.rewrite import packed_files, with_files

__all__ = ["pack"]


def pack(
    content: bytes,
    card: ModelCard,
    golden: Sequence[GoldenVector],
    tolerance: float,
    familiarity: Familiarity | None = None,
) -> bytes:
    """Append a zip of labels, card, golden images and familiarity to a flatbuffer.

    Args:
        content: a .tflite flatbuffer with its TFLITE_METADATA.
        card: the card; each label must be one line.
        golden: images of at most ``golden.GOLDEN_SIDE`` pixels a side, with their scores.
        tolerance: the largest accepted difference of a score.
        familiarity: statistics that tell familiar images from others.

    Raises:
        ConversionError: a label is not one line, or a golden image is too large.
    """
    check_labels(card.labels)
    for vector in golden:
        check_golden(vector.pixels)
    return with_files(content, packed_files(card, golden, tolerance, familiarity))
