"""Teach a network new classes where it stands: only its last layer is fitted, to the features of a few photographs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import ModelError
from edgeclf_runtime.learning.examples import Examples
from edgeclf_runtime.learning.familiarity import REJECT, fit_familiarity
from edgeclf_runtime.learning.judgement import Judgement, folds_of, judge
from edgeclf_runtime.learning.logistic import Fit, Head, cross_validated
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.model.golden import DEFAULT_TOLERANCE, GoldenVector, small
from edgeclf_runtime.model.last_layer import LastLayer, quantized, read_last_layer, with_last_layer
from edgeclf_runtime.model.metadata import read_metadata
from edgeclf_runtime.model.rewrite import network_of, packed_files, with_files
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.system.atomic_file import written_beside
from edgeclf_runtime.verification import verify

__all__ = ["Base", "Taught", "check_teachable", "teach", "write_taught"]

_GOLDEN = 8
_MARGIN = 0.25  # of the logits' range, below and above it: a new image can be surer


@dataclass(frozen=True, eq=False)
class Taught:
    """A network with a new last layer.

    Attributes:
        network: its flatbuffer.
        card: its card.
        familiarity: fitted to the same photographs.
        judgement: how the head does on left-out images.
        fit: the head.
    """

    network: bytes
    card: ModelCard
    familiarity: Familiarity
    judgement: Judgement
    fit: Fit


@dataclass(frozen=True, eq=False)
class Base:
    """The model file to begin from.

    Attributes:
        content: its bytes.
        card: its card, with the values given by the user.
        layer: its last layer.
    """

    content: bytes
    card: ModelCard
    layer: LastLayer

    @classmethod
    def of(cls, classifier: Classifier) -> Base:
        """Return what is needed of an opened file.

        Raises:
            ModelError: it cannot be taught.
        """
        content = classifier.path.read_bytes()
        return cls(content, classifier.card, read_last_layer(network_of(content)))


def check_teachable(path: Path) -> None:
    """Check a model file before it is opened, as far as it is one.

    Raises:
        ModelError: it cannot be taught.
    """
    content = path.read_bytes() if path.is_file() else b""
    if content[4:8] == b"TFL3":  # for anything else, opening it says why not
        try:
            read_flat_model(content)
            read_last_layer(network_of(content))
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None


def teach(base: Base, examples: Examples, labels: Sequence[str], name: str) -> Taught:
    """Fit a new last layer to photographs.

    Args:
        base: the file to begin from.
        examples: the photographs; their targets are indices into ``labels``.
        labels: the new classes.
        name: of the new model.

    Raises:
        ModelError: the file cannot be taught.
    """
    layer, folds = base.layer, folds_of(examples)
    start = Head(np.zeros((len(labels), layer.weights.shape[1])), np.zeros(len(labels)))
    fit = cross_validated(examples.features, examples.targets, folds, start)
    judgement = judge(examples, folds, fit.left_out, labels)
    nothing = labels.index(NOTHING) if NOTHING in labels else None
    familiarity = fit_familiarity(examples.features, examples.targets, None, groups=examples.groups, nothing=nothing)
    stored = quantized(fit.head.weights, fit.head.bias, layer, _range(fit, examples))
    network = with_last_layer(network_of(base.content), stored, name)
    return Taught(network, _card(base, examples, labels, name, judgement), familiarity, judgement, fit)


def _range(fit: Fit, examples: Examples) -> tuple[float, float]:
    """Return the lowest and highest logit to be expected of new images."""
    logits = np.concatenate([fit.head(examples.features), fit.left_out])
    low, high = float(logits.min()), float(logits.max())
    return low - _MARGIN * (high - low), high + _MARGIN * (high - low)


def _card(base: Base, examples: Examples, labels: Sequence[str], name: str, judgement: Judgement) -> ModelCard:
    counts = np.bincount(examples.targets, minlength=len(labels))
    taught = {
        **{key: value for key, value in base.card.provenance.items() if key in ("backbone", "weights")},
        "taught from": f"{base.card.name}, SHA-256 {hashlib.sha256(base.content).hexdigest()}",
        "images": ", ".join(f"{label} {count}" for label, count in zip(labels, counts)),
        "edgeclf-runtime": version("edgeclf-runtime"),
    }
    card = replace(base.card.with_labels(tuple(labels)), name=name, threshold=None, reject=REJECT, provenance=taught)
    return replace(card, accuracy={"left_out": judgement.right / judgement.count} if judgement.count else {})


def write_taught(path: Path, taught: Taught, base: Base, examples: Examples) -> int:
    """Write a model file with golden images, and check it; an older file is replaced only after that.

    Args:
        path: the file to write.
        taught: what to write.
        base: the file that was taught, whose other label files are replaced, too.
        examples: the photographs, of which the golden images are chosen.

    Returns:
        size of the file in bytes.

    Raises:
        ModelError: the written file does not do what it should.
        OSError: it cannot be written.
    """
    metadata = read_metadata(read_flat_model(base.content).metadata)
    labels = ("\n".join(taught.card.labels) + "\n").encode()
    others = {file.name: labels for file in metadata.label_files}  # by which other readers find the labels
    with written_beside(path) as hidden:
        hidden.write_bytes(_packed(taught, (), others))
        with Classifier.load(hidden) as classifier:
            size = taught.card.preprocessing.min_decoded_size
            pictures = (small(read_image(examples.files[row], min_size=size)) for row in _spread(examples))
            golden = [GoldenVector(pixels, classifier.classify(pixels).scores) for pixels in pictures]
        content = _packed(taught, golden, others)
        hidden.write_bytes(content)
        with Classifier.load(hidden) as classifier:
            if classifier.card != taught.card or not verify(classifier).passed:
                raise ModelError(f"{path}: the written file does not do what it should; nothing was replaced.")
    return len(content)


def _packed(taught: Taught, golden: Sequence[GoldenVector], others: dict[str, bytes]) -> bytes:
    files = packed_files(taught.card, golden, DEFAULT_TOLERANCE, taught.familiarity)
    return with_files(taught.network, {**others, **files})


def _spread(examples: Examples) -> list[int]:
    """Return the rows of a few images, the classes in turn."""
    turns = [np.count_nonzero(examples.targets[:row] == target) for row, target in enumerate(examples.targets)]
    return sorted(range(len(turns)), key=lambda row: (turns[row], row))[:_GOLDEN]
