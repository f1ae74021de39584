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
    from edgeclf_runtime.card import ModelCard, Preprocessing
    from edgeclf_runtime.classifier import Classifier
    from edgeclf_runtime.decision import DecisionRule
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
    from edgeclf_runtime.gate import GateRule
    from edgeclf_runtime.images import read_image
    from edgeclf_runtime.pipeline import Pipeline
    from edgeclf_runtime.prediction import Prediction
    from edgeclf_runtime.sinks import Observation, Sink
    from edgeclf_runtime.sources import open_source
    from edgeclf_runtime.view import View

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

__version__ = "0.1.0"

_HOMES = {
    "BackendError": "errors",
    "Classifier": "classifier",
    "DecisionRule": "decision",
    "EdgeclfError": "errors",
    "Frame": "frame",
    "GateRule": "gate",
    "ImageError": "errors",
    "LabelsError": "errors",
    "ModelCard": "card",
    "ModelError": "errors",
    "Observation": "sinks",
    "Pipeline": "pipeline",
    "Prediction": "prediction",
    "Preprocessing": "card",
    "Sink": "sinks",
    "SourceError": "errors",
    "UsageError": "errors",
    "View": "view",
    "open_source": "sources",
    "read_image": "images",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
