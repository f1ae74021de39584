"""Convert a tf_keras image classifier to one self-describing TensorFlow Lite file.

    from edgeclf_converters import export

    export(model, "model.tflite", card, mode="int8", calibration=pictures)

TensorFlow is loaded when something is converted, not when this is imported.
"""

from __future__ import annotations

from edgeclf_converters.convert import MODES, convert
from edgeclf_converters.errors import ConversionError
from edgeclf_converters.export import Conversion, export

__all__ = ["MODES", "Conversion", "ConversionError", "__version__", "convert", "export"]

__version__ = "0.1.0"
