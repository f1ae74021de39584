"""ModelCard: what a model file says about itself."""

from __future__ import annotations

import json
import numbers
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgeclf_runtime.errors import LabelsError, ModelError, UsageError
from edgeclf_runtime.pictures.preprocess import Preprocessing
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.system.plain_text import counted, plain

__all__ = ["NEWEST_FORMAT", "ModelCard"]

_FORMAT, _FORMAT_OF_PIXELS = 1, 2  # a reader that knows only the first would see other pixels than in training
_FORMAT_OF_LABEL_SETS = 3  # a reader that does not know it would answer only with the best label
NEWEST_FORMAT = _FORMAT_OF_LABEL_SETS
"""Newest format of a model card that is read here."""


@dataclass(frozen=True)
class ModelCard:
    """Everything needed to use a model file, except what its tensors define (shape, scale, zero point).

    Attributes:
        name: name of the model, for display.
        labels: one per output, in the tensor's order.
        preprocessing: how an image becomes the input, see ``Preprocessing``.
        label_ids: empty, or a second name for each label (a WordNet id, a folder name).
        accuracy: measured figures by name, as shares in [0, 1], such as ``{"validation_int8": 0.93}``.
        threshold: the score below which a prediction should be called "unknown", or None.
        provenance: how the file was made: versions, seeds, the command, by name.
        view: how a camera's image is rotated and cropped first; image files are used as they are. Version 0.1 refuses
            model files with a view, or with JPEGs decoded at reduced size.
        reject: the familiarity below which an image should be called "unknown", or None.
        label_thresholds: if an image may have several labels, for each label the score from which on it is an answer;
            else empty. Readers that do not support several labels refuse the model file.
    """

    name: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    label_ids: tuple[str, ...] = ()
    accuracy: Mapping[str, float] = field(default_factory=dict)
    threshold: float | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    view: View = field(default_factory=View)
    reject: float | None = None
    label_thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.labels:
            raise LabelsError("The model has no labels.")
        if self.label_ids and len(self.label_ids) != len(self.labels):
            raise LabelsError(f"{counted(len(self.label_ids), 'label id')} for {counted(len(self.labels), 'label')}.")
        if self.label_thresholds and len(self.label_thresholds) != len(self.labels):
            given, labels = counted(len(self.label_thresholds), "threshold"), counted(len(self.labels), "label")
            raise LabelsError(f"{given} for {labels}.")

    @property
    def has_several_labels(self) -> bool:
        """Whether an image may have several labels, or none."""
        return bool(self.label_thresholds)

    def to_json(self) -> str:
        """Return everything but the labels, which are stored in ``labels.txt`` only."""
        reduced = self.preprocessing.jpeg != "full"
        format_ = _FORMAT_OF_PIXELS if self.view.changes or reduced else _FORMAT
        content = {"format": _FORMAT_OF_LABEL_SETS if self.label_thresholds else format_, **asdict(self)}
        del content["labels"]
        if not self.label_thresholds:
            del content["label_thresholds"]
        if not reduced:  # a card without it stays byte for byte as in version 0.1
            del content["preprocessing"]["jpeg"]
        view = content.pop("view")
        content.update(view if self.view.changes else {})
        if self.reject is None:  # the same
            del content["reject"]
        return json.dumps(content, indent=1, ensure_ascii=False, default=_number) + "\n"

    @classmethod
    def from_json(cls, text: str, labels: tuple[str, ...]) -> ModelCard:
        """Read a card written by ``to_json``.

        Raises:
            ModelError: not JSON, a newer format, or values of the wrong type.
        """
        try:
            content = json.loads(text)
            format_ = content.pop("format")
            if format_ not in (_FORMAT, _FORMAT_OF_PIXELS, _FORMAT_OF_LABEL_SETS):
                raise ModelError("The model card has a newer format: update edgeclf-runtime.")
            view = _view(content) if format_ != _FORMAT else View()
            limits = _label_thresholds(content) if format_ == _FORMAT_OF_LABEL_SETS else ()
            return cls(labels=labels, view=view, label_thresholds=limits, **_typed(content))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            if isinstance(error, ModelError):
                raise
            text = " ".join(str(error).split())[:200]  # it may quote the card
            raise ModelError(f"The model card cannot be read ({type(error).__name__}: {text}).") from None

    def check_view(self, name: str) -> None:
        """Check that the card has a view, which whole camera images require.

        Args:
            name: name of the model, for the error.

        Raises:
            UsageError: it has no view.
        """
        if not self.view.changes:
            raise UsageError(
                f"{name}: has no region, rotate or flip, so whole images are classified anyway; omit --whole."
            )

    def with_labels(self, labels: tuple[str, ...]) -> ModelCard:
        """Return a copy with other labels, without the ids, which belong to the old labels."""
        return replace(self, labels=labels, label_ids=())


def _number(value: Any) -> float:
    """Convert a numpy number for JSON."""
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _view(content: dict[str, Any]) -> View:
    region = tuple(float(share) for share in content.get("region", (0, 0, 1, 1)))
    rotate, flip = content.get("rotate", 0), content.get("flip", "none")
    if len(region) != 4 or type(rotate) is not int or type(flip) is not str:
        raise TypeError("expected four shares as region, a whole number as rotate and a text as flip")
    try:
        return View(region, rotate, flip)
    except UsageError as error:
        raise ModelError(f"The model card: {plain(str(error))}") from None


def _label_thresholds(content: dict[str, Any]) -> tuple[float, ...]:
    limits = tuple(float(value) for value in content["label_thresholds"])
    if not limits or not all(0 < value <= 1 for value in limits):
        raise TypeError("expected label_thresholds above 0 and up to 1")
    return limits


def _typed(content: dict[str, Any]) -> dict[str, Any]:
    pre = dict(content["preprocessing"])
    for name in ("mean", "std"):
        pre[name] = tuple(float(value) for value in pre[name])
    for name in ("width", "height"):
        if type(pre[name]) is not int:
            raise TypeError(f"{name} is not a whole number")
    threshold, reject = content.get("threshold"), content.get("reject")
    return {
        "name": plain(str(content["name"])),
        "preprocessing": Preprocessing(**pre),
        "label_ids": tuple(plain(str(label)) for label in content.get("label_ids", ())),
        "accuracy": {plain(str(k)): float(v) for k, v in content.get("accuracy", {}).items()},
        "threshold": None if threshold is None else float(threshold),
        "reject": None if reject is None else float(reject),
        "provenance": {plain(str(k)): plain(str(v)) for k, v in content.get("provenance", {}).items()},
    }
