"""A model file for Frigate's custom classification (version 0.17 or newer).

Frigate resizes a crop of the camera's image to 224x224 RGB, bilinearly, gives it to ``model.tflite`` as uint8, divides
the first output by its sum and takes the largest. The names are the lines of ``labelmap.txt``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from edgeclf.errors import ConfigError
from edgeclf.evaluation.promotion import put_in_place_of
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.prediction import NOTHING
from edgeclf_runtime.system.atomic_file import write_text, written_beside

__all__ = ["frigate_config", "frigate_doubts", "frigate_labels", "write_for_frigate"]

_SIZE = 224
_NONE = "none"
_THRESHOLD = 0.8  # Frigate's own default


def frigate_labels(labels: Sequence[str]) -> list[str]:
    """Return the lines of ``labelmap.txt``; images of nothing (``_none``) become Frigate's ``none``.

    Raises:
        ConfigError: there are both ``_none`` and ``none``.
    """
    if {NOTHING, _NONE} <= set(labels):
        raise ConfigError(f"Classes {NOTHING} and {_NONE} are the same in Frigate: merge the folders, train again.")
    return [_NONE if label == NOTHING else label for label in labels]


def frigate_doubts(size: int, labels: Sequence[str], whole: bool) -> list[str]:
    """Return warnings, one line each.

    Args:
        size: height and width of the network's input in pixels.
        labels: labels of the model.
        whole: whether the network sees the camera's whole image, upright.
    """
    doubts = []
    if size != _SIZE:
        doubts.append(
            f"Frigate gives a model images of {_SIZE}x{_SIZE} pixels, and this one takes {size}x{size}, so it will "
            f"not run there. Train with: --size {_SIZE}"
        )
    if not whole:
        doubts.append("Frigate does not apply the model's region, rotation and flip: choose the crop in its config.")
    if _NONE not in frigate_labels(labels):
        doubts.append(
            "There is no class none: Frigate gives each object the most likely label. To leave objects without one, "
            "add a folder of other things, none/, to the photographs."
        )
    return doubts


def write_for_frigate(model: Path, card: ModelCard, folder: Path) -> Path:
    """Write ``NAME/model.tflite`` and ``NAME/labelmap.txt``; NAME is the card's name.

    An existing model file is kept as ``model.tflite.before``.

    Args:
        model: an int8 model file.
        card: its card.
        folder: Frigate's ``model_cache``, or one to copy from.

    Returns:
        the folder ``NAME``.

    Raises:
        OSError: the disk is full or read-only.
    """
    place = folder / _name(card)
    place.mkdir(parents=True, exist_ok=True)
    target = place / "model.tflite"
    if target.exists():
        put_in_place_of(model, target)
    else:
        with written_beside(target) as hidden:
            shutil.copyfile(model, hidden)
    write_text(place / "labelmap.txt", "".join(f"{label}\n" for label in frigate_labels(card.labels)))
    return place


def frigate_config(card: ModelCard) -> str:
    """Return the lines of Frigate's config, for tracked objects, with those for a camera's crop in comments."""
    threshold = _THRESHOLD if card.threshold is None else card.threshold
    return f"""\
classification:
  custom:
    "{_name(card)}":
      threshold: {threshold:.2f}
      object_config: # a tracked object gets a label, and none for "none"
        objects: [person] # the objects to classify
        classification_type: sub_label # or: attribute
      # In place of object_config, for the state of a part of a camera's image; there "none" is a state like the others:
      # state_config:
      #   motion: true
      #   cameras:
      #     front_door:
      #       crop: [0.0, 0.0, 1.0, 1.0] # left, top, right, bottom"""


def _name(card: ModelCard) -> str:
    """Return the card's name in a form for a folder, a YAML key and a part of an MQTT topic."""
    return re.sub(r"[^\w-]+", "_", card.name, flags=re.ASCII).strip("_") or "edgeclf"
