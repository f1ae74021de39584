"""Every photograph decoded once, at the sizes training needs, in files that are mapped rather than loaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.dataset import Skipped
from edgeclf.reporter import Reporter
from edgeclf_runtime.card import Preprocessing
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.images import read_image
from edgeclf_runtime.preprocess import Pixels, resize

__all__ = ["Pictures", "decode"]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded pictures, one row per file; the rows of unreadable files are black.

    Attributes:
        inputs: uint8 ``[files, height, width, 3]``, exactly what the model gets on the device.
        larger: the same, larger, for random crops; empty where none were asked for.
        folder: where both are kept until ``close``.
    """

    inputs: npt.NDArray[np.uint8]
    larger: npt.NDArray[np.uint8]
    folder: Path

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def decode(
    root: Path, files: Sequence[str], rule: Preprocessing, margin: float, folder: Path, reporter: Reporter
) -> tuple[Pictures, list[Skipped]]:
    """Read, fit and keep all pictures.

    Args:
        root, files: where they are.
        rule: the model's preprocessing.
        margin: ``larger`` is this many times the input's size; 0 for none.
        folder: a new folder for the decoded pictures, on a disk with room for them.
        reporter: shows the progress.

    Returns:
        the pictures and the files that could not be read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wide = replace(rule, width=round(rule.width * margin) or 1, height=round(rule.height * margin) or 1)
    pictures = Pictures(
        _mapped(folder / "inputs.npy", len(files), rule),
        _mapped(folder / "larger.npy", len(files) if margin else 0, wide),
        folder,
    )
    skipped: list[Skipped] = []

    def one(row: int) -> None:
        try:
            pixels = read_image(root / files[row])
        except ImageError as error:
            skipped.append(Skipped(files[row], str(error)))
            return
        pictures.inputs[row] = resize(pixels, rule)
        if margin:
            pictures.larger[row] = resize(pixels, wide)

    with reporter.bar("Reading", len(files)) as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(one, range(len(files))):
            bar.advance(1)
    return pictures, sorted(skipped, key=lambda item: item.file)


def _mapped(path: Path, count: int, rule: Preprocessing) -> Pixels:
    """A file of zeros whose room on the disk is taken now, so that a full one is an error here, not a crash later."""
    shape = (count, rule.height, rule.width, 3)
    if not count:
        return np.zeros(shape, np.uint8)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with path.open("rb+") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
