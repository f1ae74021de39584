"""Read a .tflite file and everything needed to use it; what a foreign file lacks is added here.

A file of edgeclf is the flatbuffer followed by a zip of ``labels.txt``, ``edgeclf.json`` and ``golden/``. The labels of
a foreign file come from the caller, from the zip that its metadata describes, or from a file next to it; its
normalization comes from the caller, from its metadata, or from the quantization of its input.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Union

from edgeclf_runtime.errors import LabelsError, ModelError, UsageError
from edgeclf_runtime.model.archive import Archive
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.examples import Examples, read_examples
from edgeclf_runtime.model.expectation import Expectation, read_expectation
from edgeclf_runtime.model.familiarity import Familiarity, read_familiarity
from edgeclf_runtime.model.features import feature_tensor
from edgeclf_runtime.model.flatbuffer import FlatModel, TensorInfo, read_flat_model
from edgeclf_runtime.model.golden import GoldenVector, read_golden
from edgeclf_runtime.model.labels import (
    LABELS_LIMIT,
    PathOrLabels,
    embedded_labels,
    given_labels,
    labels_beside,
    parse_labels,
)
from edgeclf_runtime.model.metadata import Metadata, read_metadata
from edgeclf_runtime.model.not_a_file import not_tflite, why_no_model
from edgeclf_runtime.model.scores import SCORES, ScoreRule, score_rule
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.trust.sealing import split
from edgeclf_runtime.trust.statement import Statement

__all__ = ["GoldenVector", "ModelFile", "PathOrLabels", "PerChannel", "checked_content", "read_model"]

_Channels = tuple[float, ...]
PerChannel = Union[float, Sequence[float]]

_SIZE_LIMIT = 1 << 30
_CARD_LIMIT = 4 << 20
_DTYPES = ("uint8", "int8", "float32")


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A model file that was read and checked.

    Attributes:
        path: path of the file.
        content: its bytes, as an interpreter takes them.
        digest: SHA-256 of the content once that has been freed; empty before.
        network: number of these bytes that an interpreter needs; the zip follows them.
        card: its model card, with the values given by the caller.
        golden: test images with their expected scores; empty for a foreign file.
        tolerance: largest acceptable difference from such a score.
        scores: how its outputs become scores.
        familiarity: how to tell familiar images from others; None if the file has no such data, or if the network does
            not output its features, as on an Edge TPU.
        expectation: which accuracy to expect on a camera; None if the file has no such data.
        examples: training images to show; None if the file has none, or no familiarity.
        statement: the signed statement at its end, not checked here; None if it is not signed.
    """

    path: Path
    content: bytes
    card: ModelCard
    golden: tuple[GoldenVector, ...]
    tolerance: float
    scores: ScoreRule = field(default_factory=ScoreRule)
    familiarity: Familiarity | None = None
    expectation: Expectation | None = None
    examples: Examples | None = None
    statement: Statement | None = None
    network: int | None = None
    digest: str = ""


@dataclass(frozen=True)
class _Given:
    """Values that the caller gives; None takes the value from the file."""

    labels: PathOrLabels | None
    mean: PerChannel | None
    std: PerChannel | None
    color: str | None
    resize: str | None
    scores: str | None


def read_model(
    path: str | os.PathLike[str],
    labels: PathOrLabels | None = None,
    *,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    color: str | None = None,
    resize: str | None = None,
    scores: str | None = None,
) -> ModelFile:
    """Read a .tflite file of an image classifier.

    Args:
        path: path of the file.
        labels: the labels, or a file of them, to use instead of the model file's own.
        mean, std: one value or one per channel, in pixel values 0 to 255; the network sees ``(pixel - mean) / std``.
        color: order of the channels the network expects, "RGB" or "BGR"; "RGB" for a foreign file.
        resize: "stretch" or "crop"; "stretch" for a foreign file.
        scores: how outputs become scores, one of ``scores.SCORES``; None decides by the network.

    Raises:
        UsageError: unknown value of ``scores``.
        ModelError: missing, truncated, not TFLite, not an image classifier, or with an unknown normalization.
        LabelsError: no labels, or their number differs from the number of outputs.
    """
    path = Path(path)
    if scores not in (None, *SCORES):
        raise UsageError(f"Scores {scores!r}: expected one of {', '.join(SCORES)}.")
    try:
        return _read(path, _Given(labels, mean, std, color, resize, scores))
    except ModelError as error:
        text = str(error)
        raise type(error)(text if text.startswith(f"{path}: ") else f"{path}: {text}") from error.__cause__


def checked_content(path: Path) -> bytes:
    """Return the bytes of a model file after checking that network and zip are complete; labels are not required.

    Raises:
        ModelError: it is not a complete model file.
    """
    try:
        content = _content(path)
        _classes(read_flat_model(content))
        Archive(content)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    return content


def _read(path: Path, given: _Given) -> ModelFile:
    content = _content(path)
    model = read_flat_model(content)
    source, classes = _input(model), _classes(model)
    archive = Archive(content)
    own = archive.read("edgeclf.json", _CARD_LIMIT)
    card = _foreign_card(path, model, source, archive, given) if own is None else _own_card(own, archive, given)
    if len(card.labels) != classes and (classes, len(card.labels)) != (1, 2):
        raise LabelsError(
            f"{len(card.labels)} labels for {classes} outputs; give one label per output, in their order."
        )
    if (1, card.preprocessing.height, card.preprocessing.width, 3) != (1, *source.shape[1:]):
        raise ModelError(
            f"The model card says {card.preprocessing.width}x{card.preprocessing.height}, but the input differs;"
            " export the model again."
        )
    golden, tolerance = read_golden(archive, classes)
    scores = score_rule(given.scores, model, len(card.labels))
    familiarity = _familiarity(archive, content, len(card.labels))
    examples = None if familiarity is None else read_examples(archive, len(card.labels), familiarity.size)
    expectation, (_, statement) = read_expectation(archive), split(content)
    read = golden, tolerance, scores, familiarity, expectation, examples, statement, archive.start
    return ModelFile(path, content, card, *read)


