"""Export a network in memory to a checked file on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.familiarity import array_familiarity
from edgeclf_converters.quantize.data_free import convert_data_free
from edgeclf_converters.quantize.int8 import search_int8
from edgeclf_converters.quantize.options import SearchOptions
from edgeclf_converters.quantize.trials import Search
from edgeclf_converters.report import ParityReport
from edgeclf_converters.tflite.convert import check_model, convert
from edgeclf_converters.tflite.metadata import with_metadata
from edgeclf_converters.tflite.pack import pack
from edgeclf_converters.tflite.prepared import prepared
from edgeclf_converters.work_folder import work_folder
from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.learning.familiarity import REJECT
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.golden import DEFAULT_TOLERANCE, GoldenVector
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.system.atomic_file import put_in_place
from edgeclf_runtime.system.cores import usable_cores
from edgeclf_runtime.system.plain_text import counted, printable
from edgeclf_runtime.verification import verify

__all__ = ["Conversion", "FitFamiliarity", "Measure", "check_target", "convert_int8", "export"]

Measure = Callable[[Classifier], Mapping[str, float]]
"""Figures of the converted file for its card, such as its accuracy, by name."""

FitFamiliarity = Callable[[Classifier], Familiarity | None]
"""Fits the familiarity of the converted file, which is opened with features; None if it is to have none."""


@dataclass(frozen=True)
class Conversion:
    """The result of an export.

    Attributes:
        path: the written file.
        mode: one of ``convert.MODES``.
        bytes: size of the file.
        seconds: time of the conversion, without evaluation.
        card: the card in the file.
        search: result of the int8 search, with a comparison of float and int8; None for the other modes.
        report: the full comparison of float and int8, if there is one.
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
        """Return whether an int8 file is within its allowed loss; always True for the other modes."""
        return self.search is None or self.search.within

    @property
    def interrupted(self) -> bool:
        """Return whether Ctrl-C ended the int8 search; the file is then the best of those finished."""
        return self.search is not None and self.search.stop is not None and self.search.stop.interrupted


def convert_int8(
    model: Any,
    calibration: Sequence[Pixels],
    path: str | os.PathLike[str],
    card: ModelCard,
    *,
    golden: Sequence[Pixels] = (),
    measure: Measure | None = None,
    familiarity: FitFamiliarity | None = None,
    max_drop: float | None = None,
    **search: Unpack[SearchOptions],
) -> Conversion:
    """Write the int8 file of a tf_keras classifier by the cheapest method that keeps its accuracy.

    Args:
        model, calibration, search: see ``search_int8``.
        path, card, golden, measure: see ``export``; the method and all methods tried are added to the card.
        familiarity: see ``export``; by default it is fitted to the images of ``training``, or else of ``calibration``
            with the network's answers, and calibrated on those of ``validation``, without which there is none.
        max_drop: the largest accuracy loss allowed, in percentage points. If no method stays within it, the best file
            is written next to ``path``, with ``over-max-drop`` in its name. If None, the best file is always written.

    Returns:
        what was written; also after Ctrl-C if a file was finished (see ``Conversion.interrupted``).

    Raises:
        ConversionError: the network cannot be converted; see ``search_int8`` and ``export``.
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
        f"on {counted(parity.count, 'image')}, judged by {result.judged_by}"
        + (f", the best of {len(result.trials)} tried" if len(result.trials) > 1 else ""),
    }
    if result.stop is not None:
        notes["int8 stopped"] = str(result.stop)
    card = replace(card, provenance={**card.provenance, **notes})
    distribution = search.get("distribution")
    if distribution is not None and not distribution.first:  # the first process writes
        return Conversion(path, "int8", len(result.best.content), seconds, card, result)
    fit = familiarity or array_familiarity(calibration, search.get("validation"), search.get("training"))
    done = _write(result.best.content, path, card, golden, measure, fit)
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
    familiarity: FitFamiliarity | None = None,
) -> Conversion:
    """Convert a network and write one self-describing file; an older file is replaced only after all checks.

    Args:
        model, mode, calibration: see ``convert``; int8 without calibration images uses ``convert_data_free``.
        path: the file to write.
        card: the card to store in the file; what ``measure`` returns is added to its accuracy.
        golden: images, uint8 RGB of at most 320 pixels a side, stored in the file with their scores.
        measure: called with the opened file; returns figures for the card.
        familiarity: called after ``measure``; its result is stored in the file, and the card suggests
            ``learning.familiarity.REJECT`` as the refusal threshold.

    Raises:
        ConversionError: see ``convert`` and ``prepared``; or the written file does not reproduce its golden scores.
    """
    path, started = check_target(path), time.monotonic()
    check_model(model, card.preprocessing)
    card = prepared(card, model.output_shape[1], golden)
    if mode == "int8" and not calibration:
        content = convert_data_free(model, card.preprocessing)
        card = replace(card, provenance={**card.provenance, "int8 method": "data-free, by batch norms"})
    else:
        content = convert(model, mode, calibration, card.preprocessing)
    seconds = time.monotonic() - started
    size, card = _write(content, path, card, golden, measure, familiarity)
    return Conversion(path, mode, size, seconds, card)


def check_target(path: str | os.PathLike[str]) -> Path:
    """Check early that a file can be written to this path.

    Raises:
        ConversionError: the path is a folder, in a missing folder, or not UTF-8 text.
    """
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise ConversionError(f"{path}: {'is a folder' if path.is_dir() else 'its folder does not exist'}.")
    if printable(path) != str(path):
        raise ConversionError(f"{printable(path)}: its path is not UTF-8 text; choose another.")
    return path


def _write(
    content: bytes,
    path: Path,
    card: ModelCard,
    golden: Sequence[Pixels],
    measure: Measure | None,
    familiarity: FitFamiliarity | None,
) -> tuple[int, ModelCard]:
    content = with_metadata(content, card)
    with work_folder(path) as folder:
        unfinished = folder / path.name
        unfinished.write_bytes(pack(content, card, (), DEFAULT_TOLERANCE))
        with Classifier.load(unfinished, features=True, lanes=usable_cores()) as classifier:
            vectors = [GoldenVector(pixels, classifier.classify(pixels).scores) for pixels in golden]
            if measure is not None:
                measured = {name: float(value) for name, value in measure(classifier).items()}
                card = replace(card, accuracy={**card.accuracy, **measured})
            fitted = familiarity(classifier) if familiarity else None
        card = replace(card, reject=REJECT) if fitted else card
        data = pack(content, card, vectors, DEFAULT_TOLERANCE, fitted)
        unfinished.write_bytes(data)
        _check(unfinished, card)
        put_in_place(unfinished, path)
    return len(data), card


def _check(path: Path, card: ModelCard) -> None:
    with Classifier.load(path) as classifier:
        if classifier.card != card:
            raise ConversionError("The written file's card differs from the one that was to be written.")
        if classifier.golden and not verify(classifier).passed:
            raise ConversionError("The written file does not reproduce its golden scores.")
