"""Classify camera frames with a TensorFlow Lite model, on a Raspberry Pi, a Coral or a desktop.

    from edgeclf_runtime import Classifier

    with Classifier.load("model.tflite") as classifier:
        for prediction in classifier.stream(0):
            print(prediction.label, prediction.score)

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.decision.decision import DecisionRule
    from edgeclf_runtime.decision.gate import GateRule
    from edgeclf_runtime.errors import (
        BackendError,
        EdgeclfError,
        ImageError,
        LabelsError,
        ModelError,
        SourceError,
        UsageError,
    )
    from edgeclf_runtime.frame import Frame
    from edgeclf_runtime.model.card import ModelCard
    from edgeclf_runtime.pictures.images import read_image
    from edgeclf_runtime.pictures.preprocess import Preprocessing
    from edgeclf_runtime.pictures.view import View
    from edgeclf_runtime.pipeline.pipeline import Pipeline
    from edgeclf_runtime.prediction import Prediction
    from edgeclf_runtime.sinks import Observation, Sink
    from edgeclf_runtime.sources import open_source

__all__ = [
    "BackendError",
    "Classifier",
    "DecisionRule",
    "EdgeclfError",
    "Frame",
    "GateRule",
    "ImageError",
    "LabelsError",
    "ModelCard",
    "ModelError",
    "Observation",
    "Pipeline",
    "Prediction",
    "Preprocessing",
    "Sink",
    "SourceError",
    "UsageError",
    "View",
    "__version__",
    "open_source",
    "read_image",
]

__version__ = "0.2.0"
"""Of all distributions, which are released together; their ``setup.py`` reads it here."""

_HOMES = {
    "BackendError": "errors",
    "Classifier": "classifier",
    "DecisionRule": "decision.decision",
    "EdgeclfError": "errors",
    "Frame": "frame",
    "GateRule": "decision.gate",
    "ImageError": "errors",
    "LabelsError": "errors",
    "ModelCard": "model.card",
    "ModelError": "errors",
    "Observation": "sinks",
    "Pipeline": "pipeline.pipeline",
    "Prediction": "prediction",
    "Preprocessing": "pictures.preprocess",
    "Sink": "sinks",
    "SourceError": "errors",
    "UsageError": "errors",
    "View": "pictures.view",
    "open_source": "sources",
    "read_image": "pictures.images",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
