"""The whole way from a network in memory to a checked file on the disk."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeclf_converters.convert import convert
from edgeclf_converters.errors import ConversionError
from edgeclf_converters.metadata import with_metadata
from edgeclf_converters.pack import pack
from edgeclf_runtime.card import ModelCard
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.golden import verify
from edgeclf_runtime.goldenvector import DEFAULT_TOLERANCE, GoldenVector
from edgeclf_runtime.preprocess import Pixels

__all__ = ["Conversion", "Measure", "export"]

Measure = Callable[[Classifier], Mapping[str, float]]
"""Figures of the converted file for its card, such as its accuracy, by name."""


@dataclass(frozen=True)
class Conversion:
    """The result of an export.

    Attributes:
        path: of the file.
        mode: one of ``convert.MODES``.
        bytes: its size.
        seconds: the conversion took, without measuring.
        card: as it stands in the file.
    """

    path: Path
    mode: str
    bytes: int
    seconds: float
    card: ModelCard


def export(
    model: Any,
    path: str | os.PathLike[str],
    card: ModelCard,
    *,
    mode: str,
    calibration: Sequence[Pixels] = (),
    golden: Sequence[Pixels] = (),
    measure: Measure | None = None,
) -> Conversion:
    """Convert a network and write one self-describing file, in place of an older one only when it has been checked.

    Args:
        model, mode, calibration: see ``convert``.
        path: of the file.
        card: what the file will say of itself; what ``measure`` returns is added to its accuracy.
        golden: pictures uint8 RGB of at most 320 pixels a side, kept in the file with the scores it gives for them.
        measure: is given the real file, opened.

    Raises:
        ConversionError: see ``convert`` and ``pack``; or the file, read again, does not give its golden scores.
    """
    path, started = Path(path), time.monotonic()
    if path.is_dir() or not path.parent.is_dir():
        raise ConversionError(f"{path}: {'is a folder' if path.is_dir() else 'its folder does not exist'}.")
    content = with_metadata(convert(model, mode, calibration, card.preprocessing), card)
    seconds = time.monotonic() - started
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        beside = Path(folder) / path.name
        beside.write_bytes(pack(content, card, (), DEFAULT_TOLERANCE))
        with Classifier.load(beside) as classifier:
            vectors = [GoldenVector(pixels, classifier.classify(pixels).scores) for pixels in golden]
            if measure is not None:
                card = replace(card, accuracy={**card.accuracy, **measure(classifier)})
        data = pack(content, card, vectors, DEFAULT_TOLERANCE)
        beside.write_bytes(data)
        _check(beside, card)
        os.replace(beside, path)
    return Conversion(path, mode, len(data), seconds, card)


def _check(path: Path, card: ModelCard) -> None:
    with Classifier.load(path) as classifier:
        if classifier.card != card:
            raise ConversionError("The written file's card is not the one that was to be written.")
        if classifier.golden and not verify(classifier).passed:
            raise ConversionError("The written file does not give its golden scores.")
