"""The whole way from a network in memory to a checked file on the disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.quantize.int8 import SearchOptions, search_int8
from edgeclf_converters.quantize.trials import Search
from edgeclf_converters.report import ParityReport
from edgeclf_converters.tflite.convert import check_model, convert
from edgeclf_converters.tflite.metadata import with_metadata
from edgeclf_converters.tflite.pack import pack
from edgeclf_converters.tflite.prepared import prepared
from edgeclf_converters.work_folder import work_folder
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.golden import DEFAULT_TOLERANCE, GoldenVector
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.atomic_file import put_in_place
from edgeclf_runtime.system.plain_text import printable
from edgeclf_runtime.verification import verify

__all__ = ["Conversion", "Measure", "check_target", "convert_int8", "export"]

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
        search: how an int8 file was found, and float against int8; None for the other modes.
        report: float against int8 in full, where it was made.
    """

    path: Path
    mode: str
    bytes: int
    seconds: float
    card: ModelCard
    search: Search | None = None
    report: ParityReport | None = None

    @property
    def within(self) -> bool:
        """Whether an int8 file keeps within its bound; the other modes have none."""
        return self.search is None or self.search.within

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the way to an int8 file, which is the best of those that were finished."""
        return self.search is not None and self.search.stop is not None and self.search.stop.interrupted


def convert_int8(
    model: Any,
    calibration: Sequence[Pixels],
    path: str | os.PathLike[str],
    card: ModelCard,
    *,
    golden: Sequence[Pixels] = (),
    measure: Measure | None = None,
    max_drop: float | None = None,
    **search: Unpack[SearchOptions],
) -> Conversion:
    """Write the int8 file of a tf_keras classifier by the cheapest method that keeps its accuracy.

    Args:
        model, calibration, search: see ``search_int8``.
        path, card, golden, measure: see ``export``; the card is given the method and the way to it.
        max_drop: points of accuracy that may be lost. Where no method keeps within it, the best file is written beside
            ``path``, with ``over-max-drop`` in its name; without a bound the best is written at any rate.

    Returns:
        what was written; also after Ctrl-C, once a file was finished (see ``Conversion.interrupted``).

    Raises:
        ConversionError: see ``search_int8`` and ``export``.
    """
    path, started = check_target(path), time.monotonic()
    check_model(model, card.preprocessing)
    card = prepared(card, model.output_shape[1], golden)
    result = search_int8(model, calibration, card.preprocessing, max_drop=max_drop, **search)
    seconds = time.monotonic() - started
    if max_drop is not None and not result.within:
        path = path.with_name(f"{path.stem}.over-max-drop{path.suffix}")
    parity = result.best.parity
    notes = {
        "int8 method": result.best.step.name,
        "int8 route": "; ".join(map(str, result.route)),
        "int8 drop": f"{parity.drop:.2f} points, 95% interval {parity.low:.2f} to {parity.high:.2f}, "
        f"McNemar p {parity.p_value:.2g}, "
        f"on {parity.count} pictures judged by {result.judged_by}"
        + (f", which chose it of {len(result.trials)}" if len(result.trials) > 1 else ""),
    }
    if result.stop is not None:
        notes["int8 stopped"] = str(result.stop)
    card = replace(card, provenance={**card.provenance, **notes})
    distribution = search.get("distribution")
    if distribution is not None and not distribution.first:  # the first process writes
        return Conversion(path, "int8", len(result.best.content), seconds, card, result)
    done = _write(result.best.content, path, card, golden, measure)
    return Conversion(path, "int8", done[0], seconds, done[1], result)


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
        golden: images uint8 RGB of at most 320 pixels a side, kept in the file with the scores it gives for them.
        measure: is given the real file, opened.

    Raises:
        ConversionError: see ``convert`` and ``prepared``; or the file, read again, does not give its golden scores.
    """
    path, started = check_target(path), time.monotonic()
    check_model(model, card.preprocessing)
    card = prepared(card, model.output_shape[1], golden)
    content = convert(model, mode, calibration, card.preprocessing)
    seconds = time.monotonic() - started
    size, card = _write(content, path, card, golden, measure)
    return Conversion(path, mode, size, seconds, card)


def check_target(path: str | os.PathLike[str]) -> Path:
    """Refuse early where no file can be written.

    Raises:
        ConversionError: a folder, in a folder that does not exist, or a path that no page could say.
    """
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise ConversionError(f"{path}: {'is a folder' if path.is_dir() else 'its folder does not exist'}.")
    if printable(path) != str(path):
        raise ConversionError(f"{printable(path)}: its path is not UTF-8 text; choose another.")
    return path


def _write(
    content: bytes, path: Path, card: ModelCard, golden: Sequence[Pixels], measure: Measure | None
) -> tuple[int, ModelCard]:
    content = with_metadata(content, card)
    with work_folder(path) as folder:
        unfinished = folder / path.name
        unfinished.write_bytes(pack(content, card, (), DEFAULT_TOLERANCE))
        with Classifier.load(unfinished) as classifier:
            vectors = [GoldenVector(pixels, classifier.classify(pixels).scores) for pixels in golden]
            if measure is not None:
                measured = {name: float(value) for name, value in measure(classifier).items()}
                card = replace(card, accuracy={**card.accuracy, **measured})
        data = pack(content, card, vectors, DEFAULT_TOLERANCE)
        unfinished.write_bytes(data)
        _check(unfinished, card)
        put_in_place(unfinished, path)
    return len(data), card


def _check(path: Path, card: ModelCard) -> None:
    with Classifier.load(path) as classifier:
        if classifier.card != card:
            raise ConversionError("The written file's card is not the one that was to be written.")
        if classifier.golden and not verify(classifier).passed:
            raise ConversionError("The written file does not give its golden scores.")
