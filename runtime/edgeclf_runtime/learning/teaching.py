"""Teach a network new classes on the device: only its last layer is fitted, to the features of a few photographs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.classifier import Classifier
from edgeclf_runtime.errors import LabelsError, ModelError
from edgeclf_runtime.learning.familiarity import REJECT, extend_familiarity, fit_familiarity
from edgeclf_runtime.learning.image_features import ImageFeatures
from edgeclf_runtime.learning.judgement import Judgement, folds_of, judge
from edgeclf_runtime.learning.logistic import BALANCE, Fit, Head, cross_validated
from edgeclf_runtime.learning.rehearsal import known_images, rehearsable, rehearsed
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.examples import Examples
from edgeclf_runtime.model.familiarity import Familiarity
from edgeclf_runtime.model.flatbuffer import read_flat_model
from edgeclf_runtime.model.golden import GoldenVector
from edgeclf_runtime.model.last_layer import (
    LastLayer,
    Quantized,
    quantized,
    read_last_layer,
    with_last_layer,
    with_rows,
)
from edgeclf_runtime.model.rewrite import network_of
from edgeclf_runtime.prediction import NOTHING

__all__ = [
    "Base",
    "Kept",
    "Taught",
    "check_teachable",
    "more_labels",
    "saturated",
    "teach",
    "teach_more",
]

_BALANCE_OF_MORE = 1.0  # all classes count the same: the best mean recall on validation images, see docs/figures.md
_MARGIN = 0.25  # as a share of the logits' range, below and above it: a new image can be more certain


@dataclass(frozen=True)
class Kept:
    """The classes that existed before.

    Attributes:
        classes: number of them.
        count: number of their typical images.
        before, after: number of these answered correctly.
        saturated: number of new images whose logits exceed what the untouched classes' quantization can represent.
        known: number of new images that the file was made from, as far as known; their results are too good.
    """

    classes: int
    count: int
    before: int
    after: int
    saturated: int
    known: int = 0


@dataclass(frozen=True, eq=False)
class Taught:
    """A network with a new last layer.

    Attributes:
        network: its flatbuffer.
        card: its card.
        familiarity: familiarity fitted to the same photographs.
        judgement: the head's results on left-out images.
        fit: the head.
        kept: what became of the existing classes; None without them.
    """

    network: bytes
    card: ModelCard
    familiarity: Familiarity
    judgement: Judgement
    fit: Fit
    kept: Kept | None = None


@dataclass(frozen=True, eq=False)
class Base:
    """The model file to start from.

    Attributes:
        content: its bytes.
        card: its card, with the user's values.
        layer: its last layer.
        familiarity: prototypes of its classes; see ``rehearsable`` if they are kept. None if it has none.
        golden: its golden images.
        examples: its example images; None if it has none.
    """

    content: bytes
    card: ModelCard
    layer: LastLayer
    familiarity: Familiarity | None
    golden: tuple[GoldenVector, ...]
    examples: Examples | None = None

    @classmethod
    def of(cls, classifier: Classifier, keep: bool = False) -> Base:
        """Return the needed parts of an opened file.

        Args:
            classifier: the file.
            keep: whether its classes are kept.

        Raises:
            ModelError: it cannot be taught, or lacks prototypes of the classes to keep.
        """
        familiarity = rehearsable(classifier) if keep else classifier.familiarity
        content = classifier.path.read_bytes()
        layer = read_last_layer(network_of(content))
        return cls(content, classifier.card, layer, familiarity, classifier.golden, classifier.examples)


def check_teachable(path: Path) -> None:
    """Check a model file before it is opened, as far as possible.

    Raises:
        ModelError: it cannot be taught.
    """
    content = path.read_bytes() if path.is_file() else b""
    if content[4:8] == b"TFL3":  # for anything else, opening it gives the reason
        try:
            read_flat_model(content)
            read_last_layer(network_of(content))
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None


def teach(base: Base, examples: ImageFeatures, labels: Sequence[str], name: str) -> Taught:
    """Fit a new last layer to photographs.

    Args:
        base: the file to start from.
        examples: the photographs; their targets are indices into ``labels``.
        labels: the new classes.
        name: name of the new model.

    Raises:
        ModelError: the file cannot be taught.
    """
    folds = folds_of(examples)
    start = Head(np.zeros((len(labels), base.layer.weights.shape[1])), np.zeros(len(labels)))
    fit = cross_validated(examples.features, examples.targets, folds, start)
    judgement = judge(examples, folds, fit.left_out, labels)
    nothing = labels.index(NOTHING) if NOTHING in labels else None
    familiarity = fit_familiarity(examples.features, examples.targets, None, groups=examples.groups, nothing=nothing)
    logits = np.concatenate([fit.head(examples.features), fit.left_out])
    stored = quantized(fit.head.weights, fit.head.bias, base.layer, _range(logits))
    network = with_last_layer(network_of(base.content), stored, name)
    return Taught(network, _card(base, examples, labels, name, judgement), familiarity, judgement, fit)


def teach_more(base: Base, examples: ImageFeatures, labels: Sequence[str], name: str, *, exact: bool) -> Taught:
    """Add classes to a file's own, which are rehearsed from their prototypes; the penalty keeps them where they were.

    Args:
        base: the file, which has prototypes; see ``Base.of``.
        name: name of the new model.
        examples: the photographs, including any of existing classes.
        labels: see ``more_labels``.
        exact: leave the weights of existing classes untouched, so that their logits stay the same bit for bit.

    Raises:
        ModelError: the file cannot be taught.
    """
    assert base.familiarity is not None
    old, layer, folds = len(base.card.labels), base.layer, folds_of(examples)
    typical, classes = rehearsed(base.familiarity)
    more = np.zeros((len(labels) - old, layer.weights.shape[1]))
    start = Head(np.concatenate([layer.weights, more]), np.append(layer.bias, np.zeros(len(more))))
    features, targets = np.concatenate([typical, examples.features]), np.append(classes, examples.targets)
    free = np.arange(len(labels)) >= old if exact else None
    parts, balance = np.append(np.full(len(typical), -1), folds), BALANCE if exact else _BALANCE_OF_MORE
    fit = cross_validated(features, targets, parts, start, free, balance=balance)
    judgement = judge(examples, folds, fit.left_out[len(typical) :], labels)
    nothing = labels.index(NOTHING) if NOTHING in labels else None
    familiarity = extend_familiarity(
        base.familiarity, examples.features, examples.targets, groups=examples.groups, nothing=nothing
    )
    logits = fit.head(features)
    if exact:
        stored = with_rows(layer, fit.head.weights, fit.head.bias)
    else:
        stored = quantized(fit.head.weights, fit.head.bias, layer, _range(np.concatenate([logits, fit.left_out])))
    before = Head(layer.weights, layer.bias)(typical).argmax(axis=1)
    right = [int((answers == classes).sum()) for answers in (before, logits[: len(typical)].argmax(axis=1))]
    known = known_images(base.familiarity, base.examples, examples.features)
    kept = Kept(old, len(typical), right[0], right[1], saturated(stored, logits[len(typical) :]), known)
    network = with_last_layer(network_of(base.content), stored, name)
    card = _card(base, examples, labels, name, judgement)
    card = replace(card, accuracy={}) if known else card
    return Taught(network, card, familiarity, judgement, fit, kept)


def more_labels(base: Base, labels: Sequence[str], *, exact: bool) -> tuple[str, ...]:
    """Return the labels of a file's own classes, followed by the new ones.

    Raises:
        LabelsError: a class is named almost like an existing one, or exists and must stay untouched.
    """
    own = base.card.labels
    for label in labels:
        near = next((other for other in own if other.casefold() == label.casefold()), None)
        if near is not None and label not in own:
            raise LabelsError(f"{label}: the model has a class {near!r}. Rename the folder to that, or otherwise.")
        if label in own and exact:
            raise LabelsError(f"{label}: is already a class, which --keep-exact leaves untouched. Use --keep.")
    return (*own, *(label for label in labels if label not in own))


def saturated(stored: Quantized, logits: npt.NDArray[np.float64]) -> int:
    """Return the number of images whose highest logit cannot be represented."""
    scale, zero = stored.output
    return int((logits.max(axis=1) > (127.5 - zero) * scale).sum()) if scale else 0


def _range(logits: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the lowest and highest logit to expect for new images."""
    low, high = float(logits.min()), float(logits.max())
    return low - _MARGIN * (high - low), high + _MARGIN * (high - low)


def _card(base: Base, examples: ImageFeatures, labels: Sequence[str], name: str, judgement: Judgement) -> ModelCard:
    counts = np.bincount(examples.targets.astype(np.intp), minlength=len(labels))
    taught = {
        **{key: value for key, value in base.card.provenance.items() if key in ("backbone", "weights")},
        "taught from": f"{base.card.name}, SHA-256 {hashlib.sha256(base.content).hexdigest()}",
        "images": ", ".join(f"{label} {count}" for label, count in zip(labels, counts) if count),
        "edgeclf-runtime": version("edgeclf-runtime"),
    }
    card = replace(base.card.with_labels(tuple(labels)), name=name, threshold=None, reject=REJECT, provenance=taught)
    return replace(card, accuracy={"left_out": judgement.right / judgement.count} if judgement.count else {})
