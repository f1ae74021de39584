"""Write a taught network as a model file, and check it before it replaces an older one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.learning.examples import choose_examples, joined_examples
from edgeclf_runtime.learning.image_features import ImageFeatures
from edgeclf_runtime.learning.teaching import Base, Taught
from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.model.golden import DEFAULT_TOLERANCE, GoldenVector, small
from edgeclf_runtime.model.metadata import read_metadata
from edgeclf_runtime.model.rewrite import packed_files, with_files
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.verification import verify

__all__ = ["write_taught"]

_GOLDEN = 8


def write_taught(path: Path, taught: Taught, base: Base, examples: ImageFeatures) -> int:
    """Write a model file with golden images, and check it; an older file is replaced only after that.

    Args:
        path: the file to write.
        taught: what to write.
        base: the file that it was taught from, whose other label files are replaced, too.
        examples: the photographs, from which the golden images are chosen.

    Returns:
        size of the file in bytes.

    Raises:
        ModelError: the written file does not pass the check.
        OSError: it cannot be written.
    """
    shown = _examples(taught, base, examples)
    metadata = read_metadata(read_flat_model(base.content).metadata)
    labels = ("\n".join(taught.card.labels) + "\n").encode()
    others = {file.name: labels for file in metadata.label_files}  # other readers find the labels by these
    others |= shown.to_files() if shown is not None else {}
    with written_beside(path) as hidden:
        hidden.write_bytes(_packed(taught, (), others))
        with Classifier.load(hidden) as classifier:
            size = taught.card.preprocessing.min_decoded_size
            pictures = [small(read_image(examples.files[row], min_size=size)) for row in _spread(examples)]
            pictures = [*(golden.pixels for golden in base.golden[: _GOLDEN // 2] if taught.kept), *pictures][:_GOLDEN]
            golden = [GoldenVector(pixels, classifier.classify(pixels).scores) for pixels in pictures]
        content = _packed(taught, golden, others)
        hidden.write_bytes(content)
        with Classifier.load(hidden) as classifier:
            if classifier.card != taught.card or not verify(classifier).passed:
                raise ModelError(f"{path}: the new file does not give the expected scores; nothing was replaced.")
    return len(content)


def _examples(taught: Taught, base: Base, photographs: ImageFeatures) -> Examples | None:
    """Return the example images of the new file, including those of the existing classes."""
    labels = taught.card.labels

    def read(row: int) -> Pixels:
        return read_image(photographs.files[row], min_size=taught.card.preprocessing.min_decoded_size)

    nothing = labels.index(NOTHING) if NOTHING in labels else None
    new = choose_examples(photographs.features, photographs.targets, taught.familiarity.scale, read, nothing)
    return joined_examples(base.examples, new) if taught.kept else new


def _packed(taught: Taught, golden: Sequence[GoldenVector], others: dict[str, bytes]) -> bytes:
    files = packed_files(taught.card, golden, DEFAULT_TOLERANCE, taught.familiarity)
    return with_files(taught.network, {**others, **files})


def _spread(examples: ImageFeatures) -> list[int]:
    """Return the rows of a few images, taking the classes in turn."""
    turns = [np.count_nonzero(examples.targets[:row] == target) for row, target in enumerate(examples.targets)]
    return sorted(range(len(turns)), key=lambda row: (turns[row], row))[:_GOLDEN]
