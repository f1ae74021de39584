"""Choose images for calibrating an imported network, and others for judging its int8 file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.data.layout import class_name
from edgeclf.errors import DataError
from edgeclf.progress import Reporter
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.model.golden import small
from edgeclf_runtime.pictures.images import find_images, read_image
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing, resize
from edgeclf_runtime.system.native_lines import without_codec_lines
from edgeclf_runtime.system.plain_text import counted

__all__ = ["ImportImages", "found_images", "read_images"]

_CALIBRATION, _JUDGED = 200, 300
_FEWEST = 20
_GOLDEN = 8


@dataclass(frozen=True, eq=False)
class ImportImages:
    """Images of one folder, as the network sees them.

    Attributes:
        calibration: uint8 RGB ``[images, height, width, 3]``.
        judged: other images, uint8 RGB of the same size.
        calibration_files, judged_files: their paths.
        names: paths of the judged images, relative to the folder.
        targets: classes of the judged images, int64, if all are in folders named after labels; else None.
        golden: some of the judged images, with sides of at most ``golden.GOLDEN_SIDE`` pixels.
    """

    calibration: Pixels
    judged: Pixels
    calibration_files: tuple[Path, ...]
    judged_files: tuple[Path, ...]
    names: tuple[str, ...]
    targets: npt.NDArray[np.int64] | None
    golden: tuple[Pixels, ...]


def found_images(folder: Path) -> list[Path]:
    """Return the paths of the images in a folder, sorted.

    Raises:
        DataError: there are fewer than 20, or it cannot be read.
    """
    try:
        found = sorted(find_images(folder))
    except ImageError as error:
        raise DataError(str(error)) from None
    if len(found) < _FEWEST:
        raise DataError(f"{folder}: has {counted(len(found), 'image')}; give at least {_FEWEST}, better a few hundred.")
    return found


def read_images(
    folder: Path, found: Sequence[Path], rule: Preprocessing, labels: Sequence[str], reporter: Reporter
) -> ImportImages:
    """Read up to 200 images for calibration and up to 300 others, chosen with a fixed seed.

    Args:
        folder, found: the folder and its ``found_images``.
        rule: the model's preprocessing.
        labels: the model's labels; folders with these names give the images' targets.

    Raises:
        DataError: an image cannot be read.
    """
    try:
        order = np.random.default_rng(0).permutation(len(found))
        count = min(_CALIBRATION, len(found) // 2)
        chosen = [found[row] for row in order[: count + _JUDGED]]
        golden: list[Pixels] = []
        rows: list[Pixels] = []
        with reporter.bar("Reading images", len(chosen)) as bar, without_codec_lines():
            for number, file in enumerate(chosen):
                pixels = read_image(file)
                golden += [small(pixels)] if count <= number < count + _GOLDEN else []
                rows.append(resize(pixels, rule))
                bar.advance(1)
    except ImageError as error:
        raise DataError(str(error)) from None
    judged = chosen[count:]
    names = tuple(str(file.relative_to(folder)) for file in judged)
    return ImportImages(
        np.stack(rows[:count]),
        np.stack(rows[count:]),
        tuple(chosen[:count]),
        tuple(judged),
        names,
        _targets(judged, list(labels)),
        tuple(golden),
    )


def _targets(files: Sequence[Path], labels: list[str]) -> npt.NDArray[np.int64] | None:
    named = [class_name(file.parent) for file in files]
    return np.array([labels.index(name) for name in named]) if set(named) <= set(labels) else None