def _familiarity(archive: Archive, content: bytes, labels: int) -> Familiarity | None:
    familiarity = read_familiarity(archive, labels)
    tensor = feature_tensor(content) if familiarity is not None else None
    if familiarity is None or tensor is None:
        return None
    if familiarity.size != tensor[1].shape[-1]:
        raise ModelError(
            f"The familiarity data has {familiarity.size} features, but the network has {tensor[1].shape[-1]};"
            " export the model again."
        )
    return familiarity


def _content(path: Path) -> bytes:
    if reason := why_no_model(path):
        raise ModelError(reason)
    try:
        size = path.stat().st_size
        if size > _SIZE_LIMIT:
            raise ModelError(f"{size >> 20} MB, expected at most {_SIZE_LIMIT >> 20} MB.")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{error.strerror or error}.") from error
    if content[4:8] != b"TFL3":
        raise ModelError(not_tflite(content))
    return content


def _input(model: FlatModel) -> TensorInfo:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{len(model.inputs)} inputs and {len(model.outputs)} outputs; an image classifier has one of each."
        )
    tensor = model.inputs[0]
    shape = tensor.shape
    if len(shape) != 4 or shape[0] not in (1, -1) or shape[3] != 3:
        raise ModelError(f"Input shape {list(shape)}, expected [1, height, width, 3].")
    if min(shape[1:]) < 1:
        raise ModelError(f"Input shape {list(shape)}, expected a fixed height and width; export it with one.")
    _check_dtype(tensor, "Input")
    return tensor


def _classes(model: FlatModel) -> int:
    tensor = model.outputs[0]
    *outer, classes = tensor.shape or (0,)
    if classes < 1 or outer not in ([], [1], [-1], [1, 1, 1], [-1, 1, 1]):
        raise ModelError(f"Output shape {list(tensor.shape)}, expected [1, classes]: not an image classifier.")
    _check_dtype(tensor, "Output")
    return classes


def _check_dtype(tensor: TensorInfo, what: str) -> None:
    if tensor.dtype not in _DTYPES:
        raise ModelError(f"{what} of {tensor.dtype}, expected {', '.join(_DTYPES)}.")


def _own_card(data: bytes, archive: Archive, given: _Given) -> ModelCard:
    text = archive.read("labels.txt", LABELS_LIMIT)
    if text is None:
        raise LabelsError("labels.txt is missing from the model file; copy the file again.")
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ModelError("The model card is not UTF-8 text; copy the file again.") from None
    card = ModelCard.from_json(decoded, parse_labels(text, "labels.txt in the model file", numbered=False))
    if given.labels is not None:
        card = card.with_labels(given_labels(given.labels))
    return replace(card, preprocessing=_override(card.preprocessing, given))


def _foreign_card(path: Path, model: FlatModel, source: TensorInfo, archive: Archive, given: _Given) -> ModelCard:
    metadata = read_metadata(model.metadata)
    if given.labels is not None:
        labels = given_labels(given.labels)
    else:
        labels = embedded_labels(archive, metadata.label_files) or labels_beside(path)
    mean, std = _normalization(metadata, source, given)
    _, height, width, _ = source.shape
    rule = _override(Preprocessing(width, height, mean=mean, std=std), given)
    return ModelCard(metadata.name or path.stem, labels, rule)


def _normalization(metadata: Metadata, source: TensorInfo, given: _Given) -> tuple[_Channels, _Channels]:
    """Return mean and std of a foreign file: given ones first, then its metadata, then the input's quantization."""
    if given.mean is not None and given.std is not None:
        return _channels(given.mean), _channels(given.std)
    if metadata.mean and _fits(metadata, source):
        return metadata.mean, metadata.std
    if source.dtype == "float32":
        raise ModelError(
            "The file does not say how pixels are normalized for its float input; give --mean and --std"
            " (127.5 and 127.5 for a network trained on -1 to 1, 0 and 255 for 0 to 1, 0 and 1 for 0 to 255)."
        )
    # The stored integer is the pixel (for int8 less 128), so its real value is the normalized pixel.
    shift = 128 if source.dtype == "int8" else 0
    return (float(source.zero_point + shift),) * 3, (1 / source.scale if source.scale else 1.0,) * 3


def _fits(metadata: Metadata, source: TensorInfo) -> bool:
    """Whether most normalized pixels lie in the tensor's range.

    The metadata of some integer models states mean 0 and std 1, which is not meant: MediaPipe and the Task Library pass
    pixels to an integer input unchanged, whatever the metadata says.
    """
    if source.dtype == "float32":
        return True
    shift = source.zero_point + (128 if source.dtype == "int8" else 0)
    stored = ((pixel - metadata.mean[0]) / metadata.std[0] / (source.scale or 1.0) + shift for pixel in range(256))
    return sum(-1 <= value <= 256 for value in stored) > 128


def _override(rule: Preprocessing, given: _Given) -> Preprocessing:
    return replace(
        rule,
        mean=rule.mean if given.mean is None else _channels(given.mean),
        std=rule.std if given.std is None else _channels(given.std),
        color=given.color or rule.color,
        resize=given.resize or rule.resize,
    )


def _channels(values: PerChannel) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values) if isinstance(values, Sequence) else (float(values),)
    return numbers * 3 if len(numbers) == 1 else numbers
