"""Decode every photograph once, at the sizes training needs, into files that are read row by row."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from edgeclf.data.dataset import Dataset, Skipped
from edgeclf.data.decoded_cache import cache_in_use
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.kept_image import KeptImage
from edgeclf.data.pixel_file import PixelFile
from edgeclf.progress import Reporter
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.pictures.header import read_header
from edgeclf_runtime.pictures.images import decoded_part
from edgeclf_runtime.pictures.likeness import FITTED
from edgeclf_runtime.pictures.preprocess import Preprocessing, resize
from edgeclf_runtime.system.atomic_file import naming
from edgeclf_runtime.system.cores import usable_cores
from edgeclf_runtime.system.native_lines import without_codec_lines

__all__ = ["Pictures", "decode"]

_AT_ONCE = 256  # images submitted to the threads at once: 100,000 futures would take 100 MB


@dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded images, one row per file; rows of unreadable files are black.

    Attributes:
        inputs: images at the model's input size, prepared exactly as on the device.
        larger: larger versions of the images for random crops; empty if none were requested.
        folder: where both files are stored until ``close``.
    """

    inputs: PixelFile
    larger: PixelFile
    folder: Path

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def decode(
    data: Dataset,
    rule: Preprocessing,
    margin: float,
    folder: Path,
    reporter: Reporter,
    fingerprints: Fingerprints | None = None,
) -> tuple[Pictures, list[Skipped]]:
    """Read, decode and resize all images, and store them in files.

    Args:
        data: the images.
        rule: the model's preprocessing. JPEGs are decoded by it for ``larger``, too, so that training sees the same
            pixels as a device.
        margin: the size of ``larger`` as a multiple of the input size; 0 for none.
        folder: a new folder for the decoded images, on a disk with room for them.
        reporter: shows the progress.
        fingerprints: if given, filled with the images' fingerprints.

    Returns:
        the images and the files that could not be read.
    """
    with naming(folder.parent, folder):
        return _decoded(data, rule, margin, folder, reporter, fingerprints)


def _decoded(
    data: Dataset,
    rule: Preprocessing,
    margin: float,
    folder: Path,
    reporter: Reporter,
    fingerprints: Fingerprints | None,
) -> tuple[Pictures, list[Skipped]]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = data.files
    wide = replace(rule, width=round(rule.width * margin) or 1, height=round(rule.height * margin) or 1)
    pictures = Pictures(
        PixelFile(folder / "inputs", (len(files), rule.height, rule.width)),
        PixelFile(folder / "larger", (len(files) if margin else 0, wide.height, wide.width)),
        folder,
    )
    skipped: list[Skipped] = []
    # Near-duplicates, and so the split, must not depend on the model's input size.
    is_reduced_otherwise = rule.jpeg != "full" and (rule.width, rule.height) != (FITTED.width, FITTED.height)
    as_fingerprinted = replace(FITTED, jpeg=rule.jpeg) if fingerprints is not None and is_reduced_otherwise else None

    cache = cache_in_use()

    def decoded(row: int, content: bytes) -> None:
        pixels = data.decoded(files[row], content, rule)
        shown = pixels
        if as_fingerprinted is not None and not _is_decoded_alike(content, rule, as_fingerprinted):
            shown = data.decoded(files[row], content, as_fingerprinted)
        fitted = resize(pixels, rule)
        pictures.inputs.write(row, fitted)
        if margin:
            pictures.larger.write(row, resize(pixels, wide))
        if fingerprints is not None:
            fingerprints.add(row, files[row], content, shown, fitted)

    def one(row: int) -> None:
        try:
            content = data.content(files[row])
            kept = None if cache is None else KeptImage(cache, content, rule, data.view_of(files[row]))
            if kept is None or not kept.read(row, files[row], pictures.inputs, pictures.larger, fingerprints):
                decoded(row, content)
                if kept is not None:
                    kept.write(row, pictures.inputs, pictures.larger, fingerprints)
        except ImageError as error:
            skipped.append(Skipped(files[row], str(error)))

    threads = ThreadPoolExecutor(usable_cores())
    with without_codec_lines(), reporter.bar("Reading", len(files)) as bar, threads as pool:
        for start in range(0, len(files), _AT_ONCE):
            for _ in pool.map(one, range(start, min(start + _AT_ONCE, len(files)))):
                bar.advance(1)
    return pictures, sorted(skipped, key=lambda item: item.file)


def _is_decoded_alike(content: bytes, one: Preprocessing, other: Preprocessing) -> bool:
    """Return whether two networks decode an image at the same size, as is always the case unless it is a JPEG."""
    header = read_header(content)
    return decoded_part(header, one.min_decoded_size) == decoded_part(header, other.min_decoded_size)
