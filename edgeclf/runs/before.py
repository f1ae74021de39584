"""The finished run that a training starts from, and the split inherited from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf.data.dataset import PARTS, Dataset
from edgeclf.data.fingerprints import content_digest
from edgeclf.errors import RunError
from edgeclf.progress import Reporter
from edgeclf.runs.run import Run
from edgeclf_runtime.errors import ImageError
from edgeclf_runtime.system.plain_text import counted

__all__ = ["digests_by_file", "keep_split", "open_before", "trained_digests"]


def open_before(path: Path) -> Run:
    """Open the run that a training starts from.

    Raises:
        RunError: it is not a run, it is not finished, or its weights are missing.
    """
    if path.suffix == ".tflite":
        raise RunError(f"{path}: is a model file. Begin from the folder of its training, such as --from runs/NAME.")
    run = Run.open(path)
    if not run.is_finished:
        raise RunError(f"{path}: is not a finished training. Finish it with: edgeclf train --resume {path}")
    if not run.has_arrays("weights"):
        raise RunError(f"{path / 'weights.npz'}: missing. Restore it, or train again.")
    return run


def keep_split(path: Path, data: Dataset, digests: npt.NDArray[np.uint64], reporter: Reporter) -> Dataset:
    """Give the earlier run's images the parts that they had there, whatever folder they are in now.

    Its network has seen the training images, so these must not validate or test a network that starts from it; and the
    held-out images stay comparable. Images are recognized by their bytes or, if the run did not record hashes and its
    files are gone, by name.

    Args:
        path: the earlier run's folder.
        data: the images; the part of unreadable ones is "unreadable".
        digests: uint64 ``[images]``, see ``Fingerprints``.

    Returns:
        the images with parts; "" for new ones whose source has no parts.
    """
    before = open_before(path)
    with reporter.bar("Comparing with the run before", 0):
        by_digest, by_name = _parts(before)
    parts, known, moved, found = list(data.parts), 0, 0, set[int]()
    for row, (file, part) in enumerate(zip(data.files, data.parts, strict=True)):
        kept = by_digest.get(int(digests[row])) or by_name.get(_name(data, file))
        if part == "unreadable" or kept is None:
            continue
        known, moved, parts[row] = known + 1, moved + (part in PARTS and part != kept), kept
        found.add(int(digests[row]))  # an image may be there twice
    new = sum(part != "unreadable" for part in data.parts) - known
    total = counted(len(before.read_split().files), "image")
    reporter.say(f"Of the {total} of {path}, {len(found)} are among these and keep their parts; {new} are new.")
    if moved:
        reporter.say(f"{counted(moved, 'image')} had another part in {path} than in these photographs, and keep it.")
    if not known:
        reporter.say(
            f"Warning: none of the images of {path} is among these. If they were saved anew, its network knows some of "
            "the validation images, and the accuracy is too good."
        )
    return data.with_parts(parts)


def digests_by_file(run: Run) -> dict[str, int]:
    """Return the stored hash of each file of a run's split; none if it stored no hashes, or the list was edited."""
    files = run.read_split().files
    stored = run.read_arrays("digests")["digests"].tolist() if run.has_arrays("digests") else []
    return dict(zip(files, stored, strict=True)) if len(stored) == len(files) else {}


def trained_digests(run: Run) -> frozenset[int]:
    """Return the stored hashes of the images that a run was trained on."""
    split, stored = run.read_split(), digests_by_file(run)
    return frozenset(stored[split.files[row]] for row in split.rows("train")) if stored else frozenset()


def _parts(before: Run) -> tuple[dict[int, str], dict[str, str]]:
    """Return the part of each image by its hash, or by its name if the hash is unknown and the file gone."""
    split = before.read_split()
    stored = digests_by_file(before)
    by_digest: dict[int, str] = {}
    by_name: dict[str, str] = {}
    for file, part in zip(split.files, split.parts, strict=True):
        digest = stored[file] if stored else _digest(split, file)
        if digest is not None:
            by_digest[digest] = _first(part, by_digest.get(digest))
        else:
            by_name[_name(split, file)] = _first(part, by_name.get(_name(split, file)))
    return by_digest, by_name


def _first(part: str, other: str | None) -> str:
    """Return the part of an image that was in two parts: a training image is never held out."""
    return part if other is None else min(part, other, key=PARTS.index)


def _digest(data: Dataset, file: str) -> int | None:
    try:
        return content_digest(data.content(file))
    except ImageError:
        return None


def _name(data: Dataset, file: str) -> str:
    """Return a file's name within its source."""
    return file.partition("/")[2] if data.sources else file
